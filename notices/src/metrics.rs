//! How much is told.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use super::send::Outcome;

/// The notices' numbers.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    /// Miners that are looked at.
    pub(super) watched: IntGauge,
    /// Of them those with a target.
    pub(super) subscribed: IntGauge,
    /// Deliveries, by `result`.
    pub(super) deliveries: IntCounterVec,
    /// Signed wishes, by `result`.
    pub(super) wishes: IntCounterVec,
    /// Targets that failed for too long.
    pub(super) dropped: IntCounter,
}

impl Metrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let deliveries = Opts::new(
            "axepool_notice_deliveries_total",
            "Attempts to send notices (notifications) to an owner's target, by result",
        );
        let wishes = Opts::new(
            "axepool_notice_wishes_total",
            "Signed wishes (subscription requests) for notices, by result",
        );
        let metrics = Metrics {
            wishes: IntCounterVec::new(wishes, &["result"])?,
            watched: IntGauge::new(
                "axepool_notice_watched_miners",
                "Miners whose feed is kept up to date",
            )?,
            subscribed: IntGauge::new(
                "axepool_notice_subscribed_miners",
                "Miners with a subscription to notices",
            )?,
            deliveries: IntCounterVec::new(deliveries, &["result"])?,
            dropped: IntCounter::new(
                "axepool_notice_targets_dropped_total",
                "Targets that were dropped because they failed for too long",
            )?,
        };
        for result in Outcome::LABELS {
            metrics.deliveries.with_label_values(&[result]);
        }
        for result in ["granted", "too_soon"] {
            metrics.wishes.with_label_values(&[result]);
        }
        registry.register(Box::new(metrics.watched.clone()))?;
        registry.register(Box::new(metrics.subscribed.clone()))?;
        registry.register(Box::new(metrics.deliveries.clone()))?;
        registry.register(Box::new(metrics.wishes.clone()))?;
        registry.register(Box::new(metrics.dropped.clone()))?;
        Ok(metrics)
    }
}
