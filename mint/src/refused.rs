//! Why something was refused, for whoever asked. cdk answers one text for every trouble
//! of a store or a payment method; whoever asks shall read what it is.

use std::cell::RefCell;

use axum::http::StatusCode;
use axum::response::Response;

use crate::http::refusal_in_words;

tokio::task_local! {
    static REFUSED: RefCell<Option<String>>;
}

/// Remembers why. Outside of a request there is nobody to tell.
pub(crate) fn tell(why: String) {
    let _ = REFUSED.try_with(|told| told.replace(Some(why)));
}

/// The answer of `next`, or what was told while it failed.
pub(crate) async fn in_words(next: impl Future<Output = Response>) -> Response {
    REFUSED
        .scope(RefCell::new(None), async {
            let response = next.await;
            match REFUSED.with(RefCell::take) {
                Some(why) if !response.status().is_success() => words(response.status(), &why),
                _ => response,
            }
        })
        .await
}

fn words(status: StatusCode, why: &str) -> Response {
    refusal_in_words(status, why)
}
