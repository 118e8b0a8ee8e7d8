//! Compression (gzip) of pages, JSON and embedded files.
//!
//! Strangers must not buy CPU time with it. Embedded files are compressed once in the life of
//! the process, an answer of the response cache once while it is kept, and all other answers
//! out of a budget of bytes for each second. Without budget an answer goes out as it is.
//!
//! Compression beside a secret can betray the secret by the length of the answer (BREACH).
//! So a router opts in, and only routers do whose answers are the same for whoever asks:
//! there are no cookies and no sessions, and nothing in these answers is a secret. Never
//! compressed are answers to POST, the operator's page, notices, streams and audit files.

use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use flate2::write::GzEncoder;

/// A shorter answer fits into one packet, compressed or not.
const MIN_BYTES: usize = 1024;

/// A longer answer goes out as it is: compressing it takes too long at once.
const MAX_BYTES: usize = 512 << 10;

/// So much is compressed in a second, a few percent of a core.
const BYTES_PER_SECOND: u64 = 2 << 20;

/// So much after a quiet time.
const BURST_BYTES: u64 = 4 << 20;

/// Files that are compressed once are compressed as well as possible.
const BEST: Compression = Compression::new(9);

/// Most of what can be gained, in a third of the time.
const QUICK: Compression = Compression::new(5);

/// The compressor of answers to strangers, with its budget; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Packer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    since: Instant,
    budget: Mutex<Budget>,
}

/// Bytes that may still be compressed.
#[derive(Clone, Copy, Debug)]
struct Budget {
    left: u64,
    at_us: u64,
}

impl Budget {
    const FULL: Budget = Budget {
        left: BURST_BYTES,
        at_us: 0,
    };

    /// True when `bytes` may be compressed at `now_us`.
    fn take(&mut self, bytes: u64, now_us: u64) -> bool {
        let passed = u128::from(now_us.saturating_sub(self.at_us));
        let more = passed * u128::from(BYTES_PER_SECOND) / 1_000_000;
        let left = u128::from(self.left) + more;
        self.left = u64::try_from(left).map_or(BURST_BYTES, |left| left.min(BURST_BYTES));
        self.at_us = self.at_us.max(now_us);
        let left = self.left.checked_sub(bytes);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
}

impl Packer {
    pub(super) fn new() -> Self {
        Packer(Arc::new(Shared {
            since: Instant::now(),
            budget: Mutex::new(Budget::FULL),
        }))
    }

    /// `body` compressed; `None` when it is too short or too long, when the budget is used
    /// up, or when nothing is gained.
    pub(super) async fn pack(&self, body: &Bytes) -> Option<Bytes> {
        if !(MIN_BYTES..=MAX_BYTES).contains(&body.len()) {
            return None;
        }
        let now_us = u64::try_from(self.0.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        let bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let budget = || self.0.budget.lock().unwrap_or_else(PoisonError::into_inner);
        if !budget().take(bytes, now_us) {
            return None;
        }
        let body = body.clone();
        // Some milliseconds of work, for which no other answer waits.
        let packing = tokio::task::spawn_blocking(move || shorter(&body, QUICK));
        packing.await.unwrap_or_default()
    }
}

/// An embedded file compressed; `None` when nothing is gained. For what never changes.
pub(super) fn packed_once(file: &[u8]) -> Option<Bytes> {
    shorter(file, BEST)
}

fn shorter(body: &[u8], level: Compression) -> Option<Bytes> {
    let packed = packed_as(body, level)
        .inspect_err(|error| tracing::error!(%error, "an answer cannot be compressed"))
        .ok()?;
    (packed.len() < body.len()).then(|| packed.into())
}

fn packed_as(body: &[u8], level: Compression) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 3), level);
    encoder.write_all(body)?;
    encoder.finish()
}

/// In which form an answer goes out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The client has it already, under this entity tag.
    Known(String),
    /// Compressed, if it can be.
    Packed,
    /// As it is.
    Plain,
}

impl Form {
    /// What `asked` wants of an answer whose plain form has the entity tag `tag`, quotes
    /// included. The compressed form has a tag of its own, as RFC 9110 wants it.
    pub(super) fn of(asked: &HeaderMap, tag: &str) -> Form {
        let wants_packed = is_wanted(asked);
        let packed_tag = packed_tag(tag);
        if is_known(asked, tag) {
            Form::Known(tag.to_owned())
        } else if wants_packed && is_known(asked, &packed_tag) {
            Form::Known(packed_tag)
        } else if wants_packed {
            Form::Packed
        } else {
            Form::Plain
        }
    }
}

