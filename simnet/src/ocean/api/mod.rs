//! OCEAN's API, as it was seen to answer: numbers as text here and as numbers there,
//! names misspelt, timestamps that do not say that they are UTC.

mod blocks;
mod earnpay;
mod statsnap;
mod time;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::office::Office;

/// What is wrong with the API, until it is taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ApiFault {
    /// Nothing.
    #[default]
    None,
    /// It answers 503, without a word of JSON.
    Down,
    /// It answers that much later.
    Slow(Duration),
    /// It lists earnings of that many percent of the right ones.
    LyingEarnings {
        /// 100 would be right.
        percent: u32,
    },
    /// It lists no blocks newer than this height, however many there are.
    Behind {
        /// The newest block's height.
        height: u32,
    },
    /// It answers 200 with bytes that are no JSON.
    Garbage,
    /// It answers 200 with an error of its own.
    Error(String),
}

/// Serves the API until `stop`; the address that it has in the end.
pub(super) async fn serve(
    listen: SocketAddr,
    office: Arc<Office>,
    stop: CancellationToken,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let router = router(office);
    tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
        if let Err(error) = served.await {
            tracing::error!(%error, "the simulated OCEAN's API ended");
        }
    });
    Ok(address)
}

fn router(office: Arc<Office>) -> Router {
    Router::new()
        .route("/v1/blocks", get(blocks::list))
        .route("/v1/blocks/{page}", get(blocks::list))
        .route("/v1/blocks/{page}/{size}", get(blocks::list))
        .route("/v1/blocks/{page}/{size}/{legacy}", get(blocks::list))
        .route("/v1/earnpay/{user}", get(earnpay::tell))
        .route("/v1/earnpay/{user}/{start}", get(earnpay::tell))
        .route("/v1/earnpay/{user}/{start}/{end}", get(earnpay::tell))
        .route("/v1/statsnap/{user}", get(statsnap::tell))
        .fallback(|| async { error(StatusCode::NOT_FOUND, "no such endpoint") })
        .layer(middleware::from_fn_with_state(Arc::clone(&office), faulty))
        .with_state(office)
}

/// Stands between the question and the answer while something is wrong.
async fn faulty(State(office): State<Arc<Office>>, request: Request, next: Next) -> Response {
    match office.desk.read(|desk| desk.api_fault.clone()) {
        ApiFault::None | ApiFault::LyingEarnings { .. } | ApiFault::Behind { .. } => {}
        ApiFault::Slow(wait) => tokio::time::sleep(wait).await,
        ApiFault::Down => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        ApiFault::Garbage => return body(StatusCode::OK, "<html>\u{0}{\"result\":[{".to_owned()),
        ApiFault::Error(text) => return error(StatusCode::OK, &text),
    }
    next.run(request).await
}

/// Whom nobody knows.
fn no_such_user() -> Response {
    error(StatusCode::NOT_FOUND, "no such user")
}

fn result(result: &Value) -> Response {
    body(StatusCode::OK, json!({ "result": result }).to_string())
}

fn error(status: StatusCode, text: &str) -> Response {
    body(status, json!({ "error": text }).to_string())
}

fn body(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// A sum in bitcoins with eight places, as text; fractions of a satoshi are cut off.
fn bitcoins(msat: u64) -> String {
    let sat = msat / 1_000;
    format!("{}.{:08}", sat / 100_000_000, sat % 100_000_000)
}

/// Work in difficulty-1 shares (2^32 hashes), rounded down. What is simulated in seconds
/// is mostly below one.
fn shares(work: u128) -> u128 {
    work >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_written_as_bitcoins() {
        #[track_caller]
        fn case(msat: u64, expected: &str) {
            assert_eq!(bitcoins(msat), expected);
        }
        case(0, "0.00000000");
        case(1_999, "0.00000001");
        case(312_512_345_678, "3.12512345");
    }
}
