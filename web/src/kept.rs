//! The response cache, for routes whose answer depends only on their address (and the host
//! name in it): lists, epochs, the pool's figures, and their pages.
//!
//! Of several requests at the same time one makes the answer. The cache keeps it for a
//! second, 32 MB of answers in all. The ETag of an answer is its SHA256, so a client that
//! already has it gets 304. A kept answer is compressed once, for the first client that
//! accepts gzip (`gzip.rs`).

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bitcoin::hashes::{Hash as _, sha256};
use moka::future::Cache;
use tokio::sync::OnceCell;

use super::gzip::{self, Form, Packer};

/// An answer is never older. What is looked at without end changes about as often.
const AGE: Duration = Duration::from_secs(1);

/// All answers that are kept: whoever asks for many different ones pushes the older out.
const MAX_KEPT_BYTES: u64 = 32 << 20;

/// A longer address is answered and not kept: no page has one.
const MAX_ADDRESS_BYTES: usize = 512;

/// The longest answer of a route that is kept.
const MAX_ANSWER_BYTES: usize = 8 << 20;

/// What is remembered of an answer beside its body, about.
const ENTRY_BYTES: usize = 1024;

/// The kept answers; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct KeptAnswers {
    answers: Cache<String, Kept>,
    packer: Packer,
}

#[derive(Clone, Debug)]
struct Kept {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    /// The body compressed, from when somebody wants it so; `None` where that is not to be.
    packed: Arc<OnceCell<Option<Bytes>>>,
}

impl KeptAnswers {
    pub(crate) fn new() -> Self {
        let weigh = |address: &String, kept: &Kept| {
            // The compressed form is shorter than the body.
            let bytes = address.len() + 2 * kept.body.len() + ENTRY_BYTES;
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        let kept = Cache::builder()
            .weigher(weigh)
            .max_capacity(MAX_KEPT_BYTES)
            .time_to_live(AGE);
        KeptAnswers {
            answers: kept.build(),
            packer: Packer::new(),
        }
    }

    /// What compresses the answers that are not kept.
    pub(super) fn packer(&self) -> &Packer {
        &self.packer
    }

    /// What is kept for `address`, or made now. HEAD has the answer of GET made: the
    /// connection sends its head alone.
    async fn answer(&self, address: String, mut request: Request, next: Next) -> Response {
        let asked = request.headers().clone();
        *request.method_mut() = Method::GET;
        let making = async { Kept::of(next.run(request).await).await };
        let kept = self.answers.get_with(address, making).await;
        kept.answer(&asked, &self.packer).await
    }
}

/// A layer for routes whose answer is that of its address alone, whoever asks, and fits
/// into memory. Of those who ask at the same time one has it made, and goes on to the
/// next of them when it goes away.
pub(crate) async fn kept(
    State(answers): State<KeptAnswers>,
    request: Request,
    next: Next,
) -> Response {
    match address(&request) {
        Some(address) => answers.answer(address, request, next).await,
        None => next.run(request).await,
    }
}

/// The same for what the mint knows without looking, which is the same by whatever name
/// and with whatever query it is asked for. All else passes.
pub(crate) async fn kept_of_mint(
    State(answers): State<KeptAnswers>,
    request: Request,
    next: Next,
) -> Response {
    let is_look = matches!(*request.method(), Method::GET | Method::HEAD);
    let path = request.uri().path();
    if !is_look || !matches!(path, "/v1/info" | "/v1/keys" | "/v1/keysets") {
        return next.run(request).await;
    }
    let address = path.to_owned();
    answers.answer(address, request, next).await
}

/// Path and query, and under which name the pool was asked, which pages repeat.
fn address(request: &Request) -> Option<String> {
    let uri = request.uri();
    let host = request.headers().get(header::HOST);
    let host = host.map_or(&b""[..], HeaderValue::as_bytes);
    let length = host.len() + uri.path().len() + uri.query().map_or(0, str::len);
    let is_look = matches!(*request.method(), Method::GET | Method::HEAD);
    if !is_look || length > MAX_ADDRESS_BYTES {
        return None;
    }
    let host = String::from_utf8_lossy(host);
    Some(format!(
        "{host} {}?{}",
        uri.path(),
        uri.query().unwrap_or("")
    ))
}

impl Kept {
    async fn of(response: Response) -> Kept {
        let (parts, body) = response.into_parts();
        let Ok(body) = to_bytes(body, MAX_ANSWER_BYTES).await else {
            tracing::error!("an answer is too long for the response cache, and was not sent");
            return Kept {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                headers: HeaderMap::new(),
                body: Bytes::new(),
                packed: Arc::default(),
            };
        };
        let mut headers = parts.headers;
        if parts.status == StatusCode::OK {
            let tag = format!("\"{}\"", sha256::Hash::hash(&body));
            if let Ok(tag) = HeaderValue::from_str(&tag) {
                headers.insert(header::ETAG, tag);
            }
            if gzip::is_text(&headers) {
                gzip::varies(&mut headers);
            }
        }
        Kept {
            status: parts.status,
            headers,
            body,
            packed: Arc::default(),
        }
    }

    async fn answer(mut self, asked: &HeaderMap, packer: &Packer) -> Response {
        let tag = self.headers.get(header::ETAG);
        let tag = tag.and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let Some(tag) = tag else {
            return self.sent();
        };
        match Form::of(asked, &tag) {
            Form::Known(tag) => {
                self.status = StatusCode::NOT_MODIFIED;
                self.body = Bytes::new();
                self.tagged(&tag);
            }
            Form::Packed if gzip::is_text(&self.headers) => {
                let packed = self.packed.get_or_init(|| packer.pack(&self.body)).await;
                if let Some(packed) = packed.clone() {
                    self.body = packed;
                    gzip::is_packed(&mut self.headers);
                    self.tagged(&gzip::packed_tag(&tag));
                }
            }
            Form::Packed | Form::Plain => {}
        }
        self.sent()
    }

