//! The metrics listener: `/metrics` for Prometheus, `/healthz` and `/readyz` for service
//! managers and load balancers.
//!
//! `/healthz` fails for faults that a restart repairs: the ledger's writer ended, or
//! mining's threads stand still. `/readyz` fails while a miner that connects now would get
//! no work or its shares could not be stored, and while a task of the money side has
//! panicked (`pool/supervisor.rs` watches these tasks). This listener adds the reasons; the
//! public listener answers both without reasons, and `axepool health` asks for them over
//! the admin socket.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use listener::{Bounds, Door, Naming, Shared};
use prometheus::{Registry, TextEncoder};

/// What the listener asks of the pool.
pub(crate) trait Health: Send + Sync + 'static {
    /// What a restart would mend; `None` when nothing is wrong of that kind.
    fn broken(&self) -> Option<String>;
    /// Why miners would not be served; empty when they are.
    fn not_ready(&self) -> Vec<String>;
    /// What is wrong beside mining; miners are served all the same.
    fn beside(&self) -> Vec<String>;
}

struct Answered<H> {
    registry: Registry,
    health: Arc<H>,
}

/// What Prometheus and those who look after the process take at once.
pub(crate) const BOUNDS: Bounds = Bounds {
    connections: 32,
    per_household: 16,
    request_time: Duration::from_secs(20),
};

/// The door of the metrics' listeners.
pub(crate) fn door(shared: &Shared) -> Arc<Door> {
    Door::new("metrics", shared, BOUNDS, Naming::Peer, None)
}

/// What is answered there.
pub(crate) fn routes<H: Health>(registry: Registry, health: Arc<H>) -> Arc<Router> {
    let routes = Router::new()
        .route("/metrics", get(metrics::<H>))
        .route("/healthz", get(healthz::<H>))
        .route("/readyz", get(readyz::<H>));
    Arc::new(routes.with_state(Arc::new(Answered { registry, health })))
}

async fn metrics<H: Health>(State(shared): State<Arc<Answered<H>>>) -> Response {
    match TextEncoder::new().encode_to_string(&shared.registry.gather()) {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
        }
    }
}

/// Fails only for what a restart mends: with the upstream gone or the disk full a
/// restart would only throw the miners out.
async fn healthz<H: Health>(State(shared): State<Arc<Answered<H>>>) -> Response {
    match shared.health.broken() {
        None => "ok\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

/// Fails while a miner that connects now would get no work, or its shares no disk.
async fn readyz<H: Health>(State(shared): State<Arc<Answered<H>>>) -> Response {
    let reasons = shared.health.not_ready();
    if reasons.is_empty() {
        let mut text = "ready\n".to_owned();
        for beside in shared.health.beside() {
            text.push_str(&beside);
            text.push('\n');
        }
        return text.into_response();
    }
    (
        StatusCode::SERVICE_UNAVAILABLE,
        format!("{}\n", reasons.join("\n")),
    )
        .into_response()
}
