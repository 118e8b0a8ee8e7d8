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
use pool::run::View;
use prometheus::{Registry, TextEncoder};

struct Answered {
    registry: Registry,
    view: Arc<View>,
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
pub(crate) fn routes(registry: Registry, view: Arc<View>) -> Arc<Router> {
    let routes = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz));
    Arc::new(routes.with_state(Arc::new(Answered { registry, view })))
}

async fn metrics(State(shared): State<Arc<Answered>>) -> Response {
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
async fn healthz(State(shared): State<Arc<Answered>>) -> Response {
    match shared.view.broken() {
        None => "ok\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

/// Fails while a miner that connects now would get no work, or its shares no disk.
async fn readyz(State(shared): State<Arc<Answered>>) -> Response {
    let reasons = shared.view.not_ready();
    if reasons.is_empty() {
        let mut text = "ready\n".to_owned();
        for beside in shared.view.beside() {
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
