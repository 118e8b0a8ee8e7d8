//! Brings the miners up, starts them together, and sums up.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::connection::{self, Outcome};
use super::histogram::Histogram;
use super::process::{self, Usage};
use super::thin_miner::NotifyCache;
use super::tls::Tls;
use super::{LatencyReport, LoadOptions, LoadReport, ServerReport, fan_out};
use crate::net;

/// Files that the process needs besides the miners' sockets.
const SPARE_FILES: u64 = 64;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The target is not this machine, and it was not said that this is meant.
    #[error("{address} is not this machine: load only servers of your own, and say so")]
    NotLoopback {
        /// What the target resolved to.
        address: SocketAddr,
    },
    /// The target has no address.
    #[error("cannot resolve {target}")]
    Resolve {
        /// The target.
        target: String,
        /// Why.
        source: io::Error,
    },
    /// The file with the certificates that TLS is to trust cannot be used.
    #[error("cannot read the certificates of {path}")]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The target's host is none that a certificate could name.
    #[error("{0} has no host that a certificate could name")]
    ServerName(String),
    /// The process may not have so many sockets.
    #[error("{wanted} open files are needed, the limit is {limit}: raise it (ulimit -n)")]
    OpenFiles {
        /// Sockets and a few more.
        wanted: u64,
        /// The hard limit.
        limit: u64,
    },
    /// Not a single miner came as far as a job.
    #[error("no miner got a job: {reasons:?}")]
    NobodyReady {
        /// Why, and how many.
        reasons: BTreeMap<String, u64>,
    },
    /// The server's difficulty is too high for a load of shares.
    #[error(
        "a share takes {work} hashes, at most {limit} make sense: lower the server's difficulty"
    )]
    TooHard {
        /// The expected hashes of a share.
        work: u128,
        /// The most that were allowed.
        limit: u64,
    },
    /// The server's process cannot be looked at.
    #[error("cannot read what process {pid} uses")]
    Process {
        /// The process.
        pid: u32,
        /// Why.
        source: io::Error,
    },
}

/// What the miners share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: LoadOptions,
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Tls>,
    pub(crate) cache: NotifyCache,
    pub(crate) go: CancellationToken,
    pub(crate) stop: CancellationToken,
    accepted: AtomicU64,
    rejected: Mutex<BTreeMap<String, u64>>,
    latency: Histogram,
    too_hard: Mutex<Option<u128>>,
}

impl Shared {
    pub(crate) fn accepted(&self, latency: Duration) {
        self.latency.record(latency);
        let accepted = self.accepted.fetch_add(1, Ordering::Relaxed) + 1;
        if self.options.max_shares.is_some_and(|most| accepted >= most) {
            self.stop.cancel();
        }
    }

    pub(crate) fn rejected(&self, reason: String, latency: Duration) {
        self.latency.record(latency);
        let mut rejected = self.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        *rejected.entry(reason).or_default() += 1;
    }

    pub(crate) fn too_hard(&self, work: u128) {
        *self.too_hard.lock().unwrap_or_else(PoisonError::into_inner) = Some(work);
        self.stop.cancel();
    }
}

/// Runs the load and tells what was measured.
///
/// # Errors
/// [`LoadError`] if nothing can be measured.
pub async fn run(options: LoadOptions) -> Result<LoadReport, LoadError> {
    let never = Duration::from_secs(u64::from(u32::MAX));
    run_with_trigger(options, never, || ()).await
}

/// Like [`run`], and calls `trigger` at every interval while measuring: to make a job,
/// where the pool behind the server can be told to.
///
/// # Errors
/// [`LoadError`] if nothing can be measured.
pub async fn run_with_trigger(
    options: LoadOptions,
    every: Duration,
    mut trigger: impl FnMut() + Send,
) -> Result<LoadReport, LoadError> {
    let address = resolve(&options).await?;
    let authorities = options.tls.as_deref();
    let tls = authorities
        .map(|path| Tls::new(&options.target, path))
        .transpose()?;
    allow_open_files(options.connections)?;
    let before = usage(&options)?;
    let shared = Arc::new(Shared {
        address,
        tls,
        cache: NotifyCache::default(),
        go: CancellationToken::new(),
        stop: CancellationToken::new(),
        accepted: AtomicU64::new(0),
        rejected: Mutex::default(),
        latency: Histogram::new(),
        too_hard: Mutex::default(),
        options,
    });
    // However this ends, the miners do not go on by themselves.
    let _stop = shared.stop.clone().drop_guard();

    let ramp_start = Instant::now();
    let mut miners = JoinSet::new();
    let (ready, failed_connections) = ramp(&shared, &mut miners).await;
    if ready == 0 {
        return Err(LoadError::NobodyReady {
            reasons: failed_connections,
        });
    }
    let ramp_secs = ramp_start.elapsed().as_secs_f64();
    let connected = usage(&shared.options)?;

    let start = Instant::now();
    shared.go.cancel();
    measure(&shared, every, &mut trigger).await;
    let measured = start.elapsed();
    let after = usage(&shared.options)?;
    shared.stop.cancel();
    let outcomes = miners.join_all().await;

    if let Some(work) = *shared
        .too_hard
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
    {
        return Err(LoadError::TooHard {
            work,
            limit: shared.options.max_work_per_share,
        });
    }
    let mut report = sum_up(&shared, ready, outcomes, measured);
    report.failed_connections = failed_connections;
    report.ramp_secs = ramp_secs;
    report.server = before
        .zip(connected)
        .zip(after)
        .map(|((before, connected), after)| {
            server_report([before, connected, after], ready, report.accepted)
        });
    Ok(report)
}

