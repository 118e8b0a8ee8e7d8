//! Metrics of the upstream side.

use std::time::{Duration, SystemTime};

use accounting::Work;
use prometheus::{
    Counter, Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry,
};

use super::client::Reason;
use super::failure::Failure;
use crate::Difficulty;
use crate::config::UpstreamUrl;

/// What can become of a share that met the network's target.
const BLOCK_RESULTS: [&str; 4] = ["accepted", "refused", "unanswered", "not_sent"];

/// The metrics `axepool_upstream_*`. Labels come from closed sets, or from the
/// operator's own list of URLs: nothing that a pool sends becomes a label.
#[derive(Debug)]
pub struct UpstreamMetrics {
    connected: IntGaugeVec,
    jobs: IntCounterVec,
    disconnects: IntCounterVec,
    submits: IntCounter,
    accepted: IntCounterVec,
    rejected: IntCounterVec,
    unanswered: IntCounter,
    not_sent: IntCounter,
    unrecorded: IntCounter,
    ignored: IntCounter,
    work_accepted: Counter,
    work_refused: Counter,
    work_refused_ratio: Gauge,
    blocks: IntCounterVec,
    last_job: Gauge,
    difficulty: Gauge,
    round_trip: Histogram,
    lanes: IntGauge,
    lanes_up: IntGauge,
    prefixes_in_use: IntGauge,
    prefixes_free: IntGauge,
}

impl UpstreamMetrics {
    /// Makes them and registers them.
    ///
    /// # Errors
    /// A name is already taken in `registry`: they are registered once.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let name = Make { registry };
        let metrics = UpstreamMetrics {
            connected: name.gauges(
                "connected",
                "1 while the first upstream connection to this URL has a job",
                &["url", "host"],
            )?,
            jobs: name.counters("jobs_total", "Jobs received", &["clean"])?,
            disconnects: name.counters(
                "disconnects_total",
                "Connections that ended or could not be made",
                &["reason"],
            )?,
            submits: name.counter("submits_total", "Shares sent upstream")?,
            accepted: name.counters(
                "accepted_total",
                "Shares that the upstream accepted",
                &["url", "host"],
            )?,
            rejected: name.counters(
                "rejected_total",
                "Shares that the upstream refused",
                &["url", "host", "reason"],
            )?,
            unanswered: name.counter(
                "unanswered_total",
                "Shares sent whose answer did not come in time or before the connection's end",
            )?,
            not_sent: name.counter(
                "not_sent_total",
                "Shares for the upstream whose connection was lost before they were sent",
            )?,
            unrecorded: name.counter(
                "results_unrecorded_total",
                "Found blocks whose upstream result the stalled ledger could not take",
            )?,
            ignored: name.counter("ignored_messages_total", "Lines from the upstream that could not be parsed")?,
            work_accepted: name.float_counter(
                "work_accepted_hashes_total",
                "Credited work at the upstream's difficulty that the upstream accepted, expected hashes",
            )?,
            work_refused: name.float_counter(
                "work_refused_hashes_total",
                "Credited work at the upstream's difficulty that the upstream refused, never answered or never got, expected hashes",
            )?,
            work_refused_ratio: name.float_gauge(
                "work_refused_ratio",
                "Refused part of the credited work at the upstream's difficulty since the start, 0 to 1",
            )?,
            blocks: name.counters(
                "blocks_found_total",
                "Shares that met the network's target, by the upstream's answer",
                &["result"],
            )?,
            last_job: name.float_gauge(
                "last_job_timestamp_seconds",
                "When the last job came, seconds since 1970",
            )?,
            difficulty: name.float_gauge("difficulty", "The difficulty that the upstream requires of a share")?,
            round_trip: name.histogram(
                "share_round_trip_seconds",
                "From sending a share to its answer",
            )?,
            lanes: name.gauge("lanes", "Upstream connections wanted")?,
            lanes_up: name.gauge("lanes_up", "Upstream connections that have a job")?,
            prefixes_in_use: name.gauge("prefixes_in_use", "Extranonce prefixes held by sessions")?,
            prefixes_free: name.gauge("prefixes_free", "Extranonce prefixes that are free")?,
        };
        metrics.show_labels();
        Ok(metrics)
    }

    /// Whatever can be counted is there from the beginning, at 0: a rate begins with the
    /// first event, and a graph of none is a line.
    fn show_labels(&self) {
        for clean in ["true", "false"] {
            self.jobs.with_label_values(&[clean]);
        }
        for result in BLOCK_RESULTS {
            self.blocks.with_label_values(&[result]);
        }
        for reason in Failure::LABELS {
            self.disconnects.with_label_values(&[reason]);
        }
    }

    /// Shows the config's URLs, none of them connected.
    pub(super) fn show_urls(&self, urls: &[UpstreamUrl]) {
        for (index, url) in urls.iter().enumerate() {
            let (url, host) = labels(index, url);
            self.connected.with_label_values(&[&url, &host]);
            self.accepted.with_label_values(&[&url, &host]);
            for reason in Reason::ALL {
                let labels = [url.as_str(), &host, reason.label()];
                self.rejected.with_label_values(&labels);
            }
        }
    }

    pub(super) fn set_connected(&self, index: usize, url: &UpstreamUrl, up: bool) {
        let (url, host) = labels(index, url);
        self.connected
            .with_label_values(&[&url, &host])
            .set(i64::from(up));
    }

    pub(super) fn job(&self, clean: bool, difficulty: Difficulty) {
        self.jobs
            .with_label_values(&[if clean { "true" } else { "false" }])
            .inc();
        self.difficulty.set(difficulty.get());
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        self.last_job.set(now.as_secs_f64());
    }

    pub(super) fn disconnected(&self, reason: &'static str) {
        self.disconnects.with_label_values(&[reason]).inc();
    }

    pub(super) fn submitted(&self) {
        self.submits.inc();
    }

    pub(super) fn not_sent(&self, work: Work) {
        self.not_sent.inc();
        self.lose(work);
    }

    pub(super) fn unrecorded(&self) {
        self.unrecorded.inc();
    }

    pub(super) fn ignored(&self) {
        self.ignored.inc();
    }

    /// The upstream of `url`, which is number `index` of the config's, took a share.
    pub(super) fn taken(
        &self,
        (index, url): (usize, &UpstreamUrl),
        work: Work,
        round_trip: Duration,
    ) {
        let (url, host) = labels(index, url);
        self.accepted.with_label_values(&[&url, &host]).inc();
        self.round_trip.observe(round_trip.as_secs_f64());
        self.work_accepted.inc_by(approximate(work));
        self.update_ratio();
    }

    /// It refused one.
    pub(super) fn refused(
        &self,
        (index, url): (usize, &UpstreamUrl),
        reason: Reason,
        work: Work,
        round_trip: Duration,
    ) {
        let (url, host) = labels(index, url);
        self.rejected
            .with_label_values(&[url.as_str(), &host, reason.label()])
            .inc();
        self.round_trip.observe(round_trip.as_secs_f64());
        self.lose(work);
    }

    pub(super) fn unanswered(&self, work: Work) {
        self.unanswered.inc();
        self.lose(work);
    }

    pub(super) fn block(&self, result: &'static str) {
        self.blocks.with_label_values(&[result]).inc();
    }

    pub(super) fn lanes(&self, lanes: usize, up: usize, in_use: usize, free: usize) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.lanes.set(number(lanes));
        self.lanes_up.set(number(up));
        self.prefixes_in_use.set(number(in_use));
        self.prefixes_free.set(number(free));
    }

    fn lose(&self, work: Work) {
        self.work_refused.inc_by(approximate(work));
        self.update_ratio();
    }

    fn update_ratio(&self) {
        let refused = self.work_refused.get();
        let answered = refused + self.work_accepted.get();
        if answered > 0.0 {
            self.work_refused_ratio.set(refused / answered);
        }
    }
}

