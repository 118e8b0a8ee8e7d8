//! The pieces that the supervisor puts together.

use std::sync::Arc;

use anyhow::{Context, Result};
use basics::clock;
use ledger::{Ledger, LedgerOptions};
use prometheus::Registry;
use prometheus::process_collector::ProcessCollector;
use proxy::ProxyListeners;
use proxy::config::DownstreamConfig;
use tokio::runtime::{Builder, Runtime};

use crate::config::Config;
use crate::stores::Stores;
use crate::{backup, data_dir, logs};

/// The metrics' registry, with the process's own numbers in it.
pub(super) fn registry() -> Result<Registry> {
    let registry = Registry::new();
    let process = ProcessCollector::for_self();
    registry
        .register(Box::new(process))
        .context("the process's metrics cannot be registered")?;
    for lines in [logs::dropped(), logs::left_out()] {
        registry
            .register(Box::new(lines))
            .context("the log's metrics cannot be registered")?;
    }
    Ok(registry)
}

/// How many threads mine: one per core, at least two, so that one slow task does not
/// hold up all.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism()
        .map_or(2, usize::from)
        .max(2)
}

/// A runtime whose threads are called `name`.
pub(super) fn runtime(name: &'static str, threads: usize) -> Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name(name)
        .enable_all()
        .build()
        .with_context(|| format!("the threads of {name} cannot be started"))
}

/// Opens the accounting's store.
pub(super) fn open_ledger(
    config: &Config,
    stores: &Arc<Stores>,
    registry: &Registry,
) -> Result<Ledger> {
    let path = data_dir::ledger(&config.data_dir);
    let mut options = LedgerOptions::new(path.clone(), config.terms, clock::now_ms());
    options.quiet_window = config.ledger.commit_window;
    options.examiner = Some(stores.examiner());
    let ledger = Ledger::open(options, registry)
        .with_context(|| format!("the ledger {} cannot be opened", path.display()))?;
    // Nobody tells it of payments before this returns.
    let record = backup::read_restore(&config.data_dir).context("the record of the restore")?;
    ledger.hold_payments(backup::held(ledger.reader().lineage(), record.as_ref()));
    Ok(ledger)
}

/// Sockets that were handed in go before the addresses that the config names.
pub(super) fn listen_only_on(downstream: &mut DownstreamConfig, given: &ProxyListeners) {
    if !given.plain.is_empty() {
        downstream.listen.clear();
    }
    if let Some(tls) = downstream.tls.as_mut().filter(|_| !given.tls.is_empty()) {
        tls.listen.clear();
    }
}
