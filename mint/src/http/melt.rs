//! Refusals of melts in words. cdk has one sentence for all troubles of a payment
//! method, and asks nothing before it pays: both is said here, before and after it.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use cdk_common::error::ErrorCode;
use cdk_common::nuts::MeltQuoteState;
use cdk_common::quote_id::QuoteId;
use serde::Deserialize;

use super::error::refusal;
use super::limits::MAX_BODY_BYTES;
use crate::handle::Mint;
use crate::pause::words;
use crate::refused::OTHER;

/// The kinds of requests that this layer tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// A melt quote.
    Quote,
    /// The payment of one.
    Payment,
    Other,
}

fn asked(method: &Method, path: &str) -> Asked {
    let rest = path
        .strip_prefix("/v1/melt/")
        .filter(|rest| !rest.is_empty());
    match rest {
        _ if method != Method::POST => Asked::Other,
        Some(rest) if rest.starts_with("quote/") => Asked::Quote,
        Some(rest) if !rest.contains('/') => Asked::Payment,
        _ => Asked::Other,
    }
}

/// Answers melts that cannot be with the reason, and lets everything else pass.
pub(super) async fn in_words(State(mint): State<Mint>, request: Request, next: Next) -> Response {
    match asked(request.method(), request.uri().path()) {
        Asked::Quote => quote(&mint, request, next).await,
        Asked::Payment => match mint.melts_paused() {
            Some(why) => payment(&mint, &why, request, next).await,
            None => next.run(request).await,
        },
        Asked::Other => next.run(request).await,
    }
}

/// Nothing is at stake yet, so that the words matter more than a code: see [`OTHER`].
async fn quote(mint: &Mint, request: Request, next: Next) -> Response {
    if !mint.has_lightning() {
        let why = "this mint pays nothing over lightning: it has no node";
        return refusal(StatusCode::BAD_REQUEST, OTHER, why);
    }
    match mint.melts_paused() {
        Some(why) => refusal(StatusCode::BAD_REQUEST, OTHER, &words(&why)),
        None => next.run(request).await,
    }
}

/// While melts are paused: a quote that nobody paid yet is refused. One whose payment is
/// under way or made is cdk's to answer, since a wallet that lost the answer asks again
/// with the same request, and must not take its ecash for free. The code is one that cdk's
/// wallet takes for certain: with any that it does not know it keeps the ecash back.
async fn payment(mint: &Mint, why: &str, request: Request, next: Next) -> Response {
    #[derive(Deserialize)]
    struct Named {
        quote: QuoteId,
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        let why = "the body cannot be read, or is too long";
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, OTHER, why);
    };
    if let Ok(named) = serde_json::from_slice::<Named>(&body)
        && let Ok(Some(quote)) = mint.store().get_melt_quote(&named.quote).await
        && matches!(quote.state, MeltQuoteState::Unpaid | MeltQuoteState::Failed)
    {
        return refusal(
            StatusCode::BAD_REQUEST,
            ErrorCode::MintingDisabled,
            &words(why),
        );
    }
    next.run(Request::from_parts(parts, Body::from(body))).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(method: &Method, path: &str, expected: Asked) {
        assert_eq!(asked(method, path), expected, "{method} {path}");
    }

    #[test]
    fn only_melts_are_looked_at() {
        let (get, post) = (Method::GET, Method::POST);
        case(&post, "/v1/melt/quote/bolt11", Asked::Quote);
        case(&get, "/v1/melt/quote/bolt11/x", Asked::Other);
        case(&post, "/v1/melt/bolt12", Asked::Payment);
        case(&post, "/v1/melt/", Asked::Other);
        case(&post, "/v1/melt/bolt11/x", Asked::Other);
        case(&post, "/v1/mint/axepool", Asked::Other);
    }
}