/// The entity tag of the compressed form of what has the tag `tag`.
pub(super) fn packed_tag(tag: &str) -> String {
    format!("{}-gzip\"", tag.trim_end_matches('"'))
}

/// Whether who asks has the answer of this tag, quotes included.
pub(super) fn is_known(asked: &HeaderMap, tag: &str) -> bool {
    asked
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().trim_start_matches("W/") == tag)
}

/// Whether `Accept-Encoding` prefers gzip to no encoding (RFC 9110, 12.5.3). Without the
/// header, and with a weight that cannot be read, nothing is compressed.
fn is_wanted(asked: &HeaderMap) -> bool {
    let (mut gzip, mut any, mut identity) = (None, None, None);
    let values = asked.get_all(header::ACCEPT_ENCODING).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    for element in values.flat_map(|value| value.split(',')) {
        let (coding, parameters) = element.split_once(';').unwrap_or((element, ""));
        let weight = weight(parameters);
        match coding.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => gzip = gzip.max(Some(weight)),
            "identity" => identity = Some(weight),
            "*" => any = Some(weight),
            _ => {}
        }
    }
    let gzip = gzip.or(any).unwrap_or(0);
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

/// A weight in thousandths; 0 for one that cannot be read.
fn weight(parameters: &str) -> u32 {
    let parameters = parameters.trim();
    if parameters.is_empty() {
        return 1000;
    }
    let value = parameters
        .split_once('=')
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    let (whole, part) = match value {
        Some((_, value)) => value.trim().split_once('.').unwrap_or((value.trim(), "")),
        None => return 0,
    };
    let is_number = part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    let part = format!("{part:0<3}").parse::<u32>().unwrap_or(0);
    match (whole, is_number) {
        ("0", true) => part,
        ("1", true) if part == 0 => 1000,
        _ => 0,
    }
}

/// Whether an answer with these headers is text that gains by compression. Streams are not:
/// each event has to leave at once.
pub(super) fn is_text(headers: &HeaderMap) -> bool {
    let mime = headers.get(header::CONTENT_TYPE);
    let mime = mime.and_then(|mime| mime.to_str().ok()).unwrap_or("");
    let mime = mime.split(';').next().unwrap_or("").trim();
    let is_text = mime.starts_with("text/") && mime != "text/event-stream";
    is_text
        || matches!(
            mime,
            "application/json" | "image/svg+xml" | "text/javascript"
        )
}

/// Says that the answer depends on `Accept-Encoding`, whichever form it has.
pub(super) fn varies(headers: &mut HeaderMap) {
    let value = HeaderValue::from_static("accept-encoding");
    headers.append(header::VARY, value);
}

/// Says that the body is compressed.
pub(super) fn is_packed(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    headers.remove(header::CONTENT_LENGTH);
}

