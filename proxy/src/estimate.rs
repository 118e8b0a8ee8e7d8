//! The estimate of a session's hashrate. Pure: the time is handed in.
//!
//! The sum of the difficulties that were assigned to its shares, fading with
//! `e^(-age / 5 minutes)`, over the weight that it could have gathered since the device
//! got its first job, up to the moment of the look. A look at any moment is right on
//! average, from the first second on: nothing is divided by the time up to a share, and
//! silence counts. It is beside [`Vardiff`](crate::vardiff::Vardiff), which begins anew
//! with every change of the difficulty and takes an upper bound for a rate when no share
//! comes.
#![allow(
    clippy::float_arithmetic,
    reason = "an estimate for display; work is exact elsewhere"
)]

use crate::Difficulty;

/// How fast shares fade: after so long a share has 37 % of its weight.
const SPAN_SECS: f64 = 300.0;

/// The hashes of a share of difficulty 1, within 2^-16.
const HASHES_PER_DIFFICULTY: f64 = 4_294_967_296.0;

/// What is known of one session's hashrate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Estimate {
    /// When the device got its first job, milliseconds of the monotonic clock.
    since_ms: Option<u64>,
    /// The difficulties of its shares, faded up to `faded_ms`.
    sum: f64,
    faded_ms: u64,
}

impl Estimate {
    /// The device got a job. The first one counts: before it there was nothing to do.
    pub(crate) fn begin(&mut self, now_ms: u64) {
        self.since_ms.get_or_insert(now_ms);
    }

    /// Notes a share, with the difficulty that was assigned with its job.
    pub(crate) fn on_share(&mut self, assigned: Difficulty, now_ms: u64) {
        self.begin(now_ms);
        self.sum = self.faded(now_ms) + assigned.get();
        self.faded_ms = self.faded_ms.max(now_ms);
    }

    /// Hashes a second, as of `now_ms`.
    pub(crate) fn hashrate(&self, now_ms: u64) -> f64 {
        let Some(since_ms) = self.since_ms else {
            return 0.0;
        };
        let now_ms = now_ms.max(self.faded_ms);
        let secs = seconds(now_ms.saturating_sub(since_ms));
        // The integral over the session of what a share of that moment still weighs.
        let weight = SPAN_SECS * -(-secs / SPAN_SECS).exp_m1();
        if weight > 0.0 {
            self.faded(now_ms) / weight * HASHES_PER_DIFFICULTY
        } else {
            0.0
        }
    }

    fn faded(&self, now_ms: u64) -> f64 {
        let secs = seconds(now_ms.saturating_sub(self.faded_ms));
        self.sum * (-secs / SPAN_SECS).exp()
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact for the next 285,000 years"
)]
fn seconds(millis: u64) -> f64 {
    millis as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;
    use crate::vardiff::{Bounds, Vardiff};

    const MINUTE_MS: u64 = 60_000;

    fn difficulty(number: f64) -> Difficulty {
        Difficulty::new(number).expect("a difficulty")
    }

    /// A device whose shares come by chance, steered by vardiff as a session's are, looked
    /// at every five seconds. Returns what the looks gave from `from` to `to` minutes, on
    /// average, over the true rate.
    fn shown(hashrate: f64, start: f64, seed: u64, (from, to): (u64, u64)) -> f64 {
        let bounds = Bounds {
            floor: difficulty(start * 1e-6),
            ceiling: difficulty(start * 1e6),
        };
        let mut chance = StdRng::seed_from_u64(seed);
        let mut vardiff = Vardiff::new(difficulty(start), 8.0, 0);
        let mut estimate = Estimate::default();
        estimate.begin(0);
        let (mut now_ms, mut looks) = (0, Vec::new());
        while now_ms < to * MINUTE_MS {
            // Chance has no memory: the wait for a share is drawn anew every 100 ms.
            now_ms += 100;
            let assigned = vardiff.difficulty(&bounds);
            let mean_ms = assigned.get() * HASHES_PER_DIFFICULTY / hashrate * 1e3;
            let mut left_ms = 100.0;
            loop {
                left_ms += mean_ms * (1.0 - chance.random::<f64>()).ln();
                if left_ms <= 0.0 {
                    break;
                }
                estimate.on_share(assigned, now_ms);
                vardiff.on_share(assigned, now_ms);
            }
            if now_ms.is_multiple_of(1_000) {
                vardiff.on_tick(&bounds, now_ms);
            }
            if now_ms >= from * MINUTE_MS && now_ms.is_multiple_of(5_000) {
                looks.push(estimate.hashrate(now_ms) / hashrate);
            }
        }
        looks.iter().sum::<f64>() / looks.len() as f64
    }

    #[track_caller]
    fn true_on_average(hashrate: f64, start: f64, minutes: (u64, u64)) {
        let many = u64::from(crate::testing::cases(800).cases);
        let sum: f64 = (0..many)
            .map(|seed| shown(hashrate, start, seed, minutes))
            .sum();
        let mean = sum / many as f64;
        assert!(
            (0.9..=1.1).contains(&mean),
            "{hashrate:e} from {start}: {mean} of it in minutes {minutes:?}"
        );
    }

    #[test]
    fn a_fresh_session_is_shown_as_it_is() {
        for hashrate in [5e11, 1.2e12, 1e13] {
            true_on_average(hashrate, 1000.0, (1, 2));
            true_on_average(hashrate, 1000.0, (2, 5));
        }
    }

    #[test]
    fn after_a_silent_decrease_no_bound_is_shown_as_a_rate() {
        // The start is up to 200 times too high: vardiff lowers it without a share.
        for too_high in [20.0, 200.0] {
            let start = too_high * 1e12 * 7.5 / HASHES_PER_DIFFICULTY;
            true_on_average(1e12, start, (2, 10));
        }
    }

    #[test]
    fn silence_fades_and_the_first_moment_is_no_rate() {
        let mut estimate = Estimate::default();
        assert_eq!(estimate.hashrate(5), 0.0);
        estimate.begin(1_000);
        estimate.begin(90_000);
        assert_eq!(estimate.hashrate(1_000), 0.0);
        // A share at the very beginning of a session is no reason for a huge rate later.
        estimate.on_share(difficulty(1000.0), 1_100);
        let minute = estimate.hashrate(61_000) / HASHES_PER_DIFFICULTY;
        assert!((15.0..=17.0).contains(&minute), "{minute}");
        let hour = estimate.hashrate(3_601_000);
        assert!(hour < minute * 1e-4 * HASHES_PER_DIFFICULTY);
        // A clock that is read before it was written does no harm.
        assert!(estimate.hashrate(0).is_finite());
    }
}
