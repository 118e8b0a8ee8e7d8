//! The concurrency limit of the mint's requests. A request takes a place when its whole body
//! is there, so that nobody holds a place by sending slowly.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::Semaphore;

use super::error::refusal;
use crate::handle::Mint;
use crate::refused::OTHER;

/// The places.
#[derive(Clone)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    /// Of payments, each of which may wait a minute for the other side.
    melts: Arc<Semaphore>,
    mint: Mint,
}

/// The resource that a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// Nothing: the mint knows the answer without looking.
    Nothing,
    /// A payment.
    Melt,
    /// The mint's store.
    Store,
}

impl Places {
    /// A quarter of the places is for payments, so that payments that wait never keep
    /// anything else from being worked on.
    pub(super) fn new(mint: &Mint) -> Self {
        let most = mint.config().max_requests;
        let melts = (most / 4).max(1);
        Places {
            free: Arc::new(Semaphore::new(most.saturating_sub(melts).max(1))),
            melts: Arc::new(Semaphore::new(melts)),
            mint: mint.clone(),
        }
    }
}

fn work(method: &Method, path: &str) -> Work {
    let rest = path.strip_prefix("/v1/").unwrap_or("");
    let is_static = rest == "info" || rest == "keysets" || rest.starts_with("keys");
    match *method {
        // Browsers ask with OPTIONS whether they may ask.
        Method::GET | Method::HEAD if is_static => Work::Nothing,
        Method::OPTIONS => Work::Nothing,
        Method::POST if rest.starts_with("melt/") && !rest.starts_with("melt/quote/") => Work::Melt,
        _ => Work::Store,
    }
}

/// Works on so many requests at once and no more: the rest is told at once to come
/// back, instead of waiting in memory.
pub(super) async fn one_place(
    State(places): State<Places>,
    request: Request,
    next: Next,
) -> Response {
    let free = match work(request.method(), request.uri().path()) {
        Work::Nothing => return next.run(request).await,
        Work::Melt => &places.melts,
        Work::Store => &places.free,
    };
    let Ok(_place) = free.try_acquire() else {
        places.mint.metrics().requests_refused.inc();
        let busy = "the mint is busy: try again";
        let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, OTHER, busy);
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return response;
    };
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(method: &Method, path: &str, expected: Work) {
        assert_eq!(work(method, path), expected, "{method} {path}");
    }

    #[test]
    fn what_is_known_takes_no_place_and_payments_have_their_own() {
        let (get, post) = (Method::GET, Method::POST);
        for path in ["/v1/info", "/v1/keys", "/v1/keysets", "/v1/keys/00ff"] {
            case(&get, path, Work::Nothing);
            case(&Method::HEAD, path, Work::Nothing);
            case(&post, path, Work::Store);
        }
        case(&Method::OPTIONS, "/v1/swap", Work::Nothing);
        case(&post, "/v1/melt/bolt11", Work::Melt);
        case(&post, "/v1/melt/quote/bolt11", Work::Store);
        case(&get, "/v1/melt/quote/bolt11/x", Work::Store);
        case(&post, "/v1/swap", Work::Store);
        case(&get, "/v1/mint/quote/axepool/x", Work::Store);
        case(&post, "/api/miners/02ab/token", Work::Store);
    }
}
