//! The world around a pool's process: simulated OCEANs, simulated Bitaxes, and a look at
//! everybody's books.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use simnet::bitaxe::{PoolAddress, SimBitaxe, SimBitaxeOptions, Timing};
use simnet::keys::SimKey;
use simnet::pool::{SimPool, SimPoolHandle, SimPoolOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::common::{PATIENCE, PoolProcess, PoolSetup};

/// The upstream's difficulty: about 43,000 hashes a share.
pub const UPSTREAM: f64 = 1e-5;

/// What a device hashes: some twenty shares a second to begin with, and next to nothing
/// of a processor.
pub const HASHRATE: f64 = 100_000.0;

/// `[stratum]` as most tests have it.
pub const STRATUM: &str = "min_difficulty = 0.0000001\nstart_difficulty = 0.000001\n\
    target_shares_per_minute = 1000\n";

/// `[stratum]` of a pool that many clients of one address load with tiny shares of one
/// work, known in advance.
pub const LOADED: &str = "min_difficulty = 0.00000001\nstart_difficulty = 0.00000001\n\
    target_shares_per_minute = 1000000\nmessages_per_second = 100000\n\
    max_connections_per_address = 10000\nnew_per_second_per_address = 10000\n\
    new_burst_per_address = 10000\n";

/// The difficulty of [`LOADED`].
pub const TINY: f64 = 1e-8;

/// `[upstream]` as most tests have it: quick to come back.
pub const UPSTREAM_LINES: &str =
    "backoff_min_ms = 50\nbackoff_max_secs = 1\nfailback_interval_secs = 1\n";

/// A simulated OCEAN that gives jobs on demand only. Each has a coinbase of its own: of
/// two that are alike in all else the same headers would come, and be duplicates.
pub async fn ocean(change: impl FnOnce(&mut SimPoolOptions)) -> SimPoolHandle {
    let mut options = ocean_options();
    change(&mut options);
    SimPool::start(options).await.expect("a simulated pool")
}

/// Its options.
pub fn ocean_options() -> SimPoolOptions {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    SimPoolOptions {
        tag: format!("< OCEAN {} >", COUNT.fetch_add(1, Ordering::Relaxed)),
        difficulty: UPSTREAM,
        job_interval: None,
        ..SimPoolOptions::default()
    }
}

/// A pool's process at `ocean`, serving.
pub async fn pool(ocean: &SimPoolHandle, change: impl FnOnce(&mut PoolSetup)) -> PoolProcess {
    let mut setup = PoolSetup::regtest(ocean.address());
    setup.stratum = STRATUM.to_owned();
    setup.upstream = UPSTREAM_LINES.to_owned();
    change(&mut setup);
    let pool = PoolProcess::start(setup).await;
    pool.wait_ready().await;
    pool
}

/// A Bitaxe at `target`, with the firmware's habits a hundred times faster.
pub fn bitaxe(
    target: SocketAddr,
    key: &SimKey,
    change: impl FnOnce(&mut SimBitaxeOptions),
) -> SimBitaxe {
    let primary = PoolAddress::new(target.to_string(), key.username("axe"));
    let mut options = SimBitaxeOptions::new(primary, HASHRATE);
    options.timing = Timing::fast();
    options.seed = u64::from(key.secret[0]) << 8 | u64::from(key.secret[1]);
    change(&mut options);
    SimBitaxe::start(options)
}

/// Key number `index` of the tests.
pub fn key(index: u64) -> SimKey {
    SimKey::derive(2026, index)
}

/// Waits until the device has `count` more accepted shares.
#[track_caller]
pub fn earns(axe: &SimBitaxe, count: u64) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    let wanted = axe.read_stats(|stats| stats.accepted) + count;
    async move {
        axe.wait_for(|stats| stats.accepted >= wanted, PATIENCE)
            .await
            .unwrap_or_else(|error| panic!("{place}: {error}"));
    }
}

/// Shares and work.
pub type Credit = (u64, u128);

/// What the ledger credits each npub with, over all epochs. Each epoch's sums have to be
/// those of its miners.
pub async fn credited(pool: &PoolProcess) -> BTreeMap<String, Credit> {
    let mut sums: BTreeMap<String, Credit> = BTreeMap::new();
    for epoch in pool.epochs().await {
        let miners = pool.miners(Some(epoch.id)).await;
        let (mut shares, mut work) = (0, 0);
        for row in &miners.miners {
            shares += row.tally.shares;
            work += row.tally.work.hashes();
            let sum = sums.entry(row.miner.npub()).or_default();
            sum.0 += row.tally.shares;
            sum.1 += row.tally.work.hashes();
        }
        let totals = miners.epoch.totals;
        assert_eq!(
            (totals.shares, totals.work.hashes()),
            (shares, work),
            "epoch {} is not the sum of its miners",
            epoch.id
        );
    }
    sums
}

/// What the ledger credits one key with.
pub async fn credited_to(pool: &PoolProcess, key: &SimKey) -> Credit {
    credited(pool)
        .await
        .get(&key.npub)
        .copied()
        .unwrap_or_default()
}

/// Lets the device finish, and compares: what was answered with `true` is what the
/// ledger has, to the last hash.
#[track_caller]
pub fn agrees(pool: &PoolProcess, axe: &SimBitaxe, key: &SimKey) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    async move {
        let stats = axe.drain(PATIENCE).await.expect("every answer comes");
        let (shares, work) = credited_to(pool, key).await;
        let least = (stats.accepted, stats.accepted_work);
        if stats.lost == 0 {
            assert_eq!((shares, work), least, "{place}");
        } else {
            // What it lost with a connection may have been stored.
            let most = stats.accepted + stats.lost;
            assert!(
                (least.0..=most).contains(&shares) && work >= least.1,
                "{place}: {shares} shares for {least:?}"
            );
        }
    }
}

/// One HTTP request: the status code and the body.
pub async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.expect("connect");
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("write");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");
    let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = answer.split_once("\r\n\r\n").expect("a body").1;
    (code.expect("a status code"), body.to_owned())
}

/// The sum of the metric's samples that have `label` in them (`""`: all of them).
pub async fn metric(pool: &PoolProcess, name: &str, label: &str) -> f64 {
    let (_, text) = get(pool.metrics().await, "/metrics").await;
    let samples = text.lines().filter_map(|line| line.strip_prefix(name));
    samples
        .filter(|rest| rest.starts_with([' ', '{']) && rest.contains(label))
        .filter_map(|rest| rest.rsplit_once(' '))
        .map(|(_, value)| value.parse::<f64>().expect("a number"))
        .sum()
}

/// Waits until that metric is at least `least`.
pub async fn metric_reaches(pool: &PoolProcess, name: &str, label: &str, least: f64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let value = metric(pool, name, label).await;
        if value >= least {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{name} {label} is {value}, not {least}; the log:\n{}",
            pool.log()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the pool has work, or has none.
pub async fn upstream_is(pool: &PoolProcess, up: bool) {
    pool.poll("the upstream to come or go", async |pool| {
        (pool.status().await.upstream.up == up).then_some(())
    })
    .await;
}

/// No file of the process may be longer from now on, as a quota has it; `None`: again as
/// long as it likes. Needs no rights.
pub fn limit(pool: &PoolProcess, bytes: Option<u64>) {
    let pid = i32::try_from(pool.pid()).ok().and_then(Pid::from_raw);
    let limit = Rlimit {
        current: bytes,
        maximum: None,
    };
    prlimit(pid, Resource::Fsize, limit).expect("prlimit");
}

/// The signal that comes with the limit would end the process before it sees the error.
pub const NO_SIGNAL: &str = "trap '' XFSZ";
