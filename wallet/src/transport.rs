//! HTTP with bounds: time, size, no redirects. Everything that the wallet asks of
//! anybody goes through here, the mint's routes as well as a lightning address's.

use std::time::Duration;

use async_trait::async_trait;
use cdk_common::AuthToken;
use cdk_http_client::{Async, HttpError, RawResponse, Transport};
use reqwest::header::{self, HeaderName};
use reqwest::{Client, RequestBuilder, Response, redirect};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::foreign::OwnKeysets;
use crate::text::plain;

/// From the first byte sent to the last received. The mint waits up to a minute for a
/// payment before it says that it is pending.
const TIMEOUT: Duration = Duration::from_secs(90);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Bytes of an answer at most: 2,000 quotes with all that the pool says about each are
/// a bit above one MiB.
const MAX_BODY: usize = 8 << 20;

/// Bytes of a web page in which its title is looked for.
const MAX_TITLE_SEARCH: usize = 16 << 10;

/// Letters of a title that are told.
const MAX_TITLE: usize = 60;

const TIMED_OUT: u16 = 408;
const TOO_EARLY: u16 = 425;
const TOO_MANY: u16 = 429;
const UNAVAILABLE: u16 = 503;

/// The beginning of what is told instead of a web page: nobody reads its text.
pub(crate) const WEB_PAGE: &str = "a web page";

/// The beginning of what is told instead of a redirect's text.
pub(crate) const REDIRECT: &str = "a redirect to ";

/// The wallet's way to the outside.
///
/// A proxy is taken from the environment (`ALL_PROXY=socks5h://127.0.0.1:9050` reaches
/// onion services). A redirect is not followed: it would show signatures and tokens to
/// another host than the one that was named.
#[derive(Clone, Debug)]
pub(crate) struct Bounded {
    client: Client,
    dns: Async,
    keysets: OwnKeysets,
}

impl Bounded {
    /// For a mint whose answers may list `keysets` alone.
    pub(crate) fn new(keysets: OwnKeysets) -> Result<Bounded, HttpError> {
        let client = Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("axepool/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| HttpError::Build(error.to_string()))?;
        Ok(Bounded {
            client,
            dns: Async::default(),
            keysets,
        })
    }

    async fn send(
        &self,
        request: RequestBuilder,
        auth: Option<AuthToken>,
    ) -> Result<RawResponse, HttpError> {
        let request = match auth {
            Some(auth) => request.header(auth.header_key(), auth.to_string()),
            None => request,
        };
        let mut response = request.send().await.map_err(of_reqwest)?;
        let status = response.status().as_u16();
        let location = header(&response, header::LOCATION);
        let kind = header(&response, header::CONTENT_TYPE);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(of_reqwest)? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(HttpError::Other(format!(
                    "the answer is longer than {MAX_BODY} bytes"
                )));
            }
            body.extend_from_slice(&chunk);
        }
        if let Some(words) = not_now(status, &body) {
            return Ok(RawResponse::new(UNAVAILABLE, words.into_bytes()));
        }
        if let (300..400, Some(location)) = (status, location) {
            body = format!("{REDIRECT}{location}").into_bytes();
        } else if is_web_page(kind.as_deref(), &body) {
            let page = web_page(&body);
            if status < 300 {
                return Err(HttpError::Other(page));
            }
            body = page.into_bytes();
        }
        Ok(RawResponse::new(status, body))
    }
}

/// The words of an answer that says no more than "not now".
///
/// cdk reads a mint's JSON before its status: with a code in it, a 503 is a refusal to it. And
/// it takes each status from 400 to 499 for the promise that nothing was done, although a 429
/// may answer the repetition of a request whose own answer was lost.
fn not_now(status: u16, body: &[u8]) -> Option<String> {
    let told: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let detail = told.as_ref().and_then(|told| told.get("detail")?.as_str());
    match (status, detail) {
        (UNAVAILABLE, detail) => detail.map(str::to_owned),
        (TOO_MANY, Some(detail)) => Some(format!("{detail} (too many requests)")),
        // Of a proxy before the mint, too.
        (TOO_MANY, None) => Some("too many requests".to_owned()),
        (TIMED_OUT | TOO_EARLY, _) => Some(detail.unwrap_or("no answer in time").to_owned()),
        _ => None,
    }
}

