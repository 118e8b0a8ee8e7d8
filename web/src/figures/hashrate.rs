//! Hashrate over time, from the ledger's buckets of work. Estimates, for display.

use std::time::Duration;

use accounting::{Bucket, Resolution};
use pool::amounts;
use schemars::JsonSchema;
use serde::Serialize;

/// An hour of buckets, and a day.
const HOUR_BUCKETS: usize = 6;

/// A bucket that is filled for less long says too little.
const LEAST_MS: u64 = 120_000;

/// Hashes a second, estimated from work.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Hashrate {
    /// The connected devices' own estimates, of their last minutes.
    pub(crate) now: f64,
    /// The mean over the last 60 to 70 minutes, or since it was there.
    pub(crate) hour: f64,
    /// The mean over the last 24 hours, or since it was there.
    pub(crate) day: f64,
    /// The last 24 hours in steps of ten minutes, the oldest first.
    pub(crate) trace: Vec<Point>,
}

/// The mean of ten minutes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "HashratePoint")]
pub(crate) struct Point {
    /// When they began, milliseconds since 1970.
    pub(crate) start_ms: u64,
    /// Hashes a second.
    pub(crate) hashrate: f64,
}

/// Since when there was anybody to hash: a mean is over no more time than that.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Since {
    /// Milliseconds since 1970.
    ms: u64,
    /// The part of all work that was done after that moment.
    after: f64,
}

impl Since {
    /// The pool was opened then.
    pub(super) fn opening(ms: u64) -> Self {
        Since { ms, after: 1.0 }
    }

    /// The first of `shares` came then: what it took was done before, at a time that
    /// nobody knows.
    pub(super) fn first_share(ms: u64, shares: u64) -> Self {
        let shares = shares.max(1) as f64;
        Since {
            ms,
            after: (shares - 1.0) / shares,
        }
    }
}

impl Hashrate {
    /// From the buckets of ten minutes, the last of which is being filled.
    pub(super) fn of(now: f64, buckets: &[Bucket], since: Since, now_ms: u64) -> Self {
        let trace = buckets.iter().filter_map(|bucket| {
            let end_ms = bucket
                .start_ms
                .saturating_add(Resolution::TenMinutes.span_ms());
            let span_ms = end_ms.min(now_ms).saturating_sub(bucket.start_ms);
            let span = Duration::from_millis(span_ms);
            (span_ms >= LEAST_MS).then(|| Point {
                start_ms: bucket.start_ms,
                hashrate: amounts::rate(bucket.work, span),
            })
        });
        let hour = buckets.len().saturating_sub(HOUR_BUCKETS + 1);
        Hashrate {
            now,
            hour: mean(&buckets[hour..], since, now_ms),
            day: mean(buckets, since, now_ms),
            trace: trace.collect(),
        }
    }
}

/// The mean until now from the first bucket's beginning, or since there was anybody. A
/// time in the future is of a clock that was wrong, and says nothing.
fn mean(buckets: &[Bucket], since: Since, now_ms: u64) -> f64 {
    let Some(first) = buckets.first() else {
        return 0.0;
    };
    let is_young = (first.start_ms..=now_ms).contains(&since.ms);
    let (begin_ms, part) = match is_young {
        true => (since.ms, since.after),
        false => (first.start_ms, 1.0),
    };
    let span = Duration::from_millis(now_ms.saturating_sub(begin_ms));
    let rates = buckets
        .iter()
        .map(|bucket| amounts::rate(bucket.work, span));
    rates.sum::<f64>() * part
}

#[cfg(test)]
mod tests {
    use accounting::Work;

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
        let hashrate = Hashrate::of(3.0, &buckets, Since::opening(0), now_ms);
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
            Hashrate::of(0.0, &buckets, Since::opening(0), 144 * span + 1000)
                .trace
                .len(),
            144
        );
        let none = Hashrate::of(0.0, &[], Since::opening(0), 5);
        assert_eq!(none, Hashrate::default());
    }

    /// Buckets of a day, and the work of the shares that came at these times.
    fn buckets_of(shares: &[u64], work: u128, now_ms: u64) -> Vec<Bucket> {
        let span = Resolution::TenMinutes.span_ms();
        let last = now_ms / span;
        let in_slot = |slot: u64| shares.iter().filter(|ms| *ms / span == slot).count();
        (last - 144..=last)
            .map(|slot| Bucket {
                start_ms: slot * span,
                work: Work::from_hashes(in_slot(slot) as u128 * work),
            })
            .collect()
    }

    #[test]
    fn a_young_devices_means_are_over_the_time_that_it_was_there() {
        // 100 H/s, a share of 750 hashes every 7.5 s on average, since some odd moment.
        let begin_ms = 1_000 * Resolution::TenMinutes.span_ms() + 123_456;
        for minutes in [2, 3, 5, 15, 59, 70, 300] {
            let now_ms = begin_ms + minutes * 60_000;
            let count = minutes * 8;
            let shares: Vec<u64> = (1..=count).map(|n| begin_ms + n * 7_500).collect();
            let since = Since::first_share(shares[0], count);
            let buckets = buckets_of(&shares, 750, now_ms);
            let hashrate = Hashrate::of(0.0, &buckets, since, now_ms);
            for mean in [hashrate.hour, hashrate.day] {
                assert!((90.0..=110.0).contains(&mean), "{mean} after {minutes} min");
            }
        }
        // One share says nothing yet, nor does a first one in the future.
        let shares = [begin_ms];
        let buckets = buckets_of(&shares, 750, begin_ms + 10);
        let since = Since::first_share(begin_ms, 1);
        assert_eq!(Hashrate::of(0.0, &buckets, since, begin_ms + 10).day, 0.0);
        let ahead = Since::first_share(begin_ms + 86_400_000, 9);
        let day = Hashrate::of(0.0, &buckets, ahead, begin_ms + 10).day;
        assert!((0.0..1.0).contains(&day), "{day}");
    }
}
