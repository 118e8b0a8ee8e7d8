//! What Prometheus learns of node, watch and solvency.

use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};

/// The gauges.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    pub(super) node_up: IntGauge,
    pub(super) channels: IntGaugeVec,
    pub(super) inbound_sat: IntGauge,
    pub(super) outbound_sat: IntGauge,
    pub(super) node_tip: IntGauge,
    pub(super) watched_tip: IntGauge,
    pub(super) heard: IntGaugeVec,
    pub(super) liabilities: IntGaugeVec,
    pub(super) assets: IntGaugeVec,
    pub(super) melts_paused: IntGauge,
}

impl Metrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let family = |name: &str, help: &str, label: &str| {
            let family = IntGaugeVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(family.clone()))?;
            Ok::<_, prometheus::Error>(family)
        };
        Ok(Metrics {
            node_up: gauge("axepool_node_up", "1 while the lightning node runs")?,
            channels: family("axepool_node_channels", "Channels of the node", "state")?,
            inbound_sat: gauge(
                "axepool_node_inbound_sat",
                "What usable channels can take in all",
            )?,
            outbound_sat: gauge(
                "axepool_node_outbound_sat",
                "What usable channels can send in all",
            )?,
            node_tip: gauge(
                "axepool_node_tip_height",
                "The last block that the node saw",
            )?,
            watched_tip: gauge(
                "axepool_ocean_watch_tip_height",
                "The last block that was searched for OCEAN's tag and payouts",
            )?,
            heard: family(
                "axepool_ocean_watch_heard_timestamp_seconds",
                "When a source of OCEAN's blocks answered last",
                "source",
            )?,
            liabilities: family(
                "axepool_liabilities_msat",
                "What the pool owes, by what it is",
                "part",
            )?,
            assets: family(
                "axepool_assets_msat",
                "What the pool has, by where it is",
                "part",
            )?,
            melts_paused: gauge(
                "axepool_melts_paused",
                "1 while more is owed than there is, so that ecash is not melted",
            )?,
        })
    }
}
