//! The supervisor of the lanes: their number, and the leases on them.

use std::sync::Arc;
use std::time::Duration;

use accounting::{CreditedHashes, UpstreamResult};
use ledger::ShareSender;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::backlog;
use super::connector::Connector;
use super::idle::IdleLanes;
use super::lane::{Course, Lane};
use super::lease::{Lease, Unavailable};
use super::seen_book::SeenBook;
use super::shared::{LaneShared, Shared};
use super::{UpstreamMetrics, UpstreamStatus};
use crate::clock::monotonic_ms;
use crate::config::UpstreamConfig;

/// How often the gauges are brought up to date and idle lanes are looked for.
const TICK: Duration = Duration::from_secs(1);

/// The pool's side of the proxy. A handle: clones are the same upstream.
#[derive(Clone, Debug)]
pub struct Upstream {
    shared: Arc<Shared>,
}

impl Upstream {
    /// Begins to connect, on tasks of `tracker`, until `cancel`: then shares at hand are
    /// still sent and their answers awaited for a moment. `results` is told what the
    /// upstream says to each forwarded share. What is in `credited` is not credited again.
    ///
    /// It cannot fail: an upstream that is not there is tried again, and
    /// [`Self::status`] and the log tell why. With no URLs in `config` it stays without
    /// work for ever. To be called within a tokio runtime.
    pub fn start(
        config: UpstreamConfig,
        credited: CreditedHashes,
        results: ShareSender,
        metrics: &Arc<UpstreamMetrics>,
        cancel: CancellationToken,
        tracker: &TaskTracker,
    ) -> Upstream {
        let (sender, receiver) = backlog::channel();
        tracker.spawn(backlog::drain(receiver, results, cancel.clone()));
        Self::begin(config, credited, sender, metrics, cancel, tracker)
    }

    /// [`Self::start`] for anything that takes the results.
    pub(super) fn begin(
        config: UpstreamConfig,
        credited: CreditedHashes,
        results: mpsc::Sender<UpstreamResult>,
        metrics: &Arc<UpstreamMetrics>,
        cancel: CancellationToken,
        tracker: &TaskTracker,
    ) -> Upstream {
        metrics.show_urls(&config.urls);
        let status = UpstreamStatus::starting(config.urls.first().cloned());
        let seen = SeenBook::after(credited, monotonic_ms());
        let shared = Shared::new(results, Arc::clone(metrics), status, seen);
        let upstream = Upstream {
            shared: Arc::clone(&shared),
        };
        if config.urls.is_empty() {
            tracing::error!("no upstream URL is configured: there will be no work");
            return upstream;
        }
        let (url_in_use, _) = watch::channel(0);
        let lanes = Lanes {
            shared,
            max_lanes: config.max_lanes.max(1),
            connector: Arc::new(Connector::new(config)),
            url_in_use,
            cancel,
            tracker: tracker.clone(),
            idle: IdleLanes::default(),
        };
        lanes.start_lane(0);
        tracker.spawn(lanes.run());
        upstream
    }

    /// A place on a lane, with a prefix of its extranonce2. Never waits.
    ///
    /// # Errors
    /// [`Unavailable`]: no lane has work, or all prefixes are taken. In the latter case
    /// another lane is started if there may be one.
    pub fn lease(&self) -> Result<Lease, Unavailable> {
        self.shared.lease()
    }

    /// What there is to tell about the upstream, and its changes.
    pub fn status(&self) -> watch::Receiver<UpstreamStatus> {
        self.shared.status().subscribe()
    }
}

/// Starts lanes when they are wanted and closes those that are not.
struct Lanes {
    shared: Arc<Shared>,
    connector: Arc<Connector>,
    max_lanes: usize,
    /// The index of the URL that all lanes use; the first lane decides.
    url_in_use: watch::Sender<usize>,
    cancel: CancellationToken,
    tracker: TaskTracker,
    idle: IdleLanes,
}

impl Lanes {
    async fn run(mut self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let cancel = self.cancel.clone();
        let start = Instant::now();
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.shared.lane_wanted() => self.add_lane(),
                now = tick.tick() => self.close_idle(now.duration_since(start)),
            }
            self.update_gauges();
        }
    }

    /// One more, unless there are enough or one is on its way: a pool that gives us no
    /// second connection must not be met with a third.
    fn add_lane(&self) {
        let lanes = self.shared.lanes();
        if lanes.len() >= self.max_lanes || lanes.iter().any(|lane| !lane.is_up()) {
            return;
        }
        let index = (0..).find(|index| lanes.iter().all(|lane| lane.index != *index));
        if let Some(index) = index {
            tracing::info!(
                lane = index,
                "all extranonce prefixes are taken: opening another upstream connection"
            );
            self.start_lane(index);
        }
    }

    fn start_lane(&self, index: usize) {
        let (lane, queue) = LaneShared::new(index, self.cancel.child_token());
        self.shared.add_lane(Arc::clone(&lane));
        let course = if index == 0 {
            Course::lead(self.connector.config(), self.url_in_use.clone())
        } else {
            Course::follow(self.connector.config(), self.url_in_use.subscribe())
        };
        let lane = Lane::new(
            Arc::clone(&self.shared),
            lane,
            queue,
            Arc::clone(&self.connector),
            course,
        );
        self.tracker.spawn(lane.run());
    }

    fn close_idle(&mut self, now: Duration) {
        let lanes = self.shared.lanes();
        let in_use = lanes.iter().map(|lane| (lane.index, lane.leases()));
        for index in self.idle.look(now, in_use) {
            // A session may have come since: then it stays.
            if let Some(lane) = self.shared.remove_unused_lane(index) {
                tracing::info!(
                    lane = lane.index,
                    "no miner needs this upstream connection: closing it"
                );
                lane.cancel.cancel();
            }
        }
    }

    fn update_gauges(&self) {
        let lanes = self.shared.lanes();
        let up = lanes.iter().filter(|lane| lane.is_up()).count();
        let in_use = lanes.iter().map(|lane| lane.leases()).sum();
        let free = lanes.iter().map(|lane| lane.prefixes_free()).sum();
        self.shared.metrics().lanes(lanes.len(), up, in_use, free);
        self.shared.status().send_if_modified(|status| {
            let now = (lanes.len(), up, in_use, free);
            let before = (
                status.lanes,
                status.lanes_up,
                status.prefixes_in_use,
                status.prefixes_free,
            );
            (
                status.lanes,
                status.lanes_up,
                status.prefixes_in_use,
                status.prefixes_free,
            ) = now;
            now != before
        });
    }
}
