//! Clients that load a pool's pages, many at once, and their measurements.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Client, Url};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::LatencyReport;
use super::histogram::Histogram;

/// How long a page may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who looks at what.
#[derive(Clone, Debug)]
pub struct ViewOptions {
    /// The pages, looked at in turn. Loopback, unless [`ViewOptions::allow_remote`].
    pub urls: Vec<String>,
    /// How many views begin in a second, whether or not those before are answered; `None`:
    /// each viewer begins the next one when it has the last.
    pub per_second: Option<u32>,
    /// How many look at once, each with a connection of its own.
    pub viewers: usize,
    /// For how long.
    pub duration: Duration,
    /// Allows pages that are not this machine's: only for servers of one's own.
    pub allow_remote: bool,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// There is nothing to look at.
    #[error("no page is named")]
    NoUrl,
    /// Not a URL, or its host has no address.
    #[error("{url} is no page: {why}")]
    Url {
        /// As it was given.
        url: String,
        /// Why.
        why: String,
    },
    /// A page is not this machine's, and it was not said that this is meant.
    #[error("{address} is not this machine: load only servers of your own, and say so")]
    NotLoopback {
        /// What its host resolved to.
        address: SocketAddr,
    },
    /// There is no HTTP client.
    #[error("no HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ViewReport {
    /// Pages that came whole, with status 200.
    pub views: u64,
    /// Those a second.
    pub views_per_sec: f64,
    /// Views without one.
    pub failures: u64,
    /// The same by what came instead.
    pub failed: BTreeMap<String, u64>,
    /// Bytes of all pages, without their heads.
    pub body_bytes: u64,
    /// How long was measured, in seconds.
    pub measured_secs: f64,
    /// From when a view should have begun to its last byte: a server that falls behind
    /// makes all later ones late.
    pub latency: Option<LatencyReport>,
}

/// What the viewers share.
struct Shared {
    client: Client,
    urls: Vec<Url>,
    per_second: Option<u32>,
    begin: Instant,
    end: Instant,
    next: AtomicU64,
    views: AtomicU64,
    body_bytes: AtomicU64,
    failed: Mutex<BTreeMap<String, u64>>,
    latency: Histogram,
}

/// Has the pages looked at, and tells what was seen.
///
/// # Errors
/// See [`ViewError`]. Views that fail are counted and no error.
pub async fn look(options: ViewOptions) -> Result<ViewReport, ViewError> {
    let urls = options.urls.iter();
    let urls = urls.map(|url| place(url, options.allow_remote));
    let urls = urls.collect::<Result<Vec<_>, _>>()?;
    if urls.is_empty() {
        return Err(ViewError::NoUrl);
    }
    let client = Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(options.viewers)
        .build()?;
    let begin = Instant::now();
    let shared = Arc::new(Shared {
        client,
        urls,
        per_second: options.per_second,
        begin,
        end: begin + options.duration,
        next: AtomicU64::new(0),
        views: AtomicU64::new(0),
        body_bytes: AtomicU64::new(0),
        failed: Mutex::default(),
        latency: Histogram::new(),
    });
    let mut viewers = JoinSet::new();
    for _ in 0..options.viewers.max(1) {
        viewers.spawn(Arc::clone(&shared).view());
    }
    while viewers.join_next().await.is_some() {}
    Ok(shared.report(begin.elapsed()))
}

fn place(text: &str, allow_remote: bool) -> Result<Url, ViewError> {
    let fails = |why: String| ViewError::Url {
        url: text.to_owned(),
        why,
    };
    let url = Url::parse(text).map_err(|error| fails(error.to_string()))?;
    let addresses = url.socket_addrs(|| None);
    let addresses = addresses.map_err(|error| fails(error.to_string()))?;
    let is_remote = |address: &&SocketAddr| !IpAddr::is_loopback(&address.ip());
    match addresses.iter().find(is_remote) {
        Some(&address) if !allow_remote => Err(ViewError::NotLoopback { address }),
        _ => Ok(url),
    }
}

