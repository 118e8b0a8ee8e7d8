//! Puts the pool and those that show it together: the pages and the mint for the public,
//! the metrics, the operator's page. The pool knows of them what `pool::faces` says.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;

use anyhow::{Context, Result};
use listener::{Bounds, Door, Naming, Tls};
use pool::config::Config;
use pool::open_files;
use pool::run::Pool;
use pool::run::faces::{FaceAddresses, Faces, Routes, Running, Shown, Telling};
use pool::run::sight;
use pool::service::{self, Inherited};
use prometheus::Registry;
use proxy::ProxyListeners;
use tokio::net::TcpListener;

use crate::operator::Operator;
use crate::{Api, Figures, KeptAnswers, Pages, Server, document, metrics_listener, operator};

/// Starts the pool with everything that shows it; on return miners can connect.
///
/// # Errors
/// Whatever of it cannot be had: the directory, the store, a listener.
pub fn start(config: Config) -> Result<Pool> {
    start_with(config, Inherited::default())
}

/// As [`start`], listening on sockets that were handed in: each kind goes before what the
/// config says of it.
///
/// # Errors
/// As [`start`].
pub fn start_with(config: Config, inherited: Inherited) -> Result<Pool> {
    let Inherited {
        stratum,
        stratum_tls,
        http,
        metrics,
    } = inherited;
    let stratum = ProxyListeners {
        plain: stratum,
        tls: stratum_tls,
    };
    let bind = async |config: &Config| Bound::bind(config, http, metrics).await;
    Pool::start(config, stratum, bind)
}

/// The listeners that are not mining's.
struct Bound {
    metrics: Vec<TcpListener>,
    http: Vec<TcpListener>,
    onion: Vec<TcpListener>,
}

impl Bound {
    /// Binds the public listeners and the metrics', unless they are given.
    async fn bind(
        config: &Config,
        http: Vec<StdListener>,
        metrics: Vec<StdListener>,
    ) -> Result<Bound> {
        let metrics = service::listeners(metrics, &config.metrics_listen, "metrics.listen").await?;
        let http = service::listeners(http, &config.http.listen, "http.listen").await?;
        let onion = &config.http.onion_listen;
        let onion = service::listeners(Vec::new(), onion, "http.onion_listen").await?;
        Ok(Bound {
            metrics,
            http,
            onion,
        })
    }
}

impl Faces for Bound {
    fn addresses(&self) -> Result<FaceAddresses> {
        Ok(FaceAddresses {
            metrics: addresses(&self.metrics)?,
            http: addresses(&self.http)?,
        })
    }

    fn serve(self, running: &Running<'_>) -> Result<Shown> {
        let shared = shared(running.config, running.registry)?;
        let operator = Operator::new(running.config);
        let tls = running.config.http.tls.clone().map(Tls::new);
        let onion = addresses(&self.onion)?;
        let routes = serve_public(running, (self.http, self.onion), tls.clone(), &shared)?;
        serve_metrics(running, self.metrics, &shared);
        let page = Arc::clone(&operator);
        running.tasks.spawn_on(
            page.run(Arc::clone(running.view), shared, running.cancel.clone()),
            running.handle,
        );
        let telling = Arc::new(Told {
            onion,
            tls,
            operator,
        });
        Ok(Shown { telling, routes })
    }
}

/// What the pool's status tells of its listeners.
#[derive(Debug)]
struct Told {
    onion: Vec<SocketAddr>,
    tls: Option<Arc<Tls>>,
    operator: Arc<Operator>,
}

impl Telling for Told {
    fn onion(&self) -> &[SocketAddr] {
        &self.onion
    }

    fn certificate_trouble(&self) -> Option<String> {
        self.tls.as_ref()?.trouble()
    }

    fn operator_url(&self) -> Option<String> {
        self.operator.url()
    }
}

/// The addresses of bound listeners.
fn addresses(listeners: &[TcpListener]) -> Result<Vec<SocketAddr>> {
    let addresses = listeners.iter().map(TcpListener::local_addr);
    Ok(addresses.collect::<Result<_, _>>()?)
}

/// What all HTTP listeners share.
fn shared(config: &Config, registry: &Registry) -> Result<listener::Shared> {
    let counts = listener::Counts::register(registry).context("the listeners' metrics")?;
    let descriptors = open_files::left_for_http(config.downstream.limits.max_connections);
    let for_operator = metrics_listener::BOUNDS.connections + operator::BOUNDS.connections;
    Ok(listener::Shared::new(counts, descriptors, for_operator))
}

/// Serves the pages, the JSON and the mint, and tells miners what happens to them.
fn serve_public(
    running: &Running<'_>,
    (public, onion): (Vec<TcpListener>, Vec<TcpListener>),
    tls: Option<Arc<Tls>>,
    shared: &listener::Shared,
) -> Result<Routes> {
    let Running {
        config,
        view,
        registry,
        handle,
        cancel,
        tasks,
    } = *running;
    let kept = KeptAnswers::new();
    let api = Api::new(config, &view.ledger, view.public_url());
    let notices = sight::notices(config, view, api.receipt_key(), registry);
    let told = notices.clone().map(crate::notices::router);
    let figures = Figures::new(view, &api, cancel.clone());
    let pages = Pages::new(config, &figures, &api, &kept, notices.as_deref());
    let routes = api.router(kept.clone()).merge(figures.router(kept.clone()));
    let routes = routes.merge(document::router());
    let routes = routes.merge(told.unwrap_or_default());
    let routes = crate::Routes::new(Arc::clone(view), routes, &pages, kept);
    let limits = &config.http.limits;
    let server = Server::new(limits, &config.mint, routes.clone(), registry)?;
    if let Some(tls) = tls.clone() {
        tasks.spawn_on(tls.keep_fresh(cancel.clone()), handle);
    }
    let doors = doors(config, shared, tls);
    for (door, listeners) in [(&doors.0, public), (&doors.1, onion)] {
        for listener in listeners {
            let serving = Arc::clone(door).serve(listener, Arc::clone(&server), cancel.clone());
            tasks.spawn_on(serving, handle);
        }
    }
    if let Some(desk) = notices {
        let interval = config.notices.look_interval;
        tasks.spawn_on(notices::run(desk, interval, cancel.clone()), handle);
    }
    Ok(Routes::new(move |mint| routes.open_mint(mint)))
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

/// Serves the metrics and the process's health.
fn serve_metrics(running: &Running<'_>, listeners: Vec<TcpListener>, shared: &listener::Shared) {
    let door = metrics_listener::door(shared);
    let routes = metrics_listener::routes(running.registry.clone(), Arc::clone(running.view));
    for listener in listeners {
        let (routes, cancel) = (Arc::clone(&routes), running.cancel.clone());
        let serving = Arc::clone(&door).serve(listener, routes, cancel);
        running.tasks.spawn_on(serving, running.handle);
    }
}
