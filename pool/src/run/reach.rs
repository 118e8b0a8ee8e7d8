//! Whether `http.public_url` leads to this pool. The URL stands in every token, so a wrong one
//! is found out by nobody but the owners, and too late. The pool asks the URL for the mint's
//! info, as a wallet does, and compares the key in it with its own mint's.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use basics::backoff::Backoff;
use prometheus::{IntGaugeVec, Opts, Registry};
use reqwest::header::LOCATION;
use reqwest::{Client, StatusCode, redirect};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, PublicUrl};

/// The wait before the next check while the URL is in doubt, doubled up to the second. A
/// reverse proxy may start later than the pool.
const AGAIN: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(900));

/// The wait after a check that found this pool.
const ONCE_MORE: Duration = Duration::from_secs(3600);

const CONNECT: Duration = Duration::from_secs(10);

/// The whole check, the name's resolution and the body included.
const TIMEOUT: Duration = Duration::from_secs(20);

/// An info is a few kilobytes.
const MAX_BYTES: usize = 256 << 10;

/// The most of a foreign text that is shown.
const SHOWN_CHARS: usize = 200;

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    /// This pool's mint.
    Here,
    /// Something else: the URL, or the reverse proxy behind it, is wrong.
    Elsewhere(String),
    /// No answer. Wallets may get one: not every router lets a machine reach its own public
    /// address.
    Unreachable(String),
}

/// The URL, and what the last check found.
#[derive(Debug)]
pub(super) struct Reach {
    /// `None` when there is nothing to check.
    url: Option<PublicUrl>,
    found: Mutex<Option<Found>>,
    state: IntGaugeVec,
}

impl Reach {
    /// # Errors
    /// The metric's name is taken.
    pub(super) fn register(
        config: &Config,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let opts = Opts::new(
            "axepool_public_url_state",
            "1 for what the last check of http.public_url found, 0 for the other states",
        );
        let state = IntGaugeVec::new(opts, &["state"])?;
        registry.register(Box::new(state.clone()))?;
        // Only tor resolves the names of onion services, and the pool does not speak it.
        let url = config.http.public_url.clone();
        let url = url.filter(|url| config.mint.enabled && !url.is_onion());
        let reach = Reach {
            url,
            found: Mutex::default(),
            state,
        };
        reach.show(None);
        Ok(reach)
    }

    /// The fault of the URL, if one is known.
    pub(super) fn trouble(&self) -> Option<String> {
        let url = self.url.as_ref()?;
        trouble(url, self.lock().as_ref()?)
    }

    /// Checks the URL now and from time to time, until `cancel`; `key` is the mint's. Whatever
    /// becomes of a check, nothing else of the pool notices.
    pub(super) async fn watch(self: Arc<Self>, key: String, cancel: CancellationToken) {
        let Some(url) = self.url.clone() else {
            return;
        };
        let checking = async move {
            let mut backoff = AGAIN;
            loop {
                let found = check(&url, &key).await;
                let wait = match found {
                    Found::Here => {
                        backoff.succeeded();
                        ONCE_MORE
                    }
                    Found::Elsewhere(_) | Found::Unreachable(_) => backoff.failed(),
                };
                self.tell(&url, found, wait);
                tokio::time::sleep(wait).await;
            }
        };
        let checking = tokio::spawn(cancel.run_until_cancelled_owned(checking));
        if let Err(error) = checking.await {
            tracing::error!(%error, "http.public_url is not checked any more");
        }
    }

    /// A warning for each change, and not for each check.
    fn tell(&self, url: &PublicUrl, found: Found, retry: Duration) {
        let mut known = self.lock();
        if known.as_ref() == Some(&found) {
            return;
        }
        match trouble(url, &found) {
            Some(why) => tracing::warn!(?retry, "{why}"),
            None => tracing::info!(%url, "http.public_url leads to this pool"),
        }
        self.show(Some(&found));
        *known = Some(found);
    }

