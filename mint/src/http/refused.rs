//! Refusals in words: the reason that the store or the node gave takes the place of cdk's one
//! sentence for all of them.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;

use super::error::refusal;
use crate::refused::listen;

/// The answer of `next`, or the reason that was told while it failed.
pub(super) async fn in_words(request: Request, next: Next) -> Response {
    match listen(next.run(request)).await {
        (response, Some(told)) if !response.status().is_success() => {
            refusal(response.status(), told.code, &told.why)
        }
        (response, _) => response,
    }
}