impl Shared {
    /// One viewer: takes the next view, waits until it is due, looks.
    async fn view(self: Arc<Self>) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let due = match self.per_second {
                None => Instant::now(),
                Some(rate) => self.begin + offset(number, rate),
            };
            if due >= self.end {
                return;
            }
            sleep_until(due).await;
            let count = u64::try_from(self.urls.len()).unwrap_or(1);
            let url = usize::try_from(number % count).unwrap_or(0);
            match timeout(PATIENCE, self.fetch(self.urls[url].clone())).await {
                Ok(Ok(bytes)) => {
                    self.latency.record(due.elapsed());
                    self.views.fetch_add(1, Ordering::Relaxed);
                    self.body_bytes.fetch_add(bytes, Ordering::Relaxed);
                }
                Ok(Err(why)) => self.fail(why),
                Err(_) => self.fail(format!("no answer in {PATIENCE:?}")),
            }
        }
    }

    /// The bytes of the page, or what came instead.
    async fn fetch(&self, url: Url) -> Result<u64, String> {
        let failed = |error: reqwest::Error| error.without_url().to_string();
        let answer = self.client.get(url).send().await.map_err(failed)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(failed)?;
        if status != reqwest::StatusCode::OK {
            return Err(format!("status {}", status.as_u16()));
        }
        Ok(u64::try_from(body.len()).unwrap_or(u64::MAX))
    }

    fn fail(&self, why: String) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        *failed.entry(why).or_default() += 1;
    }

    fn report(&self, measured: Duration) -> ViewReport {
        let views = self.views.load(Ordering::Relaxed);
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        ViewReport {
            views,
            views_per_sec: views as f64 / measured.as_secs_f64().max(1e-9),
            failures: failed.values().sum(),
            failed: failed.clone(),
            body_bytes: self.body_bytes.load(Ordering::Relaxed),
            measured_secs: measured.as_secs_f64(),
            latency: LatencyReport::of(&self.latency),
        }
    }
}

/// When view `number` begins, at `rate` a second.
fn offset(number: u64, rate: u32) -> Duration {
    let nanos = u128::from(number) * 1_000_000_000 / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

impl fmt::Display for ViewReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "views           {} in {:.2} s ({:.0} a second)",
            self.views, self.measured_secs, self.views_per_sec
        )?;
        for (reason, count) in &self.failed {
            writeln!(f, "  failed        {count}: {reason}")?;
        }
        match &self.latency {
            Some(latency) => writeln!(f, "latency         {latency}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use tokio::net::TcpListener;

    use super::*;

    async fn server() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new().route("/page", get(|| async { "page" }));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        address
    }

    fn options(urls: Vec<String>, per_second: Option<u32>) -> ViewOptions {
        ViewOptions {
            urls,
            per_second,
            viewers: 4,
            duration: Duration::from_millis(400),
            allow_remote: false,
        }
    }

    #[tokio::test]
    async fn views_are_counted_at_the_rate_that_was_asked_for() {
        let at = server().await;
        let urls = vec![format!("http://{at}/page"), format!("http://{at}/none")];
        let report = look(options(urls, Some(50))).await.unwrap();
        // Every second one is there: 20 in 0.4 seconds.
        assert_eq!(report.views, 10, "{report:?}");
        assert_eq!(report.failed.get("status 404"), Some(&10), "{report:?}");
        assert_eq!(report.body_bytes, 40);
        assert!(report.latency.is_some());
        assert!(report.to_string().contains("10 in"), "{report}");
    }

    #[tokio::test]
    async fn without_a_rate_each_view_begins_after_the_last() {
        let at = server().await;
        let report = look(options(vec![format!("http://{at}/page")], None)).await;
        let report = report.unwrap();
        assert!(report.views > 0 && report.failed.is_empty(), "{report:?}");
    }

    #[tokio::test]
    async fn what_is_elsewhere_is_left_alone() {
        for (url, said) in [
            ("http://192.0.2.1/", "not this machine"),
            ("not a page", "is no page"),
        ] {
            let error = look(options(vec![url.to_owned()], None)).await.unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
        let none = look(options(Vec::new(), None)).await;
        assert!(matches!(none, Err(ViewError::NoUrl)));
    }

    #[test]
    fn views_are_spread_evenly() {
        assert_eq!(offset(0, 500), Duration::ZERO);
        assert_eq!(offset(1, 500), Duration::from_millis(2));
        assert_eq!(offset(1_000, 500), Duration::from_secs(2));
        assert_eq!(offset(u64::MAX, 1), Duration::from_nanos(u64::MAX));
    }
}
