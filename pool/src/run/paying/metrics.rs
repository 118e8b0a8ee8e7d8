//! Metrics of node, watch and solvency.

use super::witnesses;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// What can go wrong with the watch over OCEAN's blocks, beside its sources: the books
/// may not take what they are told.
pub(super) const WATCH_ERRORS: [&str; 3] = ["api", "chain", "books"];

/// The gauges and counters.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    pub(super) node_configured: IntGauge,
    pub(super) node_up: IntGauge,
    pub(super) channels: IntGaugeVec,
    pub(super) channels_closed: IntCounter,
    pub(super) channel_closed_at: IntGauge,
    /// By who closed them.
    pub(super) closings: IntGaugeVec,
    pub(super) closings_coming: IntGauge,
    pub(super) directory_doubted: IntGauge,
    pub(super) wallet_unsought: IntGauge,
    pub(super) inbound_sat: IntGauge,
    /// With what is in flight capped.
    pub(super) inbound_at_once_sat: IntGauge,
    pub(super) outbound_sat: IntGauge,
    pub(super) peers: IntGaugeVec,
    pub(super) node_tip: IntGauge,
    pub(super) node_heard: IntGauge,
    pub(super) watched_tip: IntGauge,
    pub(super) payouts_gone: IntGauge,
    pub(super) heard: IntGaugeVec,
    pub(super) watch_errors: IntCounterVec,
    pub(super) chain_doubt: IntGaugeVec,
    pub(super) witness_height: IntGaugeVec,
    pub(super) chain_software_wrong: IntGauge,
    pub(super) source_up: IntGaugeVec,
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
        let channels_closed = IntCounter::new(
            "axepool_node_channels_closed_total",
            "Channels that were closed, by either side, since the start",
        )?;
        registry.register(Box::new(channels_closed.clone()))?;
        let watch_errors = IntCounterVec::new(
            Opts::new(
                "axepool_ocean_watch_errors_total",
                "Queries about OCEAN's blocks that failed, and answers that the books refused",
            ),
            &["source"],
        )?;
        registry.register(Box::new(watch_errors.clone()))?;
        for source in WATCH_ERRORS {
            watch_errors.with_label_values(&[source]);
        }
        let chain_doubt = family(
            "axepool_chain_doubt",
            "1 while the witnesses of the chain do not agree, by the one that differs",
            "witness",
        )?;
        for witness in witnesses::labels() {
            chain_doubt.with_label_values(&[witness]);
        }
        Ok(Metrics {
            chain_doubt,
            witness_height: family(
                "axepool_chain_witness_height",
                "The newest block that a witness of the chain reported; 0: none now",
                "witness",
            )?,
            chain_software_wrong: gauge(
                "axepool_chain_software_wrong",
                "1 while the chain source is a version of Bitcoin Knots that follows another chain",
            )?,
            source_up: family(
                "axepool_chain_source_up",
                "1 while the chain can be followed with the chain source",
                "source",
            )?,
            channels_closed,
            watch_errors,
            channel_closed_at: gauge(
                "axepool_node_channel_closed_timestamp_seconds",
                "When the last channel was closed, seconds since 1970; 0: none that is known of",
            )?,
            closings: family(
                "axepool_node_closed_channels",
                "Closed channels in the node's record, by the side that closed them",
                "by",
            )?,
            closings_coming: gauge(
                "axepool_node_closed_coming_sat",
                "What of closed channels' money is still to come to the wallet",
            )?,
            directory_doubted: gauge(
                "axepool_node_directory_doubted",
                "1 while the node does not start because its directory is not the last one",
            )?,
            wallet_unsought: gauge(
                "axepool_node_wallet_unsought",
                "1 while older coins of the restored wallet were not looked for (axepool node recover)",
            )?,
            node_configured: gauge(
                "axepool_node_configured",
                "1 where the config names a lightning node",
            )?,
            node_up: gauge("axepool_node_up", "1 while the lightning node runs")?,
            channels: family("axepool_node_channels", "Channels of the node", "state")?,
            inbound_sat: gauge(
                "axepool_node_inbound_sat",
                "Inbound capacity of all usable channels",
            )?,
            inbound_at_once_sat: gauge(
                "axepool_node_inbound_at_once_sat",
                "The largest payment that can come in, by the channels' limits of value in flight",
            )?,
            peers: family("axepool_node_peers", "Peers of the node", "state")?,
            node_heard: gauge(
                "axepool_node_chain_heard_timestamp_seconds",
                "When the chain source last answered the node, seconds since 1970; 0: never",
            )?,
            outbound_sat: gauge(
                "axepool_node_outbound_sat",
                "Outbound capacity of all usable channels",
            )?,
            node_tip: gauge(
                "axepool_node_tip_height",
                "The last block that the node saw",
            )?,
            payouts_gone: gauge(
                "axepool_payouts_gone",
                "Payments in the books that a reorganisation took out of the chain",
            )?,
            watched_tip: gauge(
                "axepool_ocean_watch_tip_height",
                "The last block that was searched for OCEAN's tag and payouts",
            )?,
            heard: family(
                "axepool_ocean_watch_heard_timestamp_seconds",
                "When a source of OCEAN's blocks last answered, seconds since 1970; 0: never",
                "source",
            )?,
            liabilities: family(
                "axepool_liabilities_msat",
                "Liabilities of the pool, by kind",
                "part",
            )?,
            assets: family(
                "axepool_assets_msat",
                "Assets of the pool, by place",
                "part",
            )?,
            melts_paused: gauge(
                "axepool_melts_paused",
                "1 while liabilities exceed assets, so that ecash is not melted",
            )?,
        })
    }

    /// Shows a chain source, which is believed to do well until it was asked.
    pub(super) fn show_chain_source(&self, label: &str) {
        self.source_up.with_label_values(&[label]).set(1);
    }

    /// Shows the sources that the config names, before they have answered.
    pub(super) fn show_sources(&self, api: bool, chain: bool) {
        for source in [("api", api), ("chain", chain)] {
            if let (source, true) = source {
                self.heard.with_label_values(&[source]);
            }
        }
    }
}
