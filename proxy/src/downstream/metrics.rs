//! Metrics of the miners' side. Labels come from closed sets: nothing that a device sends
//! becomes a label.

use prometheus::core::Collector;
use prometheus::{
    Counter, Error, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry,
};

use super::admission::Refused;
use super::close::CloseReason;
use crate::check::Reject;
use crate::username::UsernameError;
use crate::wire::{self, Malformed};

/// Refused since all connections are taken: beside [`Refused`], the address's own limits.
const FULL: &str = "full";

/// Refused since no session's number is left.
pub(crate) const SESSIONS_USED_UP: &str = "sessions_used_up";

/// A message that cannot be read, beside the methods.
const MALFORMED: &str = "malformed";

/// The metrics of the miners' side.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// Connections that are not authorized yet.
    pub(crate) handshaking: IntGauge,
    /// Authorized ones without an accepted share: probes end here.
    pub(crate) authorized: IntGauge,
    /// Those with an accepted share.
    pub(crate) mining: IntGauge,
    /// Accepted on a plain listener.
    pub(crate) opened_plain: IntCounter,
    /// Accepted on a TLS listener.
    pub(crate) opened_tls: IntCounter,
    refused: IntCounterVec,
    closed: IntCounterVec,
    /// `accept` that failed.
    pub(crate) accept_errors: IntCounter,
    /// Authorizations granted.
    pub(crate) authorizations: IntCounter,
    authorizations_refused: IntCounterVec,
    messages: IntCounterVec,
    /// `mining.submit`, resolved once: the hot path looks no label up.
    pub(crate) submits: IntCounter,
    /// Shares that met their target and are stored.
    pub(crate) accepted: IntCounter,
    /// The work of those.
    pub(crate) accepted_work: Counter,
    rejected: IntCounterVec,
    /// Good shares that the failing disk did not take.
    pub(crate) not_stored: IntCounter,
    /// Good shares that wait for the disk now.
    pub(crate) pending: IntGauge,
    /// 1 while the ledger does not answer.
    pub(crate) store_hung: IntGauge,
    /// Shares that met the upstream's target but found its connection gone.
    pub(crate) not_forwarded: IntCounter,
    /// Shares that met the network's target.
    pub(crate) blocks: IntCounter,
    /// From the line's arrival to the verdict.
    pub(crate) check_seconds: Histogram,
    /// From the line's arrival to the answer, the disk included.
    pub(crate) answer_seconds: Histogram,
    /// From an upstream job's arrival to the `mining.notify` of a session.
    pub(crate) notify_seconds: Histogram,
    /// Bytes from devices.
    pub(crate) bytes_in: IntCounter,
    /// Bytes to devices.
    pub(crate) bytes_out: IntCounter,
    /// Difficulties raised by vardiff.
    pub(crate) vardiff_up: IntCounter,
    /// Difficulties lowered by vardiff.
    pub(crate) vardiff_down: IntCounter,
}

impl Metrics {
    /// Makes them and registers them.
    ///
    /// # Errors
    /// A name is already taken in `registry`: they are registered once.
    pub(crate) fn new(registry: &Registry) -> Result<Self, Error> {
        let make = Make { registry };
        let connections = make.gauges("connections", "Open connections by state", "state")?;
        let opened = make.counters("connections_total", "Connections accepted", "listener")?;
        let bytes = make.counters(
            "stratum_bytes_total",
            "Bytes exchanged with the miners",
            "direction",
        )?;
        let vardiff = make.counters(
            "vardiff_changes_total",
            "Changes of difficulty by vardiff",
            "direction",
        )?;
        let messages = make.counters("stratum_messages_total", "Messages received", "method")?;
        let metrics = Metrics {
            handshaking: connections.with_label_values(&["handshake"]),
            authorized: connections.with_label_values(&["authorized"]),
            mining: connections.with_label_values(&["mining"]),
            opened_plain: opened.with_label_values(&["plain"]),
            opened_tls: opened.with_label_values(&["tls"]),
            refused: make.counters(
                "connections_refused_total",
                "Connections refused",
                "reason",
            )?,
            closed: make.counters("connections_closed_total", "Connections ended", "reason")?,
            accept_errors: make
                .counter("accept_errors_total", "Failures to accept a connection")?,
            authorizations: make.counter("authorizations_total", "Sessions authorized")?,
            authorizations_refused: make.counters(
                "authorizations_refused_total",
                "Authorizations refused",
                "reason",
            )?,
            submits: messages.with_label_values(&["mining.submit"]),
            messages,
            accepted: make.counter("shares_accepted_total", "Shares accepted and stored")?,
            accepted_work: make.float_counter(
                "shares_accepted_hashes_total",
                "Work of the accepted shares, expected hashes",
            )?,
            rejected: make.counters("shares_rejected_total", "Submissions rejected", "reason")?,
            not_stored: make.counter(
                "shares_not_stored_total",
                "Good shares answered with an error because the ledger could not store them",
            )?,
            pending: make.gauge("shares_pending", "Good shares waiting for the disk")?,
            store_hung: make.gauge(
                "store_hung",
                "1 while the disk hangs without an error, so that devices are sent to their fallback",
            )?,
            not_forwarded: make.counter(
                "shares_not_forwarded_total",
                "Shares for the upstream that found its connection gone",
            )?,
            blocks: make.counter("blocks_found_total", "Shares that met the network's target")?,
            check_seconds: make.histogram(
                "share_check_seconds",
                "From a submission's arrival to its verdict",
                &[2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 1e-3, 1e-2],
            )?,
            answer_seconds: make.histogram(
                "share_answer_seconds",
                "From an accepted submission's arrival to its answer, the disk included",
                &[1e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 5.0],
            )?,
            notify_seconds: make.histogram(
                "notify_seconds",
                "From an upstream job's arrival to its mining.notify",
                &[1e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.25, 0.5, 1.0],
            )?,
            bytes_in: bytes.with_label_values(&["in"]),
            bytes_out: bytes.with_label_values(&["out"]),
            vardiff_up: vardiff.with_label_values(&["up"]),
            vardiff_down: vardiff.with_label_values(&["down"]),
        };
        metrics.show_labels();
        Ok(metrics)
    }

