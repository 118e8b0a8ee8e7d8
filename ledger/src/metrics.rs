//! The ledger's metrics.

use accounting::Epoch;
use accounting::settle::{Alarm, Effect, Totals};
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

/// Seconds from a good disk's commit to an SD card's bad day.
const SECONDS: [f64; 12] = [
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];
const SHARES: [f64; 12] = [
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 4000.0,
];

#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) commit_seconds: Histogram,
    pub(crate) checkpoint_seconds: Histogram,
    pub(crate) packing_seconds: Histogram,
    pub(crate) old_rows_wait: IntGauge,
    pub(crate) batch_shares: Histogram,
    pub(crate) journal_bytes: IntCounter,
    pub(crate) shares_stored: IntCounter,
    pub(crate) shares_duplicate: IntCounter,
    pub(crate) shares_refused: IntCounter,
    pub(crate) upstream_results_lost: IntCounter,
    pub(crate) write_failures: IntCounter,
    pub(crate) queue_depth: IntGauge,
    pub(crate) dirty_rows: IntGauge,
    pub(crate) healthy: IntGauge,
    pub(crate) booking_seconds: Histogram,
    pub(crate) booking_write_seconds: Histogram,
    alarms: IntCounterVec,
    money: IntGaugeVec,
    open_epoch: IntGauge,
    open_epoch_opened: IntGauge,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry
                .register(Box::new(counter.clone()))
                .map(|()| counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone())).map(|()| gauge)
        };
        let histogram = |name: &str, help: &str, buckets: &[f64]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            let histogram = Histogram::with_opts(options)?;
            registry
                .register(Box::new(histogram.clone()))
                .map(|()| histogram)
        };
        let shares = IntCounterVec::new(
            Opts::new(
                "axepool_ledger_shares_total",
                "Shares that the ledger has decided.",
            ),
            &["outcome"],
        )?;
        registry.register(Box::new(shares.clone()))?;
        let money = IntGaugeVec::new(
            Opts::new(
                "axepool_ledger_money_msat",
                "All money ever received, by the account that it is in.",
            ),
            &["account"],
        )?;
        registry.register(Box::new(money.clone()))?;
        let alarms = IntCounterVec::new(
            Opts::new(
                "axepool_ledger_alarms_total",
                "Contradictory data that the books received and a person should look at.",
            ),
            &["kind"],
        )?;
        registry.register(Box::new(alarms.clone()))?;
        // Each is there from the start, so that a first one is seen as an increase.
        for kind in Alarm::KINDS {
            alarms.with_label_values(&[kind]);
        }
        Ok(Metrics {
            commit_seconds: histogram(
                "axepool_ledger_commit_seconds",
                "Time to commit a batch of shares to disk.",
                &SECONDS,
            )?,
            checkpoint_seconds: histogram(
                "axepool_ledger_checkpoint_seconds",
                "Time to write the tallies, which makes the journal's entries old.",
                &SECONDS,
            )?,
            packing_seconds: histogram(
                "axepool_ledger_packing_seconds",
                "Time that shares waited for the packing of old rows (compaction).",
                &SECONDS,
            )?,
            old_rows_wait: gauge(
                "axepool_ledger_old_rows_wait",
                "1 while old rows wait to be deleted or packed (compaction), a slice at a time.",
            )?,
            batch_shares: histogram(
                "axepool_ledger_batch_shares",
                "Shares in a batch that went to disk together.",
                &SHARES,
            )?,
            journal_bytes: counter(
                "axepool_ledger_journal_bytes_total",
                "Bytes written to the journal, in blocks of 4,096.",
            )?,
            shares_stored: shares.with_label_values(&["stored"]),
            shares_duplicate: shares.with_label_values(&["duplicate"]),
            shares_refused: shares.with_label_values(&["refused"]),
            upstream_results_lost: counter(
                "axepool_ledger_upstream_results_lost_total",
                "Answers of the upstream that were not counted because the disk failed.",
            )?,
            write_failures: counter(
                "axepool_ledger_write_failures_total",
                "Writes of the ledger that failed: of its journal, or of its store.",
            )?,
            queue_depth: gauge(
                "axepool_ledger_queue_depth",
                "Entries in the queue when the last batch was taken.",
            )?,
            dirty_rows: gauge(
                "axepool_ledger_dirty_rows",
                "Rows that the next checkpoint writes, about.",
            )?,
            healthy: gauge(
                "axepool_ledger_healthy",
                "1 while shares can be stored, else 0.",
            )?,
            booking_seconds: histogram(
                "axepool_ledger_booking_seconds",
                "Time from the start of a booking until it is on disk.",
                &SECONDS,
            )?,
            booking_write_seconds: histogram(
                "axepool_ledger_booking_write_seconds",
                "Time to write the rows of a booking to disk; shares wait meanwhile.",
                &SECONDS,
            )?,
            alarms,
            money,
            open_epoch: gauge("axepool_ledger_open_epoch", "The number of the open epoch.")?,
            open_epoch_opened: gauge(
                "axepool_ledger_open_epoch_opened_timestamp_seconds",
                "When the open epoch opened, in seconds since 1970.",
            )?,
        })
    }

    pub(crate) fn count_alarms(&self, effects: &[Effect]) {
        for effect in effects {
            if let Effect::Alarm(alarm) = effect {
                self.alarms.with_label_values(&[alarm.kind()]).inc();
            }
        }
    }

    pub(crate) fn show_totals(&self, totals: &Totals) {
        for (account, msat) in [
            ("received", totals.received),
            ("fee", totals.fee),
            ("paid", totals.paid),
            ("carry", totals.carry),
            ("suspense", totals.suspense),
            ("gathered", totals.gathered),
            ("node_costs", totals.node_costs),
            ("withdrawn", totals.withdrawn),
        ] {
            let msat = i64::try_from(msat).unwrap_or(i64::MAX);
            self.money.with_label_values(&[account]).set(msat);
        }
    }

    pub(crate) fn show_epoch(&self, open: &Epoch) {
        let clip = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.open_epoch.set(clip(open.id.get()));
        self.open_epoch_opened.set(clip(open.opened_ms / 1000));
    }
}
