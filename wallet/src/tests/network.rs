//! A network that can fail at a chosen request.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::mint::TestMint;

/// A fault of the network. Requests count from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// From this request on none arrives.
    Before(u64),
    /// This request is carried out, its answer is lost, and so is all after it.
    After(u64),
    /// This request alone is answered 503, as a busy mint does.
    Busy(u64),
    /// This request alone is refused with this code of the NUTs if it is a swap's or for
    /// ecash, as by a mint that is at work on the same for somebody else.
    Refused(u64, u16),
    /// The first swap or mint request is on its way until [`TestMint::deliver`], and the mint
    /// has no time for any other.
    Late,
    /// Every question for a payment is refused.
    Paused,
}

/// A request that has not arrived, and what the mint does when it does.
pub(super) type Late = (Request, Next);

/// Carries a request, with the fault that is set.
pub(super) async fn network(
    State(mint): State<TestMint>,
    request: Request,
    next: Next,
) -> Response {
    let (fault, number) = {
        let mut fault = mint.fault.lock().unwrap();
        fault.1 += 1;
        (fault.0, fault.1 - 1)
    };
    let path = request.uri().path();
    let for_ecash = path == "/v1/swap"
        || (path.starts_with("/v1/mint/") && !path.starts_with("/v1/mint/quote/"));
    match fault {
        Fault::Before(from) if number >= from => cut(),
        Fault::After(from) if number > from => cut(),
        Fault::After(from) if number == from => {
            let answer = next.run(request).await;
            drop(answer);
            cut()
        }
        Fault::Late if for_ecash => {
            let mut late = mint.late.lock().unwrap();
            if late.is_none() {
                *late = Some((request, next));
                return cut();
            }
            (StatusCode::SERVICE_UNAVAILABLE, "busy").into_response()
        }
        Fault::Busy(one) if number == one => {
            (StatusCode::SERVICE_UNAVAILABLE, "busy").into_response()
        }
        Fault::Refused(one, code) if number == one && for_ecash => {
            let body = Json(json!({"code": code, "detail": "at work on it"}));
            (StatusCode::BAD_REQUEST, body).into_response()
        }
        Fault::Paused if path.starts_with("/v1/melt/quote/") => {
            let body = Json(json!({"code": 20003, "detail": "melts are paused"}));
            (StatusCode::BAD_REQUEST, body).into_response()
        }
        _ => next.run(request).await,
    }
}

/// A connection that ends in the middle of its answer.
fn cut() -> Response {
    let broken = futures::stream::iter([Ok("{"), Err(std::io::Error::other("the line is cut"))]);
    Response::new(axum::body::Body::from_stream(broken))
}
