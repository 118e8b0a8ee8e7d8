//! The pieces that the supervisor puts together.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;

use anyhow::{Context, Result};
use ledger::{Ledger, LedgerOptions};
use prometheus::Registry;
use prometheus::process_collector::ProcessCollector;
use proxy::ProxyListeners;
use proxy::config::DownstreamConfig;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{View, sight};
use crate::admin::{self, AdminSocket};
use crate::config::Config;
use crate::web::{self, Api, Figures, KeptAnswers, Pages, Routes, Server};
use crate::{backup, clock, data_dir, http, logs, notices, service};

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
pub(super) fn open_ledger(config: &Config, registry: &Registry) -> Result<Ledger> {
    let path = data_dir::ledger(&config.data_dir);
    let options = LedgerOptions::new(path.clone(), config.terms, clock::now_ms());
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

/// Binds what is not mining's: the admin socket, the public listeners and the metrics',
/// unless they are given.
pub(super) async fn bind(
    config: &Config,
    http: Vec<StdListener>,
    metrics: Vec<StdListener>,
) -> Result<Bound> {
    let socket = admin::bind(&data_dir::admin_socket(&config.data_dir)).await?;
    let metrics = service::listeners(metrics, &config.metrics_listen, "metrics.listen").await?;
    let http = service::listeners(http, &config.http.listen, "http.listen").await?;
    Ok(Bound {
        socket,
        metrics,
        http,
    })
}

/// The addresses of bound listeners.
pub(super) fn addresses(listeners: &[TcpListener]) -> Result<Vec<SocketAddr>> {
    let addresses = listeners.iter().map(TcpListener::local_addr);
    Ok(addresses.collect::<Result<_, _>>()?)
}

/// Serves the mint and the public listeners until `cancel`. An error is a certificate
/// that cannot be used.
pub(super) fn serve_public(
    side: &Runtime,
    config: &Config,
    view: &Arc<View>,
    registry: &Registry,
    listeners: Vec<TcpListener>,
    (cancel, tasks): (&CancellationToken, &TaskTracker),
) -> Result<()> {
    let kept = KeptAnswers::new();
    let api = Api::new(config, &view.ledger, view.minting.public_url());
    let notices = sight::notices(config, view, api.receipt_key(), registry);
    let told = notices.clone().map(web::notices::router);
    let figures = Figures::new(view, &api, cancel.clone());
    let pages = Pages::new(config, &figures, &api, &kept, notices.as_deref());
    let routes = api.router(kept.clone()).merge(figures.router(kept));
    let routes = routes.merge(told.unwrap_or_default());
    let routes = Routes::new(Arc::clone(view), routes, &pages);
    let server = Server::new(&config.http, routes.clone(), registry)?;
    let handle = side.handle();
    for listener in listeners {
        let serving = Arc::clone(&server).serve(listener, cancel.clone());
        tasks.spawn_on(serving, handle);
    }
    if server.has_tls() {
        tasks.spawn_on(server.keep_fresh(cancel.clone()), handle);
    }
    if let Some(desk) = notices {
        let interval = config.notices.look_interval;
        tasks.spawn_on(notices::run(desk, interval, cancel.clone()), handle);
    }
    tasks.spawn_on(view.keep_history(cancel.clone()), handle);
    tasks.spawn_on(
        Arc::clone(&view.minting).run(routes, cancel.clone()),
        handle,
    );
    Ok(())
}

/// The listeners that are not mining's.
pub(super) struct Bound {
    pub(super) socket: AdminSocket,
    pub(super) metrics: Vec<TcpListener>,
    pub(super) http: Vec<TcpListener>,
}

/// Serves them until `cancel`.
pub(super) fn serve(
    side: &Runtime,
    view: &Arc<View>,
    registry: Registry,
    socket: AdminSocket,
    metrics: Vec<TcpListener>,
    cancel: &CancellationToken,
    tasks: &TaskTracker,
) {
    let handle = side.handle();
    tasks.spawn_on(
        admin::serve(socket, Arc::clone(view), cancel.clone(), tasks.clone()),
        handle,
    );
    let operator = Arc::clone(&view.operator).run(Arc::clone(view), cancel.clone());
    tasks.spawn_on(operator, handle);
    for listener in metrics {
        let serving = http::serve(listener, registry.clone(), Arc::clone(view), cancel.clone());
        let task = async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the metrics' listener ended");
            }
        };
        tasks.spawn_on(task, handle);
    }
}
