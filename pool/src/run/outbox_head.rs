//! For how long the outbox has not moved. Pure; the clock is handed in.

use std::time::{Duration, Instant};

use accounting::OutboxId;

/// The first row that waits, and since when it was seen to be the first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OutboxHead(Option<(OutboxId, Instant)>);

impl OutboxHead {
    /// Takes a look's first row, and says how long it has been the first; nothing while
    /// none waits. A long outbox that is worked on moves at every look.
    pub(super) fn see(&mut self, first: Option<OutboxId>, now: Instant) -> Duration {
        let known = self.0.filter(|(id, _)| Some(*id) == first);
        self.0 = first.map(|id| known.unwrap_or((id, now)));
        self.0.map_or(Duration::ZERO, |(_, since)| {
            now.saturating_duration_since(since)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_row_that_stays_the_first_grows_old() {
        let begin = Instant::now();
        let mut head = OutboxHead::default();
        let row = |id| Some(OutboxId::new(id));
        for (at_secs, first, age_secs) in [
            (0, None, 0),
            (5, row(7), 0),
            (10, row(7), 5),
            (15, row(7), 10),
            (20, row(8), 0),
            (25, row(8), 5),
            (30, None, 0),
            (35, row(8), 0),
        ] {
            let now = begin + Duration::from_secs(at_secs);
            let age = head.see(first, now);
            assert_eq!(age, Duration::from_secs(age_secs), "at {at_secs} s");
        }
    }
}
