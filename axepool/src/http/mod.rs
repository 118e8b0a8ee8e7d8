//! The metrics' listener: `/metrics` for Prometheus, `/healthz` and `/readyz` for
//! whatever restarts the process or sends miners to it.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What the listener asks of the pool.
pub(crate) trait Health: Send + Sync + 'static {
    /// What a restart would mend; `None` when nothing is wrong of that kind.
    fn broken(&self) -> Option<String>;
    /// Why miners would not be served; empty when they are.
    fn not_ready(&self) -> Vec<String>;
    /// What is wrong beside mining; miners are served all the same.
    fn beside(&self) -> Vec<String>;
}

struct Shared<H> {
    registry: Registry,
    health: Arc<H>,
}

/// Serves at `listener` until `cancel`.
pub(crate) async fn serve<H: Health>(
    listener: TcpListener,
    registry: Registry,
    health: Arc<H>,
    cancel: CancellationToken,
) -> io::Result<()> {
    let routes = Router::new()
        .route("/metrics", get(metrics::<H>))
        .route("/healthz", get(healthz::<H>))
        .route("/readyz", get(readyz::<H>))
        .with_state(Arc::new(Shared { registry, health }));
    axum::serve(listener, routes)
        .with_graceful_shutdown(cancel.cancelled_owned())
        .await
}

async fn metrics<H: Health>(State(shared): State<Arc<Shared<H>>>) -> Response {
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
async fn healthz<H: Health>(State(shared): State<Arc<Shared<H>>>) -> Response {
    match shared.health.broken() {
        None => "ok\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

/// Fails while a miner that connects now would get no work, or its shares no disk.
async fn readyz<H: Health>(State(shared): State<Arc<Shared<H>>>) -> Response {
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
