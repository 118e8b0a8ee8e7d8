//! The chain's RPC on a socket.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{SharedChain, rpc};

/// Serves the chain's RPC on a loopback port of its own until `stop`; any user and
/// password will do. Start it before the node that asks it.
///
/// # Errors
/// If no port can be had.
pub async fn serve(chain: SharedChain, stop: CancellationToken) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    serve_on(listener, chain, stop);
    Ok(address)
}

/// The same on a socket of the caller's, so that a chain may come late to where it is
/// expected.
pub fn serve_on(listener: TcpListener, chain: SharedChain, stop: CancellationToken) {
    let router = Router::new().route("/", post(answer)).with_state(chain);
    tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
        if let Err(error) = served.await {
            tracing::error!(%error, "the simulated chain's server ended");
        }
    });
}

async fn answer(
    State(chain): State<SharedChain>,
    Json(request): Json<Value>,
) -> (StatusCode, Json<Value>) {
    let method = request["method"].as_str().unwrap_or_default();
    let params = request["params"].as_array().map_or(&[][..], Vec::as_slice);
    let answer = rpc::call(&mut chain.lock(), method, params, unix_secs());
    let id = &request["id"];
    match answer {
        Ok(result) => (
            StatusCode::OK,
            Json(json!({"result": result, "error": null, "id": id})),
        ),
        // Core answers errors with 500.
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            Json(json!({
                "result": null,
                "error": {"code": error.code, "message": error.message},
                "id": id,
            })),
        ),
    }
}

/// Now, in unix seconds as a header carries them.
pub(super) fn unix_secs() -> u32 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}
