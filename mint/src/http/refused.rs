//! Refusals in words: the reason that the store or the node gave takes the place of cdk's one
//! sentence for all of them.

use axum::response::Response;

use super::error::{OTHER, refusal};
use crate::refused::listen;

/// The answer of `next`, or the reason that was told while it failed.
pub(super) async fn in_words(next: impl Future<Output = Response>) -> Response {
    match listen(next).await {
        (response, Some(why)) if !response.status().is_success() => {
            refusal(response.status(), OTHER, &why)
        }
        (response, _) => response,
    }
}