    fn tagged(&mut self, tag: &str) {
        if let Ok(tag) = HeaderValue::from_str(tag) {
            self.headers.insert(header::ETAG, tag);
        }
    }

    fn sent(self) -> Response {
        let mut response = self.body.into_response();
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use futures::future::join_all;
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    use super::*;

    /// Answers with how often it was asked.
    fn counting() -> (Router, Arc<AtomicU64>) {
        let made = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&made);
        let handler = move || {
            let count = Arc::clone(&count);
            async move {
                tokio::task::yield_now().await;
                count.fetch_add(1, Ordering::Relaxed).to_string()
            }
        };
        let router = Router::new()
            .route("/page", get(handler))
            .layer(from_fn_with_state(KeptAnswers::new(), kept));
        (router, made)
    }

    #[tokio::test]
    async fn head_is_answered_from_what_is_kept() {
        let (router, made) = counting();
        for method in [Method::HEAD, Method::GET, Method::HEAD] {
            let request = Request::builder().method(method).uri("/page");
            let request = request.body(Body::empty()).expect("a request");
            let answer = TowerToHyperService::new(router.clone()).call(request).await;
            let answer = answer.expect("never fails");
            assert!(answer.headers().contains_key(header::ETAG));
        }
        assert_eq!(made.load(Ordering::Relaxed), 1);
    }

    async fn ask(router: &Router, address: &str, tag: Option<&str>) -> Response {
        let mut request = Request::builder().uri(address);
        if let Some(tag) = tag {
            request = request.header(header::IF_NONE_MATCH, tag);
        }
        let request = request.body(Body::empty()).expect("a request");
        let answer = TowerToHyperService::new(router.clone()).call(request).await;
        answer.expect("never fails")
    }

    #[tokio::test]
    async fn of_many_that_ask_at_once_one_has_it_made() {
        let (router, made) = counting();
        let asking = (0..50).map(|_| ask(&router, "/page", None));
        let answers = join_all(asking).await;
        assert!(answers.iter().all(|answer| answer.status() == 200));
        assert_eq!(made.load(Ordering::Relaxed), 1);
        assert_eq!(ask(&router, "/page?x", None).await.status(), 200);
        assert_eq!(made.load(Ordering::Relaxed), 2, "another address");
        let long = format!("/page?{}", "x".repeat(MAX_ADDRESS_BYTES));
        for asked in 3..5 {
            assert_eq!(ask(&router, &long, None).await.status(), 200);
            assert_eq!(made.load(Ordering::Relaxed), asked, "not kept");
        }
        assert_eq!(ask(&router, "/other", None).await.status(), 404);
    }

    #[tokio::test]
    async fn who_has_it_is_not_sent_it_again() {
        let (router, _) = counting();
        let first = ask(&router, "/page", None).await;
        let tag = first.headers()[header::ETAG].to_str().expect("text");
        let again = ask(&router, "/page", Some(tag)).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let body = to_bytes(again.into_body(), 10).await.expect("a body");
        assert!(body.is_empty());
        let other = ask(&router, "/page", Some("\"x\"")).await;
        assert_eq!(other.status(), StatusCode::OK);
    }

    /// A page of so many bytes.
    fn page_of(bytes: usize) -> Router {
        let handler = move || async move { "a page ".repeat(bytes / 7) };
        Router::new()
            .route("/page", get(handler))
            .layer(from_fn_with_state(KeptAnswers::new(), kept))
    }

    async fn ask_packed(router: &Router, tag: Option<&str>) -> Response {
        let mut request = Request::builder().uri("/page");
        request = request.header(header::ACCEPT_ENCODING, "gzip");
        if let Some(tag) = tag {
            request = request.header(header::IF_NONE_MATCH, tag);
        }
        let request = request.body(Body::empty()).expect("a request");
        let answer = TowerToHyperService::new(router.clone()).call(request).await;
        answer.expect("never fails")
    }

    #[tokio::test]
    async fn each_form_has_its_tag_and_both_say_that_they_vary() {
        let router = page_of(7000);
        let plain = ask(&router, "/page", None).await;
        let packed = ask_packed(&router, None).await;
        for answer in [&plain, &packed] {
            assert_eq!(answer.headers()[header::VARY], "accept-encoding");
        }
        assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));
        assert_eq!(packed.headers()[header::CONTENT_ENCODING], "gzip");
        let tag = |answer: &Response| {
            let tag = answer.headers()[header::ETAG].to_str().expect("text");
            tag.to_owned()
        };
        let (plain_tag, packed_tag) = (tag(&plain), tag(&packed));
        assert_ne!(plain_tag, packed_tag);
        for known in [&plain_tag, &packed_tag] {
            let again = ask_packed(&router, Some(known)).await;
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
            assert_eq!(&tag(&again), known);
            assert!(!again.headers().contains_key(header::CONTENT_ENCODING));
        }
        let other = ask(&router, "/page", Some(&packed_tag)).await;
        assert_eq!(other.status(), StatusCode::OK, "it cannot read that form");
        let body = to_bytes(packed.into_body(), 7000).await.expect("a body");
        assert!(body.len() < 200, "{}", body.len());
    }

    #[tokio::test]
    async fn an_answer_is_compressed_once_while_it_is_kept() {
        let router = page_of(400 << 10);
        // More than the budget would give if each of them were compressed.
        let asking = (0..100).map(|_| ask_packed(&router, None));
        for answer in join_all(asking).await {
            assert_eq!(answer.headers()[header::CONTENT_ENCODING], "gzip");
        }
    }
}
