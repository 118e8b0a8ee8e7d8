//! The pieces that the supervisor puts together.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;

use anyhow::{Context, Result};
use basics::clock;
use ledger::{Ledger, LedgerOptions};
use listener::{Bounds, Door, Naming, Tls};
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
use crate::stores::Stores;
use crate::web::{self, Api, Figures, KeptAnswers, Pages, Routes, Server};
use crate::{backup, data_dir, http, logs, open_files, operator, service};

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
    let onion = &config.http.onion_listen;
    let onion = service::listeners(Vec::new(), onion, "http.onion_listen").await?;
    Ok(Bound {
        socket,
        metrics,
        http,
        onion,
    })
}

/// The addresses of bound listeners.
pub(super) fn addresses(listeners: &[TcpListener]) -> Result<Vec<SocketAddr>> {
    let addresses = listeners.iter().map(TcpListener::local_addr);
    Ok(addresses.collect::<Result<_, _>>()?)
}

/// What all HTTP listeners share.
pub(super) fn shared(config: &Config, registry: &Registry) -> Result<listener::Shared> {
    let counts = listener::Counts::register(registry).context("the listeners' metrics")?;
    let descriptors = open_files::left_for_http(config.downstream.limits.max_connections);
    let for_operator = http::BOUNDS.connections + operator::BOUNDS.connections;
    Ok(listener::Shared::new(counts, descriptors, for_operator))
}

/// Where the public is served.
pub(super) struct Public {
    pub(super) listeners: Vec<TcpListener>,
    /// Of the onion service.
    pub(super) onion: Vec<TcpListener>,
}

/// Serves the mint and the public listeners until `cancel`.
pub(super) fn serve_public(
    side: &Runtime,
    config: &Config,
    view: &Arc<View>,
    registry: &Registry,
    (public, shared): (Public, &listener::Shared),
    (cancel, tasks): (&CancellationToken, &TaskTracker),
) -> Result<()> {
    let kept = KeptAnswers::new();
    let api = Api::new(config, &view.ledger, view.minting.public_url());
    let notices = sight::notices(config, view, api.receipt_key(), registry);
    let told = notices.clone().map(web::notices::router);
    let figures = Figures::new(view, &api, cancel.clone());
    let pages = Pages::new(config, &figures, &api, &kept, notices.as_deref());
    let routes = api.router(kept.clone()).merge(figures.router(kept.clone()));
    let routes = routes.merge(told.unwrap_or_default());
    let routes = Routes::new(Arc::clone(view), routes, &pages, kept);
    let limits = &config.http.limits;
    let server = Server::new(limits, &config.mint, routes.clone(), registry)?;
    let handle = side.handle();
    let tls = config.http.tls.clone().map(Tls::new);
    view.serves_at(addresses(&public.onion)?, tls.clone());
    if let Some(tls) = tls.clone() {
        tasks.spawn_on(tls.keep_fresh(cancel.clone()), handle);
    }
    let doors = doors(config, shared, tls);
    for (door, listeners) in [(&doors.0, public.listeners), (&doors.1, public.onion)] {
        for listener in listeners {
            let serving = Arc::clone(door).serve(listener, Arc::clone(&server), cancel.clone());
            tasks.spawn_on(serving, handle);
        }
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

/// Those of the public listener and of the onion service, which gets a quarter of the
/// connections: its visitors cannot be told from each other as well as others can.
fn doors(
    config: &Config,
    shared: &listener::Shared,
    tls: Option<Arc<Tls>>,
) -> (Arc<Door>, Arc<Door>) {
    let limits = &config.http.limits;
    let most = shared.for_public();
    let bounds = Bounds {
        connections: limits.max_connections.min(most - most / 5).max(1),
        per_household: limits.max_connections_per_address,
        request_time: limits.request_timeout,
    };
    let onion = Bounds {
        connections: (limits.max_connections / 4).min(most / 5).max(1),
        ..bounds
    };
    let naming = Naming::Forwarded(config.http.trusted_proxies.clone());
    (
        Door::new("http", shared, bounds, naming, tls),
        Door::new("onion", shared, onion, Naming::Onion, None),
    )
}

/// The listeners that are not mining's.
pub(super) struct Bound {
    pub(super) socket: AdminSocket,
    pub(super) metrics: Vec<TcpListener>,
    pub(super) http: Vec<TcpListener>,
    pub(super) onion: Vec<TcpListener>,
}

/// Serves them until `cancel`.
pub(super) fn serve(
    side: &Runtime,
    view: &Arc<View>,
    (registry, shared): (Registry, listener::Shared),
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
    let door = http::door(&shared);
    let routes = http::routes(registry, Arc::clone(view));
    for listener in metrics {
        let serving = Arc::clone(&door).serve(listener, Arc::clone(&routes), cancel.clone());
        tasks.spawn_on(serving, handle);
    }
    let operator = Arc::clone(&view.operator);
    let operator = operator.run(Arc::clone(view), shared, cancel.clone());
    tasks.spawn_on(operator, handle);
}
