//! When to look again whether a preferred URL is back: pure.
//!
//! Each return interrupts every miner: a new extranonce1, and their jobs are dead. A
//! preferred URL that comes back and soon fails again, over and over, would do that to
//! them once in each interval; so the interval grows with every return that was a
//! mistake.

use std::time::Duration;

/// Who lasts so long after a return was worth it, and begins anew.
const HEALTHY: Duration = Duration::from_secs(30 * 60);

/// The interval does not grow beyond this, unless the config's is longer: a pool that
/// was repaired for good is used within the hour.
const LONGEST: Duration = Duration::from_secs(3600);

/// So many mistakes has a URL that was left because it refused all shares: it looks
/// healthy to a probe, which only waits for a job.
const MISTAKES_OF_A_REFUSAL: u32 = 5;

/// What is known of each URL.
#[derive(Debug)]
pub(super) struct Failback {
    interval: Duration,
    /// Returns in a row that did not last, by URL.
    mistakes: Vec<u32>,
    /// The URL of the last return, until it is known whether that lasted.
    on_trial: Option<usize>,
}

impl Failback {
    /// With `interval` between looks at each of so many URLs.
    pub(super) fn new(urls: usize, interval: Duration) -> Self {
        Failback {
            interval,
            mistakes: vec![0; urls],
            on_trial: None,
        }
    }

    /// How long to wait before each look at each of the first URLs.
    pub(super) fn intervals(&self, preferred: usize) -> Vec<Duration> {
        self.mistakes
            .iter()
            .take(preferred)
            .map(|&mistakes| {
                let factor = 1_u32.checked_shl(mistakes).unwrap_or(u32::MAX);
                let longest = LONGEST.max(self.interval);
                self.interval.saturating_mul(factor).min(longest)
            })
            .collect()
    }

    /// All use this preferred URL again.
    pub(super) fn returned(&mut self, url_index: usize) {
        self.on_trial = Some(url_index);
    }

    /// This URL was left because it refused all shares.
    pub(super) fn refused(&mut self, url_index: usize) {
        if let Some(mistakes) = self.mistakes.get_mut(url_index) {
            *mistakes = MISTAKES_OF_A_REFUSAL.max(*mistakes);
        }
    }

    /// A connection to this URL ended, `lived` after its first job. True when that makes
    /// the return to it a mistake.
    pub(super) fn ended(&mut self, url_index: usize, lived: Duration) -> bool {
        let Some(mistakes) = self.mistakes.get_mut(url_index) else {
            return false;
        };
        if lived >= HEALTHY {
            *mistakes = 0;
        }
        // Only the first end after a return says whether it was right.
        let judged = self.on_trial.take_if(|on_trial| *on_trial == url_index);
        let mistake = judged.is_some() && lived < HEALTHY;
        if mistake {
            *mistakes = mistakes.saturating_add(1);
        }
        mistake
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[track_caller]
    fn interval(failback: &Failback, minutes: u32) {
        assert_eq!(failback.intervals(1), [MINUTE * minutes]);
    }

    #[test]
    fn each_return_that_does_not_last_doubles_the_interval_up_to_an_hour() {
        let mut failback = Failback::new(2, MINUTE);
        for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
            interval(&failback, minutes);
            failback.returned(0);
            assert!(failback.ended(0, MINUTE));
            // It is tried again before it is given up: that is the same mistake.
            assert!(!failback.ended(0, Duration::ZERO));
        }
        failback.returned(0);
        assert!(!failback.ended(0, HEALTHY));
        interval(&failback, 1);
    }

    #[test]
    fn one_that_refused_everything_is_not_looked_at_soon() {
        let mut failback = Failback::new(2, MINUTE);
        failback.refused(0);
        interval(&failback, 32);
        failback.returned(0);
        assert!(failback.ended(0, Duration::ZERO));
        failback.refused(0);
        interval(&failback, 60);
        failback.returned(0);
        assert!(!failback.ended(0, HEALTHY));
        interval(&failback, 1);
    }

    #[test]
    fn one_that_lasts_after_a_stumble_begins_anew() {
        let mut failback = Failback::new(2, MINUTE);
        failback.returned(0);
        failback.ended(0, MINUTE);
        interval(&failback, 2);
        assert!(!failback.ended(0, HEALTHY));
        interval(&failback, 1);
    }

    #[test]
    fn what_the_others_do_says_nothing() {
        let mut failback = Failback::new(3, MINUTE);
        failback.returned(0);
        assert!(!failback.ended(1, MINUTE));
        assert!(failback.ended(0, MINUTE));
        assert!(!failback.ended(1, HEALTHY));
        assert!(!failback.ended(7, MINUTE));
        assert_eq!(failback.intervals(2), [MINUTE * 2, MINUTE]);
        assert!(failback.intervals(0).is_empty());
    }

    #[test]
    fn an_interval_longer_than_the_longest_stays() {
        let day = Duration::from_secs(86_400);
        let mut failback = Failback::new(1, day);
        failback.returned(0);
        failback.ended(0, MINUTE);
        assert_eq!(failback.intervals(1), [day]);
    }

    proptest! {
        #[test]
        fn intervals_stay_in_their_bounds(
            secs in 1_u64..90_000,
            events in prop::collection::vec((any::<bool>(), 0_usize..4, 0_u64..4_000), 0..200),
        ) {
            let configured = Duration::from_secs(secs);
            let mut failback = Failback::new(3, configured);
            for (returned, url, lived) in events {
                if returned {
                    failback.returned(url);
                } else {
                    failback.ended(url, Duration::from_secs(lived));
                }
                for interval in failback.intervals(3) {
                    prop_assert!(interval >= configured && interval <= LONGEST.max(configured));
                }
            }
        }
    }
}
