//! Accepts connections and speaks HTTP/1.1 on them.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use axum::Json;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prometheus::{IntGauge, Registry};
use proxy::config::IpNetwork;
use proxy::{Certificate, Masked};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::{Client, client};
use super::measure::{Measure, route};
use super::rate::Rates;
use super::routes::Routes;
use super::stream::{Placed, Socket};
use crate::config::HttpConfig;

/// The head of a request at most: as much as cdk's own limits leave room for.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long requests under way may take once the pool stops.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(700);

/// What all connections share.
pub(crate) struct Server {
    routes: Routes,
    trusted: Vec<IpNetwork>,
    header_timeout: Duration,
    rates: Mutex<Rates>,
    since: Instant,
    places: Arc<Semaphore>,
    certificate: Option<(Arc<Certificate>, TlsAcceptor)>,
    measure: Measure,
    connections: IntGauge,
    max_connections: usize,
}

impl Server {
    /// # Errors
    /// The certificate cannot be used, or a metric's name is taken.
    pub(crate) fn new(
        config: &HttpConfig,
        routes: Routes,
        registry: &Registry,
    ) -> Result<Arc<Self>> {
        let certificate = match config.tls.clone() {
            None => None,
            Some(tls) => {
                let certificate = Certificate::load(tls).context("http.certificate")?;
                let acceptor = certificate.acceptor().context("http.certificate")?;
                Some((certificate, acceptor))
            }
        };
        let connections = IntGauge::new(
            "axepool_http_connections",
            "Open connections at the public listener",
        )?;
        registry.register(Box::new(connections.clone()))?;
        let limits = &config.limits;
        Ok(Arc::new(Server {
            routes,
            trusted: config.trusted_proxies.clone(),
            header_timeout: limits.header_timeout,
            rates: Mutex::new(Rates::new(
                limits.requests_per_minute_per_address,
                limits.request_burst_per_address,
            )),
            since: Instant::now(),
            places: Arc::new(Semaphore::new(limits.max_connections)),
            certificate,
            measure: Measure::register(registry)?,
            connections,
            max_connections: limits.max_connections,
        }))
    }

    /// True when it speaks TLS.
    pub(crate) fn has_tls(&self) -> bool {
        self.certificate.is_some()
    }

    /// Looks after the certificate until `cancel`.
    pub(crate) async fn keep_fresh(self: Arc<Self>, cancel: CancellationToken) {
        if let Some((certificate, _)) = &self.certificate {
            Arc::clone(certificate).keep_fresh(cancel).await;
        }
    }

    /// Serves at `listener` until `cancel`, then finishes what is under way. Nobody is
    /// accepted while all places are taken: they wait in the socket's backlog.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener, cancel: CancellationToken) {
        let tasks = TaskTracker::new();
        let accepting = async {
            loop {
                let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
                    return;
                };
                match listener.accept().await {
                    Ok((stream, peer)) => {
                        let attending =
                            Arc::clone(&self).attend(stream, peer, place, cancel.clone());
                        tasks.spawn(attending);
                    }
                    Err(error) => {
                        // Out of file descriptors, mostly: it passes.
                        tracing::warn!(%error, "the public listener accepts nobody");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
                self.count_connections();
            }
        };
        cancel.run_until_cancelled(accepting).await;
        drop(listener);
        tasks.close();
        if timeout(DRAIN_TIMEOUT, tasks.wait()).await.is_err() {
            tracing::debug!("requests were still under way when the time was up");
        }
    }

    fn count_connections(&self) {
        let open = self
            .max_connections
            .saturating_sub(self.places.available_permits());
        self.connections
            .set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    async fn attend(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        place: OwnedSemaphorePermit,
        cancel: CancellationToken,
    ) {
        let handshake = cancel.run_until_cancelled(self.handshake(stream, peer));
        let Some(Some(socket)) = handshake.await else {
            return;
        };
        let server = Arc::clone(&self);
        let service = service_fn(move |request| {
            let server = Arc::clone(&server);
            async move { Ok::<_, Infallible>(server.answer(request, peer.ip()).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_timeout)
            .max_buf_size(MAX_HEAD_BYTES)
            .serve_connection(TokioIo::new(Placed::new(socket, place)), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = cancel.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer = %Masked(peer.ip()), %error, "a connection ended");
        }
        self.count_connections();
    }

    async fn handshake(&self, stream: TcpStream, peer: SocketAddr) -> Option<Socket> {
        let Some((_, acceptor)) = &self.certificate else {
            return Some(Either::Left(stream));
        };
        match timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => Some(Either::Right(Box::new(stream))),
            Ok(Err(error)) => {
                tracing::debug!(peer = %Masked(peer.ip()), %error, "no TLS");
                None
            }
            Err(_) => None,
        }
    }

    async fn answer(&self, mut request: Request<Incoming>, peer: IpAddr) -> Response {
        let client = client(peer, request.headers(), &self.trusted);
        request.extensions_mut().insert(Client(client));
        let begun = Instant::now();
        let now_us = begun.saturating_duration_since(self.since).as_micros();
        let now_us = u64::try_from(now_us).unwrap_or(u64::MAX);
        let admitted = self
            .rates
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .admit(client, now_us);
        // Of the path no more than that: people paste secret keys into it.
        let route = route(request.uri().path());
        let method = request.method().clone();
        let response = match admitted {
            Err(wait_us) => too_many(wait_us),
            Ok(()) => {
                let router = TowerToHyperService::new(self.routes.current());
                match router.call(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                }
            }
        };
        self.measure
            .answered(route, response.status(), begun.elapsed());
        tracing::trace!(client = %Masked(client), %method, route, status = %response.status(), "asked");
        response
    }
}

/// Wallets read it, of any origin.
fn too_many(wait_us: u64) -> Response {
    let body = json!({ "code": 0, "detail": "too many requests from this address" });
    let mut response = (StatusCode::TOO_MANY_REQUESTS, Json(body)).into_response();
    let seconds = wait_us.div_ceil(1_000_000);
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    response
}
