//! When `sweep --watch` tries a payout again that did not go through.

use std::time::{Duration, Instant};

/// The longest wait between two tries at an unchanged balance.
const LONGEST: Duration = Duration::from_secs(6 * 60 * 60);

/// A back-off: each failure doubles the wait, and a balance that changes ends it.
#[derive(Debug)]
pub(crate) struct Payouts {
    first: Duration,
    failed: Option<Failed>,
}

#[derive(Debug)]
struct Failed {
    balance_sat: u64,
    wait: Duration,
    until: Instant,
}

impl Payouts {
    /// The first wait is `first`.
    pub(crate) fn new(first: Duration) -> Payouts {
        Payouts {
            first,
            failed: None,
        }
    }

    /// True when a payout is to be tried.
    pub(crate) fn are_due(&self, balance_sat: u64, now: Instant) -> bool {
        self.failed
            .as_ref()
            .is_none_or(|failed| failed.balance_sat != balance_sat || now >= failed.until)
    }

    /// A payout went through, or there was nothing to pay.
    pub(crate) fn succeeded(&mut self) {
        self.failed = None;
    }

    /// A payout failed at this balance. Returns the wait for the next try.
    pub(crate) fn failed(&mut self, balance_sat: u64, now: Instant) -> Duration {
        let wait = match &self.failed {
            None => self.first,
            Some(before) => before.wait.saturating_mul(2).min(LONGEST.max(self.first)),
        };
        let until = now + wait;
        self.failed = Some(Failed {
            balance_sat,
            wait,
            until,
        });
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn each_failure_doubles_the_wait_up_to_its_bound() {
        let (mut payouts, mut now) = (Payouts::new(10 * MINUTE), Instant::now());
        assert!(payouts.are_due(5, now));
        let mut waits = Vec::new();
        for _ in 0..8 {
            let wait = payouts.failed(5, now);
            assert!(!payouts.are_due(5, now));
            assert!(!payouts.are_due(5, now + wait - Duration::from_secs(1)));
            now += wait;
            assert!(payouts.are_due(5, now));
            waits.push(wait.as_secs() / 60);
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 360, 360]);
        payouts.succeeded();
        assert!(payouts.are_due(5, now));
        assert_eq!(payouts.failed(5, now), 10 * MINUTE);
    }

    #[test]
    fn a_changed_balance_is_tried_at_once() {
        let (mut payouts, now) = (Payouts::new(MINUTE), Instant::now());
        payouts.failed(5, now);
        assert!(!payouts.are_due(5, now));
        for balance_sat in [4, 6] {
            assert!(payouts.are_due(balance_sat, now), "{balance_sat}");
        }
    }

    #[test]
    fn an_interval_above_the_bound_is_kept() {
        let week = Duration::from_secs(604_800);
        let (mut payouts, now) = (Payouts::new(week), Instant::now());
        assert_eq!(payouts.failed(1, now), week);
        assert_eq!(payouts.failed(1, now), week);
    }
}