/// A URL by its place in the config, counted from 0, and its host with the port.
fn labels(index: usize, url: &UpstreamUrl) -> (String, String) {
    (index.to_string(), format!("{}:{}", url.host, url.port))
}

/// Work for a graph, where 53 bits of it are enough.
#[expect(clippy::cast_precision_loss, reason = "a metric is a double")]
fn approximate(work: Work) -> f64 {
    work.hashes() as f64
}

/// Makes metrics under the common prefix and registers them.
struct Make<'a> {
    registry: &'a Registry,
}

impl Make<'_> {
    fn opts(name: &str, help: &str) -> Opts {
        Opts::new(format!("axepool_upstream_{name}"), help)
    }

    fn register<M: prometheus::core::Collector + Clone + 'static>(
        &self,
        metric: M,
    ) -> Result<M, prometheus::Error> {
        self.registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.register(IntCounter::with_opts(Self::opts(name, help))?)
    }

    fn float_counter(&self, name: &str, help: &str) -> Result<Counter, prometheus::Error> {
        self.register(Counter::with_opts(Self::opts(name, help))?)
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.register(IntCounterVec::new(Self::opts(name, help), labels)?)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.register(IntGauge::with_opts(Self::opts(name, help))?)
    }

    fn float_gauge(&self, name: &str, help: &str) -> Result<Gauge, prometheus::Error> {
        self.register(Gauge::with_opts(Self::opts(name, help))?)
    }

    fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, prometheus::Error> {
        self.register(IntGaugeVec::new(Self::opts(name, help), labels)?)
    }

    fn histogram(&self, name: &str, help: &str) -> Result<Histogram, prometheus::Error> {
        let options = HistogramOpts::new(format!("axepool_upstream_{name}"), help).buckets(vec![
            0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
        ]);
        self.register(Histogram::with_opts(options)?)
    }
}
