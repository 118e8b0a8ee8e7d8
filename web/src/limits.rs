//! What a request may take, by its method and path. Pure.

use axum::http::Method;
use listener::FORM_BYTES;

use super::measure::route;

/// Claims of tokens by a household, sustained. A claim of a key changes the form of what
/// the key has earned, for whoever asks: see docs/decisions/0021.
pub(super) const CLAIMS_PER_MINUTE: u32 = 2;

/// Claims of a household at once: somebody with many devices.
pub(super) const CLAIMS_AT_ONCE: u32 = 100;

/// WebSockets at once, of all.
pub(super) const WEBSOCKETS: usize = 256;

/// WebSockets of a household at once: a few wallets.
pub(super) const WEBSOCKETS_PER_HOUSEHOLD: usize = 8;

/// Requests of one household that the mint works on at once, of `most` in all.
pub(super) fn mint_work(most: usize) -> usize {
    (most / 8).max(1)
}

/// What a request takes beside its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A look at two flags, which is never refused.
    Health,
    /// A claim of a token.
    Claim,
    /// A WebSocket of the mint.
    Websocket,
    /// Work of the mint.
    Mint,
    /// All else.
    Other,
}

/// Of a request.
pub(super) fn kind(method: &Method, path: &str) -> Kind {
    if matches!(path, "/healthz" | "/readyz") {
        return Kind::Health;
    }
    let is_page_of_claim = path.starts_with("/miners/") && path.ends_with("/claim");
    match route(path) {
        "mint_subscribe" => Kind::Websocket,
        "claim" if method == Method::POST && path.ends_with("/token") => Kind::Claim,
        "claim" if method == Method::POST && path.ends_with("/reissue") => Kind::Claim,
        "page" if method == Method::POST && is_page_of_claim => Kind::Claim,
        "mint_info" | "mint_keys" => Kind::Other,
        "claim" => Kind::Mint,
        route if route.starts_with("mint_") => Kind::Mint,
        _ => Kind::Other,
    }
}

/// How many bytes a body may have.
pub(super) fn body(path: &str) -> usize {
    match route(path) {
        // 500 inputs with locks and witnesses are about 400,000.
        "mint_swap" | "mint_issue" | "mint_melt" => 1 << 20,
        // 500 blinded messages of 190.
        "mint_restore" => 128 << 10,
        // 500 points of 69.
        "mint_check" => 48 << 10,
        // 50 keys with signatures of 200, or an offer.
        "mint_look_up" | "mint_quote" | "mint_melt_quote" => 16 << 10,
        _ => FORM_BYTES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(method: &Method, path: &str, expected: Kind) {
        assert_eq!(kind(method, path), expected, "{method} {path}");
    }

    #[test]
    fn a_request_takes_what_it_needs() {
        let (get, post) = (Method::GET, Method::POST);
        case(&get, "/healthz", Kind::Health);
        case(&get, "/", Kind::Other);
        case(&get, "/v1/info", Kind::Other);
        case(&get, "/v1/keys/00ff", Kind::Other);
        case(&get, "/v1/ws", Kind::Websocket);
        case(&post, "/v1/swap", Kind::Mint);
        case(&get, "/v1/mint/quote/axepool/00ff", Kind::Mint);
        case(&post, "/api/miners/02ab/token", Kind::Claim);
        case(&get, "/api/miners/02ab/tokens", Kind::Mint);
        case(&post, "/api/miners/02ab/tokens/7/reissue", Kind::Claim);
        case(&post, "/miners/02ab/claim", Kind::Claim);
        case(&get, "/miners/02ab/claim", Kind::Other);
        case(&post, "/miners", Kind::Other);
    }

    #[test]
    fn long_bodies_are_for_where_they_are_needed() {
        assert_eq!(body("/v1/swap"), 1 << 20);
        assert_eq!(body("/v1/mint/axepool/batch"), 1 << 20);
        for short in [
            "/miners",
            "/api/miners/02ab/token",
            "/",
            "/nowhere",
            "/v1/x",
        ] {
            assert_eq!(body(short), FORM_BYTES, "{short}");
        }
    }
}
