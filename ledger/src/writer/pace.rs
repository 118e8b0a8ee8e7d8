//! The time that a batch gathers: longer if the disk is slow, so that the ledger uses at
//! most a fixed part of the disk's time, and an SD card lives.

use std::time::Duration;

/// The window is so many commits long: the disk works for us a fifth of the time.
const COMMITS_PER_WINDOW: u32 = 4;

/// A new measurement counts one part in so many.
const SMOOTHING: u32 = 8;

/// The smoothed time of a commit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    min: Duration,
    max: Duration,
    quiet: Duration,
    commit: Duration,
}

impl Pace {
    pub(super) fn new(min: Duration, max: Duration, quiet: Duration) -> Self {
        Pace {
            min,
            max: max.max(min),
            quiet,
            commit: Duration::ZERO,
        }
    }

    /// How long the next batch gathers.
    pub(super) fn window(&self) -> Duration {
        self.commit
            .saturating_mul(COMMITS_PER_WINDOW)
            .clamp(self.min, self.max)
    }

    /// How long a batch of few shares gathers, where that is longer.
    pub(super) fn quiet(&self) -> Duration {
        self.quiet
    }

    /// A commit took so long.
    pub(super) fn measured(&mut self, commit: Duration) {
        let kept = self.commit.saturating_sub(self.commit / SMOOTHING);
        // One commit that hangs must not hold the next hundred: what is above the
        // longest window says no more than that.
        self.commit = kept.saturating_add(commit.min(self.max) / SMOOTHING);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[track_caller]
    fn case(commit_ms: u64, window_ms: std::ops::RangeInclusive<u64>) {
        let mut pace = Pace::new(MS(20), MS(500), MS(0));
        assert_eq!(pace.window(), MS(20));
        (0..100).for_each(|_| pace.measured(MS(commit_ms)));
        let window = pace.window();
        assert!(
            window >= MS(*window_ms.start()) && window <= MS(*window_ms.end()),
            "{window:?}"
        );
    }

    #[test]
    fn the_window_follows_the_disk() {
        case(0, 20..=20);
        case(2, 20..=20);
        case(50, 198..=200);
        case(10_000, 500..=500);
    }

    #[test]
    fn no_window_is_wanted_in_tests_of_the_writer() {
        let mut pace = Pace::new(MS(0), MS(0), MS(0));
        pace.measured(MS(100));
        assert_eq!(pace.window(), MS(0));
    }
}
