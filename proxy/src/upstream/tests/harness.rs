//! An upstream under test, with everything that it needs.

use std::sync::Arc;
use std::time::Duration;

use accounting::{CreditedHashes, UpstreamResult};
use prometheus::Registry;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::pool::{Pool, soon};
use crate::config::{RefusalLimits, UpstreamConfig};
use crate::testing::metrics::{metric, metric_becomes};
use crate::upstream::{LaneView, Lease, Unavailable, Upstream, UpstreamMetrics};

pub(super) struct Harness {
    pub(super) upstream: Upstream,
    pub(super) results: mpsc::Receiver<UpstreamResult>,
    pub(super) cancel: CancellationToken,
    pub(super) tracker: TaskTracker,
    registry: Registry,
}

pub(super) fn config(pools: &[&Pool]) -> UpstreamConfig {
    UpstreamConfig {
        urls: pools.iter().map(|pool| pool.url.clone()).collect(),
        username: "bc1qpool.axepool".to_owned(),
        password: "x".to_owned(),
        user_agent: "axepool".to_owned(),
        suggest_difficulty: None,
        allow_reconnect_elsewhere: false,
        job_max_age: Duration::from_secs(150),
        no_job_timeout: Duration::from_secs(60),
        connect_timeout: Duration::from_secs(10),
        backoff_min: Duration::from_millis(5),
        backoff_max: Duration::from_millis(50),
        failback_interval: Duration::from_secs(60),
        max_lanes: 2,
        extra_ca: None,
        refusals: RefusalLimits {
            in_a_row: 20,
            lasting: Duration::from_millis(20),
        },
    }
}

impl Harness {
    pub(super) fn start(config: UpstreamConfig) -> Self {
        let registry = Registry::new();
        let metrics = Arc::new(UpstreamMetrics::new(&registry).expect("fresh registry"));
        let (sender, results) = mpsc::channel(16);
        let (cancel, tracker) = (CancellationToken::new(), TaskTracker::new());
        let upstream = Upstream::begin(
            config,
            CreditedHashes::default(),
            sender,
            &metrics,
            cancel.clone(),
            &tracker,
        );
        Harness {
            upstream,
            results,
            cancel,
            tracker,
            registry,
        }
    }

    /// A lease, as soon as there is one.
    pub(super) async fn lease(&self) -> Lease {
        let mut status = self.upstream.status();
        soon("a lease", async {
            loop {
                match self.upstream.lease() {
                    Ok(lease) => return lease,
                    Err(Unavailable::NoWork | Unavailable::Full) => {}
                }
                // Looked at again when something changed, or soon at the latest: that a
                // further lane is up is told once a second.
                let _ = tokio::time::timeout(Duration::from_millis(10), status.changed()).await;
            }
        })
        .await
    }

    pub(super) async fn result(&mut self) -> UpstreamResult {
        soon("a result", self.results.recv())
            .await
            .expect("the lanes live")
    }

    /// The sum of an upstream metric over all its labels that hold `label`.
    pub(super) fn metric(&self, name: &str, label: &str) -> f64 {
        metric(&self.registry, &format!("upstream_{name}"), label)
    }

    /// Waits until it has this value.
    pub(super) async fn metric_becomes(&self, name: &str, label: &str, value: f64) {
        metric_becomes(&self.registry, &format!("upstream_{name}"), label, value).await;
    }

    pub(super) async fn stop(self) {
        self.cancel.cancel();
        self.tracker.close();
        soon("the end", self.tracker.wait()).await;
    }
}

/// The view, as soon as it is as it should be.
pub(super) async fn view(
    receiver: &mut watch::Receiver<Arc<LaneView>>,
    what: &str,
    wanted: impl FnMut(&Arc<LaneView>) -> bool,
) -> Arc<LaneView> {
    let view = soon(what, receiver.wait_for(wanted)).await;
    Arc::clone(&view.expect("the lane lives"))
}