fn header(response: &Response, name: HeaderName) -> Option<String> {
    let value = response.headers().get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

/// A mint answers JSON, whatever it says about it.
fn is_web_page(kind: Option<&str>, body: &[u8]) -> bool {
    let said = kind.is_some_and(|kind| kind.trim_start().starts_with("text/html"));
    let text = body.trim_ascii_start();
    let begins = |with: &str| {
        text.get(..with.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()))
    };
    begins("<!doctype") || begins("<html") || (said && begins("<"))
}

/// [`WEB_PAGE`], with the page's title where it has one.
fn web_page(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(MAX_TITLE_SEARCH)]);
    let title = text.split_once("<title>").map(|(_, rest)| rest);
    let title = title.and_then(|rest| Some(rest.split_once("</title>")?.0));
    match title.map(str::trim).filter(|title| !title.is_empty()) {
        Some(title) => {
            let title: String = plain(title).chars().take(MAX_TITLE).collect();
            format!("{WEB_PAGE} ({title:?})")
        }
        None => WEB_PAGE.to_owned(),
    }
}

/// Ambiguous failures stay such: cdk plays a request again, or asks what became of it,
/// only after `Connection` and `Timeout`.
fn of_reqwest(error: reqwest::Error) -> HttpError {
    if error.is_timeout() {
        return HttpError::Timeout;
    }
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    if error.is_builder() {
        HttpError::Build(text)
    } else {
        HttpError::Connection(text)
    }
}

#[async_trait]
impl Transport for Bounded {
    /// The environment names the proxy; cdk's own setting is not used.
    fn with_proxy(
        &mut self,
        _proxy: Url,
        _host_matcher: Option<&str>,
        _accept_invalid_certs: bool,
    ) -> Result<(), HttpError> {
        Err(HttpError::Proxy(
            "name the proxy in ALL_PROXY instead".to_owned(),
        ))
    }

    async fn resolve_dns_txt(&self, domain: &str) -> Result<Vec<String>, HttpError> {
        self.dns.resolve_dns_txt(domain).await
    }

    async fn http_get<R>(&self, url: Url, auth: Option<AuthToken>) -> Result<R, HttpError>
    where
        R: DeserializeOwned,
    {
        self.http_get_raw(url, auth).await?.json_or_status_error()
    }

    async fn http_get_raw(
        &self,
        url: Url,
        auth: Option<AuthToken>,
    ) -> Result<RawResponse, HttpError> {
        let answer = self.send(self.client.get(url.clone()), auth).await?;
        if answer.is_success() {
            let text = answer.body_lossy();
            self.keysets.check(&url, text.as_bytes()).await?;
        }
        Ok(answer)
    }

    async fn http_post<P, R>(
        &self,
        url: Url,
        auth_token: Option<AuthToken>,
        payload: &P,
    ) -> Result<R, HttpError>
    where
        P: Serialize + Send + Sync,
        R: DeserializeOwned,
    {
        let request = self.client.post(url).json(payload);
        self.send(request, auth_token).await?.json_or_status_error()
    }

    async fn http_post_form_raw<P>(
        &self,
        url: Url,
        auth_token: Option<AuthToken>,
        payload: &P,
    ) -> Result<RawResponse, HttpError>
    where
        P: Serialize + Send + Sync,
    {
        let request = self.client.post(url).form(payload);
        self.send(request, auth_token).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_now_is_no_refusal() {
        let busy = br#"{"code":50000,"detail":"the mint is busy: try again"}"#;
        let words = "the mint is busy: try again";
        assert_eq!(not_now(503, busy).as_deref(), Some(words));
        let many = not_now(429, br#"{"detail":"slowly"}"#);
        assert_eq!(many.as_deref(), Some("slowly (too many requests)"));
        // Of a proxy before the mint: a page for people.
        for status in [429, 408, 425] {
            assert!(
                not_now(status, b"<html>slowly</html>").is_some(),
                "{status}"
            );
        }
        for status in [200, 400, 404, 500] {
            assert_eq!(not_now(status, busy), None, "{status}");
        }
        for other in [&b"busy"[..], b"", b"[]", br#"{"detail":7}"#] {
            assert_eq!(not_now(503, other), None);
        }
    }
}
