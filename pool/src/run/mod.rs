//! The supervisor: starts the rooms in order, keeps mining apart from the rest, and
//! stops everything within ten seconds.

mod backups;
mod claimable;
pub mod faces;
mod gauges;
pub mod history;
mod melts;
mod mint_config;
mod mint_metrics;
mod minting;
pub mod outbox;
mod outbox_head;
mod parts;
mod paying;
mod pulse;
mod reach;
mod room;
pub mod sight;
pub mod signals;
mod solvency;
mod solvency_report;
mod supervisor;
mod view;
mod winding;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use basics::clock;
use ledger::Ledger;
use proxy::{Proxy, ProxyListeners};
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::stores::Stores;
use crate::{admin, backup, data_dir, open_files, wind_down};

pub use claimable::{Claimable, Claimed};
use faces::{Faces, Running};
use gauges::Gauges;
use minting::Minting;
use paying::Paying;
use pulse::Pulse;
use signals::StopSignals;
pub use solvency_report::{AssetsReport, LiabilitiesReport, MeltsReport, SolvencyReport};
use supervisor::Supervisor;
pub use view::View;
use view::ViewParts;

/// A stop takes no longer: what is left then is dropped. No answered share is among
/// it. Half a second less than service managers are promised.
const STOP_DEADLINE: Duration = Duration::from_millis(9_500);

/// The process ends no later after it was told to stop, whatever still runs or waits.
const PROCESS_ENDS_WITHIN: Duration = Duration::from_secs(10);

/// What of it is kept for committing and closing the store.
const KEPT_FOR_THE_LEDGER: Duration = Duration::from_secs(3);

/// The running pool.
///
/// Not for use within a runtime: it owns two, and blocks on them. Mining has one of its
/// own, so that nothing else of the process stands between a miner and its job.
#[derive(Debug)]
pub struct Pool {
    mining: Runtime,
    side: Runtime,
    view: Arc<View>,
    proxy: Arc<Proxy>,
    ledger: Ledger,
    /// Ends the listeners that are not mining.
    side_cancel: CancellationToken,
    side_tasks: TaskTracker,
    /// Ends the node and the watch, which take longer.
    paying_cancel: CancellationToken,
    signals: StopSignals,
}

impl Pool {
    /// Starts all rooms; on return miners can connect. Those that show the pool are bound
    /// by `bind`, once the store is this process's. `stratum` are sockets that were handed
    /// in: each kind goes before what the config says of it.
    ///
    /// # Errors
    /// Whatever of it cannot be had: the directory, the store, a listener.
    pub fn start<F: Faces>(
        mut config: Config,
        stratum: ProxyListeners,
        bind: impl AsyncFnOnce(&Config) -> Result<F>,
    ) -> Result<Pool> {
        data_dir::prepare(&config.data_dir)?;
        open_files::raise_for(
            config.downstream.limits.max_connections,
            "stratum.max_connections",
        );
        let registry = parts::registry()?;
        let mining = parts::runtime("mining", parts::cores())?;
        let side = parts::runtime("side", 2)?;
        let started_ms = clock::now_ms();

        let stores = Stores::new(&config, &registry)?;
        let ledger = parts::open_ledger(&config, &stores, &registry)?;
        let winding = wind_down::read(&config.data_dir).context("whether it winds down")?;
        let side_cancel = CancellationToken::new();
        let side_tasks = TaskTracker::new();
        parts::listen_only_on(&mut config.downstream, &stratum);
        // Before anything answers: whoever sees the pool ready may stop it at once, and a
        // signal without a handler would kill the process. Not earlier: until here a
        // signal ends a start that takes long, which loses nothing.
        let signals = {
            let _entered = side.enter();
            StopSignals::listen()?
        };
        let socket = data_dir::admin_socket(&config.data_dir);
        let socket = side.block_on(admin::bind(&socket))?;
        let faces = side.block_on(bind(&config))?;
        let addresses = faces.addresses()?;
        let tasks = Supervisor::register(&registry).context("the tasks' metrics")?;
        let (paying, paying_tasks) =
            Paying::prepare(&config, ledger.clone(), Arc::clone(&stores) as _, &registry)?;
        let minting = Minting::new(
            &config,
            config.http.public_url_at(&addresses.http),
            ledger.clone(),
            (paying.melter(), winding.map(|word| word.notice())),
            (&tasks, &stores, &registry),
        )?;

        let proxy = mining
            .block_on(Proxy::start_with(
                stratum,
                config.downstream.clone(),
                config.upstream.clone(),
                ledger.clone(),
                &registry,
                CancellationToken::new(),
            ))
            .context("the miners' side did not start")?;
        if let Some(word) = &winding {
            let _entered = mining.enter();
            proxy.wind_down(true);
            tracing::warn!(
                until_ms = word.until_ms,
                "the pool winds down: miners are not served"
            );
        }
        let proxy = Arc::new(proxy);

        let backups = backup::Desk::new(
            backup::Sources::of(&config),
            ledger.reader().clone(),
            backup::Metrics::register(&registry).context("the backups' metrics")?,
        );
        let parts = ViewParts {
            started_ms,
            shown_at: addresses,
            minting,
            paying,
            backups,
            winding,
            ledger: ledger.clone(),
            proxy: &proxy,
            pulse: Pulse::start(mining.handle()),
            tasks,
        };
        let view = Arc::new(View::new(&config, parts));
        let paying_cancel = CancellationToken::new();
        view.paying.start(
            paying_tasks,
            (&view.minting, &view.tasks),
            proxy.upstream_status(),
            side.handle(),
            (&paying_cancel, &side_tasks),
        );
        let gauges = Gauges::register(&config, &registry)?;
        side_tasks.spawn_on(
            gauges.run(Arc::clone(&view), side_cancel.clone()),
            side.handle(),
        );
        let shown = faces.serve(&Running {
            config: &config,
            view: &view,
            registry: &registry,
            handle: side.handle(),
            cancel: &side_cancel,
            tasks: &side_tasks,
        })?;
        view.is_shown(shown.telling);
        let beside = side.handle();
        side_tasks.spawn_on(view.keep_history(side_cancel.clone()), beside);
        let minting = Arc::clone(&view.minting);
        side_tasks.spawn_on(minting.run(shown.routes, side_cancel.clone()), beside);
        side_tasks.spawn_on(
            admin::serve(
                socket,
                Arc::clone(&view),
                side_cancel.clone(),
                side_tasks.clone(),
            ),
            beside,
        );
        view.announce();
        Ok(Pool {
            mining,
            side,
            view,
            proxy,
            ledger,
            side_cancel,
            side_tasks,
            paying_cancel,
            signals,
        })
    }

