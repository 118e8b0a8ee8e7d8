//! Back-off: the wait before the next attempt.

use std::time::Duration;

/// Doubles from a first wait to a longest one. Without randomness on purpose: what is
/// retried here is one node, one API client and one writer, no crowd that could meet.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// The first wait, and the longest.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Backoff {
            first,
            longest,
            failures: 0,
        }
    }

    /// How often it failed since the last success.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// The wait after one more failure.
    pub fn failed(&mut self) -> Duration {
        let doublings = self.failures.min(31);
        self.failures = self.failures.saturating_add(1);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }

    /// It worked: the next failure waits the shortest time again.
    pub const fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_the_longest_and_begins_again_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        let waits: Vec<u64> = (0..5).map(|_| backoff.failed().as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 5, 5]);
        assert_eq!(backoff.failures(), 5);
        for _ in 0..100 {
            assert!(backoff.failed() <= Duration::from_secs(5));
        }
        backoff.succeeded();
        assert_eq!(backoff.failed(), Duration::from_secs(1));
    }
}