async fn resolve(options: &LoadOptions) -> Result<SocketAddr, LoadError> {
    let address = net::resolve(&options.target)
        .await
        .map_err(|source| LoadError::Resolve {
            target: options.target.clone(),
            source,
        })?;
    if !address.ip().is_loopback() && !options.allow_remote {
        return Err(LoadError::NotLoopback { address });
    }
    Ok(address)
}

/// Raises the process's limit of open files as far as it is needed and allowed.
fn allow_open_files(connections: usize) -> Result<(), LoadError> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let wanted = SPARE_FILES.saturating_add(connections as u64);
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let most = limit.maximum.unwrap_or(u64::MAX);
    limit.current = Some(wanted.min(most));
    if wanted > most || setrlimit(Resource::Nofile, limit).is_err() {
        return Err(LoadError::OpenFiles {
            wanted,
            limit: most,
        });
    }
    Ok(())
}

fn usage(options: &LoadOptions) -> Result<Option<Usage>, LoadError> {
    let look = |pid| process::usage(pid).map_err(|source| LoadError::Process { pid, source });
    options.pid.map(look).transpose()
}

/// Connects everyone; returns how many are ready and why the others are not.
async fn ramp(
    shared: &Arc<Shared>,
    miners: &mut JoinSet<Outcome>,
) -> (usize, BTreeMap<String, u64>) {
    let connections = shared.options.connections;
    let slots = shared
        .options
        .connecting_at_once
        .clamp(1, Semaphore::MAX_PERMITS);
    let connecting = Arc::new(Semaphore::new(slots));
    // As many as there are miners: none of them waits to tell.
    let (ready, mut told) = mpsc::channel(connections.max(1));
    for index in 0..connections {
        let (shared, connecting) = (Arc::clone(shared), Arc::clone(&connecting));
        miners.spawn(connection::run(shared, index, connecting, ready.clone()));
    }
    drop(ready);
    let mut count = 0;
    let mut told_count = 0;
    let mut failed: BTreeMap<String, u64> = BTreeMap::new();
    let deadline = tokio::time::Instant::now() + shared.options.ramp_timeout;
    while let Ok(Some(result)) = tokio::time::timeout_at(deadline, told.recv()).await {
        told_count += 1;
        match result {
            Ok(()) => count += 1,
            Err(reason) => *failed.entry(reason).or_default() += 1,
        }
    }
    if told_count < connections {
        let late = (connections - told_count) as u64;
        failed.insert("no job in time".to_owned(), late);
    }
    (count, failed)
}

/// Lets them run until the time is up or they stop by themselves.
async fn measure(shared: &Shared, every: Duration, trigger: &mut (impl FnMut() + Send)) {
    let end = tokio::time::Instant::now() + shared.options.duration;
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep_until(end) => return,
            _ = ticks.tick() => trigger(),
        }
    }
}

fn sum_up(
    shared: &Shared,
    connections: usize,
    outcomes: Vec<Outcome>,
    measured: Duration,
) -> LoadReport {
    let rejected = shared
        .rejected
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let accepted = shared.accepted.load(Ordering::Relaxed);
    let answered = accepted + rejected.values().sum::<u64>();
    let lost = outcomes.iter().filter(|outcome| outcome.lost).count();
    let unanswered = outcomes.iter().filter(|outcome| outcome.unanswered).count();
    let arrivals = outcomes.into_iter().flat_map(|outcome| outcome.arrivals);
    LoadReport {
        target: shared.options.target.clone(),
        mode: shared.options.mode,
        connections,
        failed_connections: BTreeMap::new(),
        lost_connections: lost as u64,
        ramp_secs: 0.0,
        measured_secs: measured.as_secs_f64(),
        accepted,
        rejected,
        unanswered: unanswered as u64,
        accepted_per_sec: accepted as f64 / measured.as_secs_f64().max(1e-9),
        accept_ratio: (answered > 0).then(|| accepted as f64 / answered as f64),
        latency: LatencyReport::of(&shared.latency),
        fan_out: fan_out::report(arrivals, connections.saturating_sub(lost)),
        server: None,
    }
}

/// From what the process had used before, when all were connected, and after.
fn server_report(
    [before, connected, after]: [Usage; 3],
    connections: usize,
    accepted: u64,
) -> ServerReport {
    let cpu_secs = after.cpu.saturating_sub(connected.cpu).as_secs_f64();
    let added = connected.rss_bytes as f64 - before.rss_bytes as f64;
    ServerReport {
        cpu_secs,
        cpu_us_per_share: (accepted > 0).then(|| cpu_secs * 1e6 / accepted as f64),
        rss_before_bytes: before.rss_bytes,
        rss_connected_bytes: connected.rss_bytes,
        rss_after_bytes: after.rss_bytes,
        rss_bytes_per_connection: added / connections as f64,
    }
}