    /// Waits for SIGTERM or SIGINT, and gives its name. One that came since the start, with
    /// nobody waiting, is not lost.
    pub async fn stop_signal(&self) -> &'static str {
        self.signals.next().await
    }

    /// Runs `task` beside mining, and waits for it.
    pub fn block_on<F: Future>(&self, task: F) -> F::Output {
        self.side.block_on(task)
    }

    /// What there is to know about the running pool.
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// Waits until the pool can go on no more, and says why.
    pub async fn failed(&self) -> anyhow::Error {
        anyhow!(self.view.broke().await)
    }

    /// Stops: no more connections, answers to what is under way, everything durable,
    /// the store closed.
    ///
    /// # Errors
    /// When that took longer than it may, or the store could not be closed well. No
    /// share that was answered is lost even then.
    pub fn stop(self) -> Result<()> {
        let Pool {
            mining,
            side,
            view,
            proxy,
            ledger,
            side_cancel,
            side_tasks,
            paying_cancel,
            signals,
        } = self;
        let deadline = Instant::now() + STOP_DEADLINE;
        view.drain();
        // The node takes its time, and meanwhile mining is drained.
        paying_cancel.cancel();
        let second_signal = side.spawn(async move {
            let name = signals.next().await;
            tracing::warn!(signal = name, "ending at once");
            std::process::exit(1);
        });

        let drain = async { sole_owner(proxy).await.stop().await };
        let drained =
            mining.block_on(async { timeout(STOP_DEADLINE - KEPT_FOR_THE_LEDGER, drain).await });
        side_cancel.cancel();
        side_tasks.close();
        let left = deadline.saturating_duration_since(Instant::now() + KEPT_FOR_THE_LEDGER);
        let left = left.max(Duration::from_secs(1));
        let beside = side.block_on(async { timeout(left, side_tasks.wait()).await });
        drop(view);
        let left = deadline
            .saturating_duration_since(Instant::now())
            .max(Duration::from_secs(1));
        let closed = side.block_on(async { timeout(left, ledger.close()).await });
        second_signal.abort();
        mining.shutdown_background();
        side.shutdown_background();

        // All of it, what matters most first.
        let late = [
            closed.err().map(|_| {
                "the ledger was still writing when the time was up; what was answered is durable"
            }),
            drained.err().map(|_| "connections were still open when the time was up"),
            beside.err().map(|_| "the lightning node or a listener had not ended when the time was up"),
        ];
        let late: Vec<&str> = late.into_iter().flatten().collect();
        anyhow::ensure!(late.is_empty(), "{}", late.join("; "));
        tracing::info!("stopped");
        Ok(())
    }
}

/// Ends the process if it has not ended by itself in time: a deadline that only tasks keep
/// does not hold for what blocks a thread. What is not done by then is as after a kill:
/// what was answered is durable, and rows that wait stay in the outbox.
pub fn end_in_time() {
    let begun = Instant::now();
    let ending = std::thread::Builder::new().name("end in time".to_owned());
    let ending = ending.spawn(move || {
        std::thread::sleep(PROCESS_ENDS_WITHIN.saturating_sub(begun.elapsed()));
        tracing::error!("the stop took too long; unfinished work is done after the next start");
        std::process::exit(1);
    });
    if let Err(error) = ending {
        tracing::warn!(%error, "the time limit of the stop cannot be enforced");
    }
}

/// The proxy, once nobody looks at it any more: who does holds it for microseconds.
async fn sole_owner(proxy: Arc<Proxy>) -> Proxy {
    let mut proxy = proxy;
    loop {
        match Arc::try_unwrap(proxy) {
            Ok(alone) => return alone,
            Err(shared) => proxy = shared,
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
