//! The chain's RPC on a socket.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use bitcoin::base64::Engine as _;
use bitcoin::base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{SharedChain, rpc};

/// The faults of the bitcoind that serves the chain.
#[derive(Clone, Debug, Default)]
pub struct Mood {
    /// `user:password` that it wants to see; none: any will do.
    pub login: Option<String>,
    /// It has just been started, and says this to every call.
    pub warm_up: Option<String>,
    /// Blocks below this height are pruned.
    pub pruned_below: u32,
    /// It loads the chain.
    pub is_syncing: bool,
    /// It has no estimate of fees, as with `blocksonly=1`.
    pub has_no_fees: bool,
    /// Its estimate of fees.
    pub fees: Fees,
    /// The chain that it says it is on, in Core's words; none: regtest.
    pub says: Option<&'static str>,
    /// A call that it forbids (`rpcwhitelist`).
    pub forbids: Option<&'static str>,
}

/// How it estimates fees.
#[derive(Clone, Copy, Debug)]
pub struct Fees {
    /// The next answer, in satoshis per vbyte.
    pub sat_per_vbyte: u64,
    /// So many times as much is the answer after it, up to 500 satoshis per vbyte.
    pub times: u64,
    /// How long an answer takes.
    pub takes: Duration,
}

impl Default for Fees {
    fn default() -> Self {
        Fees {
            sat_per_vbyte: 1,
            times: 1,
            takes: Duration::ZERO,
        }
    }
}

impl Fees {
    /// The answer of now.
    fn next(&mut self) -> Fees {
        let now = *self;
        let after = self.sat_per_vbyte.saturating_mul(self.times);
        self.sat_per_vbyte = after.min(500.max(self.sat_per_vbyte));
        now
    }
}

/// The mood of a bitcoind that runs.
pub type SharedMood = Arc<Mutex<Mood>>;

/// Serves the chain's RPC on a loopback port of its own until `stop`; any user and
/// password will do. Start it before the node that asks it.
///
/// # Errors
/// If no port can be had.
pub async fn serve(chain: SharedChain, stop: CancellationToken) -> std::io::Result<SocketAddr> {
    serve_in(chain, SharedMood::default(), stop).await
}

/// The same, by a bitcoind with a mood.
///
/// # Errors
/// If no port can be had.
pub async fn serve_in(
    chain: SharedChain,
    mood: SharedMood,
    stop: CancellationToken,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    run(listener, (chain, mood), stop);
    Ok(address)
}

/// The same on a socket of the caller's, so that a chain may come late to where it is
/// expected.
pub fn serve_on(listener: TcpListener, chain: SharedChain, stop: CancellationToken) {
    run(listener, (chain, SharedMood::default()), stop);
}

fn run(listener: TcpListener, core: (SharedChain, SharedMood), stop: CancellationToken) {
    let router = Router::new().route("/", post(answer)).with_state(core);
    tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
        if let Err(error) = served.await {
            tracing::error!(%error, "the simulated chain's server ended");
        }
    });
}

async fn answer(
    State((chain, mood)): State<(SharedChain, SharedMood)>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Response {
    let method = request["method"].as_str().unwrap_or_default();
    let params = request["params"].as_array().map_or(&[][..], Vec::as_slice);
    let mood = {
        let mut mood = mood.lock().unwrap_or_else(PoisonError::into_inner);
        let mut now = mood.clone();
        if method == "estimatesmartfee" {
            now.fees = mood.fees.next();
        }
        now
    };
    if method == "estimatesmartfee" {
        tokio::time::sleep(mood.fees.takes).await;
    }
    if !is_known(&mood, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if mood.forbids == Some(method) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let refused = rpc::refused(&chain.lock(), &mood, method, params);
    let answer = match refused {
        Some(error) => Err(error),
        None => rpc::call(&mut chain.lock(), method, params, unix_secs()),
    };
    let id = &request["id"];
    match answer {
        Ok(mut result) => {
            rpc::colour(&mut result, &mood, method);
            Json(json!({"result": result, "error": null, "id": id})).into_response()
        }
        // Core answers errors with 500.
        Err(error) => {
            let answer = json!({
                "result": null,
                "error": {"code": error.code, "message": error.message},
                "id": id,
            });
            (StatusCode::INTERNAL_SERVER_ERROR, Json(answer)).into_response()
        }
    }
}

/// Whether user and password are those that it wants to see.
fn is_known(mood: &Mood, headers: &HeaderMap) -> bool {
    let Some(login) = &mood.login else {
        return true;
    };
    let given = headers.get(AUTHORIZATION);
    let given = given.and_then(|given| given.to_str().ok());
    given == Some(&format!("Basic {}", STANDARD.encode(login)))
}

/// Now, in unix seconds as a header carries them.
pub(super) fn unix_secs() -> u32 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}
