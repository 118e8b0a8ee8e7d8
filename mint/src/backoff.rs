//! Exponential backoff with jitter after failures. Pure.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(60);

/// Counts failures in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// After a success.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// After a failure: doubling from a quarter second to a minute, of which `jitter`
    /// (0 to 255, random) takes away up to half, so that many do not come back at once.
    pub(crate) fn next(&mut self, jitter: u8) -> Duration {
        let whole = FIRST
            .saturating_mul(1 << self.failures.min(16))
            .min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        whole - (whole / 512) * u32::from(jitter)
    }

    /// Failures in a row so far.
    pub(crate) const fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_a_minute_and_starts_over() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..10).map(|_| backoff.next(0).as_millis()).collect();
        assert_eq!(
            waits,
            [250, 500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000]
        );
        assert_eq!(backoff.failures(), 10);
        assert!(backoff.next(255) >= LONGEST / 2);
        backoff.reset();
        assert_eq!(backoff.next(0), FIRST);
        for _ in 0..100 {
            assert!(backoff.next(7) <= LONGEST);
        }
    }
}
