//! Metrics of the public listener: number, results and durations of requests by route.
//!
//! The operations of the mint are measured here, too: each is a route. See
//! docs/decisions/0014-metrics-of-the-mint.md.

use std::time::Duration;

use axum::http::StatusCode;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

/// From a page out of memory to a melt that waits a minute for its payment.
const SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 60.0,
];

/// What can become of a request.
const RESULTS: [&str; 4] = ["ok", "client_error", "server_error", "too_many"];

/// The parts: nothing that a stranger types becomes a label.
const ROUTES: [&str; 16] = [
    "page",
    "api",
    "claim",
    "mint_info",
    "mint_keys",
    "mint_look_up",
    "mint_quote",
    "mint_issue",
    "mint_swap",
    "mint_melt_quote",
    "mint_melt",
    "mint_check",
    "mint_restore",
    "mint_subscribe",
    "mint_other",
    "other",
];

/// The measures.
#[derive(Debug)]
pub(super) struct Measure {
    requests: IntCounterVec,
    seconds: HistogramVec,
}

impl Measure {
    /// # Errors
    /// A metric's name is taken.
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let requests = IntCounterVec::new(
            Opts::new(
                "axepool_http_requests_total",
                "Requests at the public listener, by route and result",
            ),
            &["route", "result"],
        )?;
        registry.register(Box::new(requests.clone()))?;
        let options = HistogramOpts::new(
            "axepool_http_request_seconds",
            "From a request's head to the beginning of its answer",
        );
        let seconds = HistogramVec::new(options.buckets(SECONDS.to_vec()), &["route"])?;
        registry.register(Box::new(seconds.clone()))?;
        for route in ROUTES {
            seconds.with_label_values(&[route]);
            for result in RESULTS {
                requests.with_label_values(&[route, result]);
            }
        }
        Ok(Measure { requests, seconds })
    }

    /// A request for what [`route`] named was answered.
    pub(super) fn answered(&self, route: &'static str, status: StatusCode, took: Duration) {
        self.requests
            .with_label_values(&[route, result(status)])
            .inc();
        self.seconds
            .with_label_values(&[route])
            .observe(took.as_secs_f64());
    }
}

fn result(status: StatusCode) -> &'static str {
    match status.as_u16() {
        429 => "too_many",
        500.. => "server_error",
        400.. => "client_error",
        _ => "ok",
    }
}

/// Which of [`ROUTES`] a path belongs to.
pub(super) fn route(path: &str) -> &'static str {
    let parts: Vec<&str> = path.split('/').skip(1).take(6).collect();
    match *parts.as_slice() {
        ["v1", ref rest @ ..] => operation(rest),
        ["api", "miners", _, "token" | "tokens" | "sweep-only"]
        | ["api", "miners", _, "tokens", _, "reissue"] => "claim",
        ["api", ..] => "api",
        [""] | ["miners" | "epochs" | "assets" | "solvency", ..] => "page",
        _ => "other",
    }
}

/// An operation of the mint, by what is below `/v1`.
fn operation(rest: &[&str]) -> &'static str {
    match *rest {
        ["info"] => "mint_info",
        ["keys" | "keysets", ..] => "mint_keys",
        ["mint", "quote", _, "pubkey"] => "mint_look_up",
        ["mint", "quote", ..] => "mint_quote",
        ["mint", ..] => "mint_issue",
        ["swap"] => "mint_swap",
        ["melt", "quote", ..] => "mint_melt_quote",
        ["melt", ..] => "mint_melt",
        ["checkstate"] => "mint_check",
        ["restore"] => "mint_restore",
        ["ws"] => "mint_subscribe",
        _ => "mint_other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(path: &str, expected: &str) {
        assert_eq!(route(path), expected, "{path}");
        assert!(ROUTES.contains(&expected), "{expected}");
    }

    #[test]
    fn every_path_is_of_a_route() {
        case("/", "page");
        case("/miners/npub1xyz", "page");
        case("/epochs", "page");
        case("/epochs/7", "page");
        case("/solvency", "page");
        case("/assets/style.css", "page");
        case("/api/audit/1.json", "api");
        case("/api/miners/02ab/receipt", "api");
        case("/api/miners/02ab/token", "claim");
        case("/api/miners/02ab/tokens/7/reissue", "claim");
        case("/v1/info", "mint_info");
        case("/v1/keys/00ff", "mint_keys");
        case("/v1/mint/quote/axepool/pubkey", "mint_look_up");
        case("/v1/mint/quote/axepool/00ff", "mint_quote");
        case("/v1/mint/axepool", "mint_issue");
        case("/v1/mint/axepool/batch", "mint_issue");
        case("/v1/melt/quote/bolt11", "mint_melt_quote");
        case("/v1/melt/bolt11", "mint_melt");
        case("/v1/swap", "mint_swap");
        case("/v1/checkstate", "mint_check");
        case("/v1/restore", "mint_restore");
        case("/v1/ws", "mint_subscribe");
        case("/v1/auth/blind/mint", "mint_other");
        case("/wp-login.php", "other");
        case("", "other");
        case(&"/a".repeat(10_000), "other");
    }

    #[test]
    fn a_result_is_what_became_of_it() {
        for (status, expected) in [
            (200, "ok"),
            (101, "ok"),
            (304, "ok"),
            (404, "client_error"),
            (429, "too_many"),
            (503, "server_error"),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(result(status), expected, "{status}");
        }
    }
}