/// A layer for routes whose answers are not kept and are public: see the top of this file
/// before adding one.
pub(super) async fn packed(
    State(packer): State<Packer>,
    mut request: Request,
    next: Next,
) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let wants = is_wanted(request.headers());
    // HEAD has the answer of GET made: the connection sends its head alone.
    *request.method_mut() = Method::GET;
    let mut response = next.run(request).await;
    let headers = response.headers();
    let is_done = headers.contains_key(header::CONTENT_ENCODING);
    if response.status() != StatusCode::OK || is_done || !is_text(headers) {
        return response;
    }
    varies(response.headers_mut());
    let length = response.body().size_hint().exact();
    let length = length.and_then(|length| usize::try_from(length).ok());
    if !wants || length.is_none_or(|length| length > MAX_BYTES) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    // Bodies of a known length are in memory already.
    let body = match to_bytes(body, MAX_BYTES).await {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(%error, "an answer cannot be read to compress it");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let body = match packer.pack(&body).await {
        Some(packed) => {
            is_packed(&mut head.headers);
            packed
        }
        None => body,
    };
    Response::from_parts(head, Body::from(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(name: header::HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            let value = HeaderValue::from_str(value).expect("a value");
            headers.append(name.clone(), value);
        }
        headers
    }

    #[track_caller]
    fn case(values: &[&str], expected: bool) {
        let asked = asking(header::ACCEPT_ENCODING, values);
        assert_eq!(is_wanted(&asked), expected, "{values:?}");
    }

    #[test]
    fn compression_is_for_who_asks_for_it() {
        case(&["gzip"], true);
        case(&["GZIP"], true);
        case(&["gzip, deflate, br, zstd"], true);
        case(&["br;q=1.0, gzip;q=0.8, *;q=0.1"], true);
        case(&["br", "gzip"], true);
        case(&["*"], true);
        case(&["x-gzip"], true);
        case(&["identity;q=0, *;q=0.5"], true);
        case(&["gzip ; q=0.001"], true);
        for plain in [
            "",
            "identity",
            "br, deflate",
            "gzip;q=0",
            "gzip;q=0.000, *",
            "*;q=0",
            "identity, gzip;q=0.5",
            "gzip;q=x",
            "gzip;q=",
            "gzip;q=-1",
            "gzip;q=nan",
            "gzip;q=2",
            "gzip;x=1",
            "gzipped",
        ] {
            case(&[plain], false);
        }
        case(&[], false);
    }

    #[test]
    fn who_has_either_form_is_not_sent_it_again() {
        let of = |tags: &[&str], encodings: &[&str]| {
            let mut asked = asking(header::ACCEPT_ENCODING, encodings);
            asked.extend(asking(header::IF_NONE_MATCH, tags));
            Form::of(&asked, "\"a\"")
        };
        assert_eq!(of(&[], &["gzip"]), Form::Packed);
        assert_eq!(of(&[], &[]), Form::Plain);
        assert_eq!(of(&["\"a\""], &[]), Form::Known("\"a\"".to_owned()));
        assert_eq!(of(&["W/\"a\""], &["gzip"]), Form::Known("\"a\"".to_owned()));
        let packed = || Form::Known("\"a-gzip\"".to_owned());
        assert_eq!(of(&["\"b\", \"a-gzip\""], &["gzip"]), packed());
        // A client that cannot read the compressed form any more gets the other one.
        assert_eq!(of(&["\"a-gzip\""], &[]), Form::Plain);
        assert_eq!(of(&["\"b\""], &["gzip"]), Form::Packed);
    }

    #[test]
    fn a_budget_is_used_up_and_comes_back() {
        let mut budget = Budget::FULL;
        assert!(budget.take(BURST_BYTES, 0));
        assert!(!budget.take(1, 0));
        assert!(budget.take(BYTES_PER_SECOND / 2, 500_000));
        assert!(!budget.take(1, 500_000));
        // However often it is asked, a second has a second's bytes.
        let mut taken = 0;
        for now_us in 500_000..1_500_000 {
            taken += u64::from(budget.take(1, now_us));
        }
        assert!(taken >= 900_000, "{taken}");
        assert!(!budget.take(BURST_BYTES + 1, u64::MAX));
        assert!(budget.take(BURST_BYTES, u64::MAX));
        assert!(!budget.take(1, 0), "a clock that goes back gives nothing");
        // Nor does what comes after it, until the clock is where it was.
        assert!(!budget.take(1, 1_000_000));
    }

    #[test]
    fn text_is_compressed_and_streams_are_not() {
        for (mime, expected) in [
            ("text/html; charset=utf-8", true),
            ("text/javascript; charset=utf-8", true),
            ("application/json", true),
            ("image/svg+xml", true),
            ("text/event-stream", false),
            ("application/octet-stream", false),
            ("image/png", false),
        ] {
            let headers = asking(header::CONTENT_TYPE, &[mime]);
            assert_eq!(is_text(&headers), expected, "{mime}");
        }
        assert!(!is_text(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn what_is_short_or_long_or_beyond_the_budget_stays_as_it_is() {
        let packer = Packer::new();
        let body = |length| Bytes::from(vec![b'a'; length]);
        assert_eq!(packer.pack(&body(MIN_BYTES - 1)).await, None);
        assert_eq!(packer.pack(&body(MAX_BYTES + 1)).await, None);
        let whole = body(MAX_BYTES);
        assert!(
            packer
                .pack(&whole)
                .await
                .is_some_and(|packed| packed.len() < 4096)
        );
        let mut packed = 0_u64;
        for _ in 0..100 {
            packed += u64::from(packer.pack(&whole).await.is_some());
        }
        // It takes seconds to compress all of it at this rate.
        assert!(packed < 50, "{packed} of 100 were compressed");
    }
}
