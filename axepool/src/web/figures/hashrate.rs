//! Hashrate over time, from the ledger's buckets of work. Estimates, for display.

use std::time::Duration;

use ledger::{Bucket, Resolution};
use serde::Serialize;

use crate::humane;

/// An hour of buckets, and a day.
const HOUR_BUCKETS: usize = 6;

/// A bucket that is filled for less long says too little.
const LEAST_MS: u64 = 120_000;

/// Hashes a second, estimated from work.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Hashrate {
    /// The connected devices' own estimates, of their last minutes.
    pub(crate) now: f64,
    /// The mean over the last 60 to 70 minutes.
    pub(crate) hour: f64,
    /// The mean over the last 24 hours.
    pub(crate) day: f64,
    /// The last 24 hours in steps of ten minutes, the oldest first.
    pub(crate) trace: Vec<Point>,
}

/// The mean of ten minutes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Point {
    /// When they began, milliseconds since 1970.
    pub(crate) start_ms: u64,
    /// Hashes a second.
    pub(crate) hashrate: f64,
}

impl Hashrate {
    /// From the buckets of ten minutes, the last of which is being filled.
    pub(super) fn of(now: f64, buckets: &[Bucket], now_ms: u64) -> Self {
        let trace = buckets.iter().filter_map(|bucket| {
            let span_ms = now_ms
                .saturating_sub(bucket.start_ms)
                .min(Resolution::TenMinutes.span_ms());
            let span = Duration::from_millis(span_ms);
            (span_ms >= LEAST_MS).then(|| Point {
                start_ms: bucket.start_ms,
                hashrate: humane::rate(bucket.work, span),
            })
        });
        let hour = buckets.len().saturating_sub(HOUR_BUCKETS + 1);
        Hashrate {
            now,
            hour: mean(&buckets[hour..], now_ms),
            day: mean(buckets, now_ms),
            trace: trace.collect(),
        }
    }
}

/// The mean from the first bucket's beginning until now.
fn mean(buckets: &[Bucket], now_ms: u64) -> f64 {
    let Some(first) = buckets.first() else {
        return 0.0;
    };
    let span = Duration::from_millis(now_ms.saturating_sub(first.start_ms));
    let rates = buckets.iter().map(|bucket| humane::rate(bucket.work, span));
    rates.sum()
}

#[cfg(test)]
mod tests {
    use ledger::Work;

    use super::*;

    #[test]
    fn means_are_over_the_time_that_passed() {
        let span = Resolution::TenMinutes.span_ms();
        // 600 hashes in each whole bucket: 1 H/s; and five minutes of 2 H/s.
        let bucket = |n: u64| Bucket {
            start_ms: n * span,
            work: Work::from_hashes(600),
        };
        let buckets: Vec<Bucket> = (0..=144).map(bucket).collect();
        let now_ms = 144 * span + 300_000;
        let hashrate = Hashrate::of(3.0, &buckets, now_ms);
        assert_eq!(hashrate.trace.len(), 145);
        assert!((hashrate.trace[0].hashrate - 1.0).abs() < 1e-9);
        assert!((hashrate.trace[144].hashrate - 2.0).abs() < 1e-9);
        // 7 x 600 hashes in 65 minutes.
        assert!(
            (hashrate.hour - 4200.0 / 3900.0).abs() < 1e-9,
            "{}",
            hashrate.hour
        );
        assert!(
            (hashrate.day - 87_000.0 / 86_700.0).abs() < 1e-9,
            "{}",
            hashrate.day
        );
        assert!((hashrate.now - 3.0).abs() < 1e-9);
        // One that has just begun is no point yet.
        assert_eq!(
            Hashrate::of(0.0, &buckets, 144 * span + 1000).trace.len(),
            144
        );
        assert_eq!(Hashrate::of(0.0, &[], 5), Hashrate::default());
    }
}