    fn show(&self, found: Option<&Found>) {
        let is_now = match found {
            None => "unchecked",
            Some(Found::Here) => "here",
            Some(Found::Elsewhere(_)) => "elsewhere",
            Some(Found::Unreachable(_)) => "unreachable",
        };
        for state in ["unchecked", "here", "elsewhere", "unreachable"] {
            let value = i64::from(state == is_now);
            self.state.with_label_values(&[state]).set(value);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Found>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn trouble(url: &PublicUrl, found: &Found) -> Option<String> {
    match found {
        Found::Here => None,
        Found::Elsewhere(why) => Some(format!(
            "http.public_url {url} does not lead to this pool, and every token names it: {why}. \
             Correct http.public_url, or the reverse proxy behind it"
        )),
        Found::Unreachable(why) => Some(format!(
            "http.public_url {url}, which every token names, cannot be reached from this machine: \
             {why}. Look from another network whether {url}/v1/info answers"
        )),
    }
}

/// Asks `url` for the info of its mint, which should have `key`.
async fn check(url: &PublicUrl, key: &str) -> Found {
    match fetch(url).await {
        Ok(answer) => answer.judged(key),
        Err(why) => Found::Unreachable(why),
    }
}

/// An answer to the question for the info.
struct Answer {
    status: StatusCode,
    /// Where a redirect leads.
    location: String,
    /// `None` when it is longer than any info.
    body: Option<Vec<u8>>,
}

async fn fetch(url: &PublicUrl) -> Result<Answer, String> {
    let client = Client::builder()
        .timeout(TIMEOUT)
        .connect_timeout(CONNECT)
        // A wallet that follows one loses the body of its request.
        .redirect(redirect::Policy::none())
        .user_agent(concat!("axepool/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(innermost)?;
    let info = format!("{url}/v1/info");
    let mut response = client.get(info).send().await.map_err(innermost)?;
    let location = response.headers().get(LOCATION);
    let location = location.map(|location| shown(&String::from_utf8_lossy(location.as_bytes())));
    let mut answer = Answer {
        status: response.status(),
        location: location.unwrap_or_default(),
        body: None,
    };
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(innermost)? {
        if body.len().saturating_add(chunk.len()) > MAX_BYTES {
            return Ok(answer);
        }
        body.extend_from_slice(&chunk);
    }
    answer.body = Some(body);
    Ok(answer)
}

impl Answer {
    fn judged(&self, key: &str) -> Found {
        #[derive(Deserialize)]
        struct Info {
            pubkey: String,
        }
        let status = self.status;
        if status.is_redirection() {
            return Found::Elsewhere(format!(
                "{status}: it redirects to {:?}, and wallets do not follow when they send \
                 something",
                self.location
            ));
        }
        // A proxy without its pool, or a server with too much to do.
        if status.is_server_error()
            || matches!(
                status,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
            )
        {
            return Found::Unreachable(format!("the answer is {status}"));
        }
        if !status.is_success() {
            return Found::Elsewhere(format!("the answer to /v1/info is {status}"));
        }
        let info = self.body.as_deref().map(serde_json::from_slice::<Info>);
        match info {
            Some(Ok(info)) if info.pubkey.eq_ignore_ascii_case(key) => Found::Here,
            Some(Ok(info)) => Found::Elsewhere(format!(
                "another mint answers there, with the key {}",
                shown(&info.pubkey)
            )),
            Some(Err(_)) | None => {
                Found::Elsewhere("the answer to /v1/info is not that of a mint".to_owned())
            }
        }
    }
}

/// The innermost reason is the one that tells ("connection refused").
fn innermost(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut inner: &dyn Error = &error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    shown(&inner.to_string())
}

/// The beginning of a foreign text, fit for a log.
fn shown(text: &str) -> String {
    let plain = text.chars().filter(|c| !c.is_control());
    plain.take(SHOWN_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::config;

    const KEY: &str = "02aa";

    fn url(text: &str) -> PublicUrl {
        let config = format!(
            "[pool]\nnetwork = \"regtest\"\n[upstream]\nurls = \"stratum+tcp://x:1\"\n\
             address = \"bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080\"\n\
             [http]\npublic_url = \"{text}\"\n"
        );
        let loaded = config::parse(&config, Path::new("")).expect("a config");
        loaded.config.http.public_url.expect("a URL")
    }

    /// What a check finds where everybody is answered `answer`.
    async fn found(answer: String) -> (Found, Vec<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let at = url(&format!(
            "http://{}/mint",
            listener.local_addr().expect("bound")
        ));
        let serving = tokio::spawn(async move {
            let mut asked = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.expect("a client");
                let mut head = [0; 1024];
                let read = stream.read(&mut head).await.expect("reads");
                let head = String::from_utf8_lossy(&head[..read]).into_owned();
                asked.push(head.lines().next().unwrap_or("").to_owned());
                // A check that has read enough hangs up.
                let _ = stream.write_all(answer.as_bytes()).await;
                if asked.len() == 2 {
                    return asked;
                }
            }
        });
        let first = check(&at, KEY).await;
        assert_eq!(check(&at, KEY).await, first);
        (first, serving.await.expect("served"))
    }

    fn http(status: &str, more: &str, body: &str) -> String {
        format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{more}Connection: close\r\n\r\n{body}",
            body.len()
        )
    }

    #[tokio::test]
    async fn an_answer_is_judged_by_the_mints_key() {
        let here = http("200 OK", "", r#"{"name":"x","pubkey":"02AA","nuts":{}}"#);
        let (state, asked) = found(here).await;
        assert_eq!(state, Found::Here);
        assert_eq!(asked, ["GET /mint/v1/info HTTP/1.1"; 2]);

        let elsewhere = |why: &str| Found::Elsewhere(why.to_owned());
        let other = http("200 OK", "", r#"{"pubkey":"02bb\u001b[2J"}"#);
        let why = "another mint answers there, with the key 02bb[2J";
        assert_eq!(found(other).await.0, elsewhere(why));
        for body in ["<html>", "", "{}", "[1]", r#"{"pubkey":7}"#] {
            let why = "the answer to /v1/info is not that of a mint";
            assert_eq!(
                found(http("200 OK", "", body)).await.0,
                elsewhere(why),
                "{body}"
            );
        }
        let missing = http("404 Not Found", "", "no");
        let why = "the answer to /v1/info is 404 Not Found";
        assert_eq!(found(missing).await.0, elsewhere(why));

        let gone = http("502 Bad Gateway", "", "nginx");
        let unreachable = Found::Unreachable("the answer is 502 Bad Gateway".to_owned());
        assert_eq!(found(gone).await.0, unreachable);
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let to = "Location: http://169.254.169.254/x\r\n";
        let (state, asked) = found(http("301 Moved Permanently", to, "")).await;
        let Found::Elsewhere(why) = state else {
            panic!("{state:?}");
        };
        let said = "301 Moved Permanently: it redirects to \"http://169.254.169.254/x\"";
        assert!(why.starts_with(said), "{why}");
        assert_eq!(asked.len(), 2, "one request a check");
    }

    /// A body without an end, which a hostile host may send.
    #[tokio::test]
    async fn no_more_of_an_answer_is_read_than_an_info_has() {
        let endless = "x".repeat(64 << 20);
        let (state, _) = found(http("200 OK", "", &endless)).await;
        let why = "the answer to /v1/info is not that of a mint".to_owned();
        assert_eq!(state, Found::Elsewhere(why));
    }

    #[tokio::test]
    async fn nobody_there_is_no_proof() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let at = url(&format!("http://{}", listener.local_addr().expect("bound")));
        drop(listener);
        let state = check(&at, KEY).await;
        assert!(
            matches!(&state, Found::Unreachable(why) if why.contains("refused")),
            "{state:?}"
        );
    }

    #[test]
    fn what_a_check_found_is_told_until_another_finds_the_pool() {
        let loaded = config::parse(
            "[upstream]\naddress = \"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4\"\n\
             [http]\npublic_url = \"https://pool.example\"\n",
            Path::new(""),
        );
        let config = loaded.expect("a config").config;
        let reach = Reach::register(&config, &Registry::new()).expect("registers");
        let at = reach.url.clone().expect("to be checked");
        let states = || {
            ["unchecked", "here", "elsewhere", "unreachable"]
                .map(|state| reach.state.with_label_values(&[state]).get())
        };
        let wait = Duration::from_secs(5);
        assert_eq!((reach.trouble(), states()), (None, [1, 0, 0, 0]));
        reach.tell(&at, Found::Unreachable("refused".to_owned()), wait);
        let told = reach.trouble().expect("told");
        assert!(told.contains("https://pool.example/v1/info"), "{told}");
        assert_eq!(states(), [0, 0, 0, 1]);
        reach.tell(&at, Found::Elsewhere("a page".to_owned()), wait);
        let told = reach.trouble().expect("told");
        assert!(told.contains("does not lead to this pool"), "{told}");
        assert_eq!(states(), [0, 0, 1, 0]);
        reach.tell(&at, Found::Here, wait);
        assert_eq!((reach.trouble(), states()), (None, [0, 1, 0, 0]));
    }

    #[test]
    fn an_onion_service_is_not_looked_up() {
        let onion = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
        let text = format!(
            "[upstream]\naddress = \"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4\"\n\
             [http]\npublic_url = \"http://{onion}\"\n"
        );
        let config = config::parse(&text, Path::new(""))
            .expect("a config")
            .config;
        let reach = Reach::register(&config, &Registry::new()).expect("registers");
        assert_eq!(reach.url, None);
    }
}
