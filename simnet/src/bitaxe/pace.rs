//! A hashrate in pieces: the number of hashes due now.

use std::time::{Duration, Instant};

/// Hashes in one go: well under a millisecond, so that others get their turn.
pub(crate) const CHUNK: u32 = 4_096;
/// Time between two looks at the clock.
const TICK: Duration = Duration::from_millis(10);
/// A device that was kept from the processor catches up at most so much.
const MAX_CATCH_UP_SECS: f64 = 0.5;

/// Hashes due by the clock, which is handed in.
#[derive(Debug)]
pub(crate) struct Pace {
    due: f64,
    last: Instant,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Pace {
        Pace {
            due: 0.0,
            last: now,
        }
    }

    /// Takes the hashes that are due, at most a chunk.
    pub(crate) fn take(&mut self, now: Instant, hashrate: f64) -> u32 {
        let passed = now.saturating_duration_since(self.last).as_secs_f64();
        self.last = now;
        let most = if hashrate > 0.0 {
            (hashrate * MAX_CATCH_UP_SECS).max(1.0)
        } else {
            0.0
        };
        self.due = (self.due + passed * hashrate).min(most);
        let whole = self.due.min(f64::from(CHUNK)).floor();
        self.due -= whole;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to CHUNK"
        )]
        let whole = whole as u32;
        whole
    }

    /// When to look again: now, if a whole chunk is still due.
    pub(crate) fn next(&self, now: Instant) -> Instant {
        if self.due >= f64::from(CHUNK) {
            now
        } else {
            now + TICK
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_follow_the_clock() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let mut total = 0;
        for millis in 1..=1_000 {
            total += pace.take(start + Duration::from_millis(millis), 12_345.6);
        }
        assert_eq!(total, 12_345);
        // Kept away for a minute: half a second is made up for, in chunks.
        let late = start + Duration::from_secs(61);
        assert_eq!(pace.take(late, 12_345.6), CHUNK);
        assert!(pace.next(late) > late, "less than a chunk is left");
        let made_up = CHUNK + pace.take(late, 12_345.6);
        assert!((6_100..=6_173).contains(&made_up), "{made_up}");
        assert_eq!(pace.take(late + Duration::from_secs(1), 0.0), 0);
    }
}