    /// Whatever can be counted is there from the beginning, at 0: a rate begins with the
    /// first event, and a graph of none is a line.
    fn show_labels(&self) {
        let refused = Refused::ALL.map(Refused::label);
        show(&self.refused, refused.into_iter().chain([FULL]));
        show(&self.closed, CloseReason::ALL.map(CloseReason::label));
        let without_seat = [
            CloseReason::AfterRejectStorm,
            CloseReason::NoWork,
            CloseReason::StoreFailing,
            CloseReason::WindingDown,
        ];
        let unauthorized = without_seat.map(CloseReason::label).into_iter();
        let unauthorized = unauthorized.chain([SESSIONS_USED_UP]);
        show(
            &self.authorizations_refused,
            UsernameError::LABELS.into_iter().chain(unauthorized),
        );
        show(&self.messages, wire::method_labels().chain([MALFORMED]));
        let rejected = Reject::ALL.map(Reject::label).into_iter();
        show(&self.rejected, rejected.chain(Malformed::LABELS));
    }

    /// A connection that was not taken because of its address.
    pub(crate) fn refused(&self, reason: Refused) {
        self.refused.with_label_values(&[reason.label()]).inc();
    }

    /// A connection that was not taken because there are enough.
    pub(crate) fn refused_as_full(&self) {
        self.refused.with_label_values(&[FULL]).inc();
    }

    /// A connection that ended.
    pub(crate) fn closed(&self, reason: CloseReason) {
        self.closed.with_label_values(&[reason.label()]).inc();
    }

    /// An authorization that was refused.
    pub(crate) fn authorization_refused(&self, reason: &'static str) {
        self.authorizations_refused
            .with_label_values(&[reason])
            .inc();
    }

    /// How many authorizations were refused for `reason`.
    #[cfg(test)]
    pub(crate) fn authorizations_refused_for(&self, reason: &str) -> u64 {
        self.authorizations_refused
            .with_label_values(&[reason])
            .get()
    }

    /// A submission that was rejected.
    pub(crate) fn rejected(&self, reason: &'static str) {
        self.rejected.with_label_values(&[reason]).inc();
    }

    /// A message that cannot be read.
    pub(crate) fn malformed(&self) {
        self.message(MALFORMED);
    }

    /// A message of `method`, one of [`wire::method_labels`].
    pub(crate) fn message(&self, method: &'static str) {
        self.messages.with_label_values(&[method]).inc();
    }
}

/// Makes the family's members.
fn show(family: &IntCounterVec, labels: impl IntoIterator<Item = &'static str>) {
    for label in labels {
        family.with_label_values(&[label]);
    }
}

/// Makes metrics under the common prefix and registers them.
struct Make<'a> {
    registry: &'a Registry,
}

impl Make<'_> {
    fn opts(name: &str, help: &str) -> Opts {
        Opts::new(format!("axepool_{name}"), help)
    }

    fn register<M: Collector + Clone + 'static>(&self, metric: M) -> Result<M, Error> {
        self.registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, Error> {
        self.register(IntCounter::with_opts(Self::opts(name, help))?)
    }

    fn float_counter(&self, name: &str, help: &str) -> Result<Counter, Error> {
        self.register(Counter::with_opts(Self::opts(name, help))?)
    }

    fn counters(&self, name: &str, help: &str, label: &str) -> Result<IntCounterVec, Error> {
        self.register(IntCounterVec::new(Self::opts(name, help), &[label])?)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, Error> {
        self.register(IntGauge::with_opts(Self::opts(name, help))?)
    }

    fn gauges(&self, name: &str, help: &str, label: &str) -> Result<IntGaugeVec, Error> {
        self.register(IntGaugeVec::new(Self::opts(name, help), &[label])?)
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, Error> {
        let options = HistogramOpts::new(format!("axepool_{name}"), help).buckets(buckets.to_vec());
        self.register(Histogram::with_opts(options)?)
    }
}
