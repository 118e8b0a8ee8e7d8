//! The mint's Prometheus metrics.

use std::sync::Arc;

use cdk_common::database::Error;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::store::WriteGuard;

/// The metrics of the mint. Amounts are in satoshis.
pub(crate) struct Metrics {
    pub(crate) quotes_created: IntCounter,
    pub(crate) payments: IntCounter,
    pub(crate) paid_sat: IntCounter,
    pub(crate) parked: IntCounter,
    pub(crate) tokens: IntCounter,
    pub(crate) token_sat: IntCounter,
    pub(crate) worker_failures: IntCounter,
    pub(crate) worker_failing: IntGauge,
    pub(crate) ahead_sat: IntGauge,
    pub(crate) store_behind: IntGauge,
    pub(crate) outstanding_sat: IntGauge,
    pub(crate) paid_unissued_sat: IntGauge,
    pub(crate) parked_sat: IntGauge,
    pub(crate) melts_paused: IntGauge,
    pub(crate) melts_open: IntGauge,
    pub(crate) requests_refused: IntCounter,
    outbox_behind: IntGauge,
    writes: IntCounterVec,
}

impl Metrics {
    /// Registers all of them; an error is a name that is taken.
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(format!("axepool_mint_{name}"), help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(format!("axepool_mint_{name}"), help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let writes = IntCounterVec::new(
            Opts::new(
                "axepool_mint_store_writes_total",
                "Writes to the mint's store, by kind",
            ),
            &["operation"],
        )?;
        registry.register(Box::new(writes.clone()))?;
        Ok(Metrics {
            quotes_created: counter("quotes_created_total", "Mint quotes made")?,
            payments: counter("payments_total", "Payments entered on mint quotes")?,
            paid_sat: counter("paid_sat_total", "Satoshis paid to mint quotes")?,
            parked: counter(
                "parked_total",
                "Outbox rows that were parked (dead letters)",
            )?,
            tokens: counter("tokens_total", "Tokens issued to claims")?,
            token_sat: counter("token_sat_total", "Satoshis issued as tokens to claims")?,
            worker_failures: counter(
                "worker_failures_total",
                "Steps of the outbox worker that failed and are retried",
            )?,
            worker_failing: gauge("worker_failing", "Failures of the outbox worker in a row")?,
            ahead_sat: gauge(
                "ahead_of_ledger_sat",
                "Satoshis paid to quotes without an order of the ledger: must be 0",
            )?,
            store_behind: gauge(
                "store_behind",
                "1 when the store lacks payments that it had acknowledged: it is lost or an older copy",
            )?,
            outstanding_sat: gauge("outstanding_sat", "Ecash issued and not redeemed")?,
            paid_unissued_sat: gauge(
                "paid_unissued_sat",
                "Satoshis paid to quotes and not yet issued",
            )?,
            parked_sat: gauge("parked_sat", "Satoshis owed by parked rows")?,
            melts_paused: gauge("melts_paused", "1 while melts are paused")?,
            melts_open: gauge(
                "melts_open",
                "Melts whose payment is under way or has an unknown outcome",
            )?,
            requests_refused: counter(
                "requests_refused_total",
                "Requests refused with 503 because of the concurrency limit",
            )?,
            outbox_behind: gauge(
                "outbox_rows_behind",
                "Outbox rows in the last read: at its limit of 1000 more may wait",
            )?,
            writes,
        })
    }

    pub(crate) fn caught_up(&self) {
        self.outbox_behind.set(0);
    }

    pub(crate) fn behind(&self, rows: usize) {
        self.outbox_behind.set(gauge_value(rows as u64));
    }
}

/// The mint's metrics, registered once for however many times it is opened.
#[derive(Clone)]
pub struct MintMetrics(pub(crate) Arc<Metrics>);

impl MintMetrics {
    /// Registers all of them; an error is a name that is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(MintMetrics(Arc::new(Metrics::register(registry)?)))
    }
}

/// A gauge's value, held at what it can show.
pub(crate) fn gauge_value(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Counts the writes, and lets each through.
pub(crate) struct CountWrites(pub(crate) Arc<Metrics>);

impl WriteGuard for CountWrites {
    fn before(&self, operation: &'static str) -> Result<(), Error> {
        self.0.writes.with_label_values(&[operation]).inc();
        Ok(())
    }
}
