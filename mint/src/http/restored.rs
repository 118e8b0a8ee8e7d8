//! A restored mint in words: what it refuses until its operator has accepted what may be
//! missing, and what is beyond the bound then.

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use cdk_common::error::ErrorCode;

use super::error::refusal;
use super::limits::MAX_BODY_BYTES;
use super::repeated;
use crate::handle::Mint;
use crate::refused::OTHER;

/// True for what issues ecash or takes some.
fn moves_money(method: &Method, path: &str) -> bool {
    let is_mint = path.strip_prefix("/v1/mint/");
    method == Method::POST
        && (path == "/v1/swap"
            || path.starts_with("/v1/melt/")
            || is_mint.is_some_and(|rest| !rest.starts_with("quote/"))
            || (path.starts_with("/api/miners/")
                && (path.ends_with("/token") || path.ends_with("/reissue"))))
}

/// Refuses what cannot be, with the reason, and lets everything else pass. The store
/// refuses the same by itself.
pub(super) async fn in_words(State(mint): State<Mint>, request: Request, next: Next) -> Response {
    let Some(old) = mint.door().old() else {
        return next.run(request).await;
    };
    if !moves_money(request.method(), request.uri().path()) {
        return next.run(request).await;
    }
    match &old.closed {
        Some(why) => closed(&mint, request, why).await,
        None => next.run(request).await,
    }
}

/// The refusal of a closed mint, or the answer to what it carried out before it closed.
async fn closed(mint: &Mint, request: Request, why: &str) -> Response {
    let path = request.uri().path().to_owned();
    let Ok(body) = to_bytes(request.into_body(), MAX_BODY_BYTES).await else {
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, OTHER, "the body is too long");
    };
    match repeated::answer(mint, &path, &body).await {
        Ok(Some(answer)) => answer,
        Ok(None) => refusal(StatusCode::BAD_REQUEST, code(&path), why),
        Err(error) => {
            tracing::error!(%error, "the store of a closed mint cannot be read");
            // The fate of the request is not known: no code that a wallet takes for certain.
            refusal(StatusCode::INTERNAL_SERVER_ERROR, OTHER, why)
        }
    }
}

/// Where ecash or a quote is at stake, a code that cdk's wallet takes for certain: with any that
/// it does not know it keeps the ecash back. For the quote of a melt the words matter more.
fn code(path: &str) -> ErrorCode {
    if path.starts_with("/v1/melt/quote/") {
        OTHER
    } else {
        ErrorCode::MintingDisabled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(method: &Method, path: &str, expected: bool) {
        assert_eq!(moves_money(method, path), expected, "{method} {path}");
    }

    #[test]
    fn only_what_moves_money_is_refused() {
        let (get, post) = (Method::GET, Method::POST);
        for path in [
            "/v1/swap",
            "/v1/melt/bolt11",
            "/v1/melt/quote/bolt12",
            "/v1/mint/axepool",
            "/v1/mint/axepool/batch",
            "/api/miners/02aa/token",
        ] {
            case(&post, path, true);
            case(&get, path, false);
        }
        for path in [
            "/v1/mint/quote/axepool/pubkey",
            "/v1/checkstate",
            "/v1/restore",
            "/api/miners/02aa/sweep-only",
        ] {
            case(&post, path, false);
        }
    }

    #[test]
    fn what_is_at_stake_has_a_code_that_wallets_know() {
        for path in ["/v1/swap", "/v1/melt/bolt11", "/v1/mint/axepool"] {
            assert_eq!(code(path), ErrorCode::MintingDisabled, "{path}");
        }
        assert_eq!(code("/v1/melt/quote/bolt11"), OTHER);
    }
}
