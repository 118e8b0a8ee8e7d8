//! Durations counted in buckets of about 3 % width: many tasks write at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets between two powers of two.
const STEPS: u64 = 32;
const STEP_COUNT: usize = 32;
/// Up to 2^40 microseconds, twelve days.
const MAX_EXPONENT: u32 = 40;
const BUCKETS: usize = (MAX_EXPONENT as usize - 3) * STEP_COUNT;

/// Durations in microseconds.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: Vec<AtomicU64>,
    max_us: AtomicU64,
}

impl Histogram {
    pub(crate) fn new() -> Histogram {
        let buckets = std::iter::repeat_with(AtomicU64::default)
            .take(BUCKETS)
            .collect();
        Histogram {
            buckets,
            max_us: AtomicU64::new(0),
        }
    }

    pub(crate) fn record(&self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(us)].fetch_add(1, Ordering::Relaxed);
        self.max_us.fetch_max(us, Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> u64 {
        self.buckets
            .iter()
            .map(|bucket| bucket.load(Ordering::Relaxed))
            .sum()
    }

    pub(crate) fn max_us(&self) -> u64 {
        self.max_us.load(Ordering::Relaxed)
    }

    /// The lower edge of the bucket in which `per_mille` of the durations are reached; 0
    /// when there are none.
    pub(crate) fn quantile_us(&self, per_mille: u64) -> u64 {
        let rank = (self.count() * per_mille).div_ceil(1_000);
        let mut seen = 0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            seen += bucket.load(Ordering::Relaxed);
            if seen >= rank && seen > 0 {
                return lower_edge(index as u64);
            }
        }
        0
    }
}

fn bucket(us: u64) -> usize {
    let exponent = us.max(1).ilog2();
    let index = if us < STEPS {
        us
    } else {
        u64::from(exponent - 4) * STEPS + ((us >> (exponent - 5)) - STEPS)
    };
    usize::try_from(index)
        .unwrap_or(usize::MAX)
        .min(BUCKETS - 1)
}

fn lower_edge(index: u64) -> u64 {
    if index < STEPS {
        index
    } else {
        (STEPS + index % STEPS) << (index / STEPS - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_narrow_and_in_order() {
        let mut last = 0;
        for us in (0..2_000).chain((1..200).map(|n| n * 7_919)) {
            let index = bucket(us);
            assert!(index >= last || us == 7_919, "{us}");
            last = index;
            let edge = lower_edge(index as u64);
            assert!(
                edge <= us && (us - edge) * STEPS <= us.max(STEPS),
                "{us} in {edge}"
            );
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_where_they_belong() {
        let histogram = Histogram::new();
        assert_eq!(histogram.quantile_us(500), 0);
        for us in 1..=1_000 {
            histogram.record(Duration::from_micros(us));
        }
        assert_eq!(histogram.count(), 1_000);
        assert_eq!(histogram.max_us(), 1_000);
        for (per_mille, expected) in [(500, 500), (900, 900), (990, 990), (1, 1)] {
            let got = histogram.quantile_us(per_mille);
            assert!(
                got <= expected && got * 33 >= expected * 31,
                "{per_mille}: {got}"
            );
        }
    }
}
