//! The metrics of the mint's place in the pool.

use mint::MintMetrics;
use prometheus::{IntCounter, IntGauge, Registry};

/// The metrics of the mint's place in the pool.
pub(super) struct MintingMetrics {
    pub(super) mint: MintMetrics,
    pub(super) configured: IntGauge,
    pub(super) open: IntGauge,
    pub(super) open_failures: IntCounter,
    pub(super) waiting: IntGauge,
    /// How long the first of them has been the first.
    pub(super) head_age: IntGauge,
    pub(super) parked: IntGauge,
}

impl MintingMetrics {
    /// # Errors
    /// A metric's name is taken.
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = MintingMetrics {
            mint: MintMetrics::register(registry)?,
            configured: IntGauge::new(
                "axepool_mint_configured",
                "1 unless the config switches the mint off",
            )?,
            open: IntGauge::new("axepool_mint_open", "1 while the mint is open")?,
            open_failures: IntCounter::new(
                "axepool_mint_open_failures_total",
                "Failed attempts to open the mint",
            )?,
            waiting: IntGauge::new(
                "axepool_outbox_rows_waiting",
                "Rows of the ledger's outbox that the mint has still to do; 10000 stands for more",
            )?,
            head_age: IntGauge::new(
                "axepool_outbox_head_age_seconds",
                "Time since the outbox last advanced, while a row waits",
            )?,
            parked: IntGauge::new(
                "axepool_mint_parked_rows",
                "Outbox rows that the mint refuses permanently (dead letters): see axepool mint parked",
            )?,
        };
        registry.register(Box::new(metrics.configured.clone()))?;
        registry.register(Box::new(metrics.open.clone()))?;
        registry.register(Box::new(metrics.open_failures.clone()))?;
        registry.register(Box::new(metrics.waiting.clone()))?;
        registry.register(Box::new(metrics.head_age.clone()))?;
        registry.register(Box::new(metrics.parked.clone()))?;
        Ok(metrics)
    }
}
