//! How fast one server is sent to. Pure: times are handed in, in milliseconds since any
//! fixed moment of a clock that never goes back.
//!
//! A server counts what it gets by its sender, and the sender of all owners' messages is
//! the pool. So the pool keeps below the server's limit, one request at a time, and when
//! the server refuses all the same, the pool waits as long as the server says.

use accounting::MinerId;

/// Requests to one server after a pause, without a wait between them. The public server
/// ntfy.sh lets a sender make 60, and counts the operator's own messages from the same
/// address among them: half is left.
pub(super) const BURST: u32 = 30;

/// The wait between two requests to one server after that, in milliseconds. The public
/// server ntfy.sh gives a sender back one request every 5 s.
pub(super) const REFILL_MS: u64 = 6_000;

/// Refusals in a row, of different keys, before the whole server is left alone. One alone
/// may be the doing of the key's owner: a webhook answers what its owner likes.
const REFUSALS: u32 = 2;

/// The first pause of a server that does not say how long it wants to be left alone, in
/// milliseconds; each further one is twice as long.
const FIRST_PAUSE_MS: u64 = 60 * 1000;

/// The longest of those pauses: so long an owner's message may wait because of others.
const LAST_PAUSE_MS: u64 = 15 * 60 * 1000;

/// The longest pause that a server can ask for.
pub(super) const MAX_ASKED_MS: u64 = 60 * 60 * 1000;

/// What a server was sent lately, and how it took it.
#[derive(Debug)]
pub(super) struct Pace {
    /// Requests that may go out now.
    tokens: u32,
    /// When the tokens were counted last.
    counted_ms: u64,
    /// A request is under way.
    is_busy: bool,
    /// Refusals in a row, each of another key than the one before.
    refusals: u32,
    /// The key of the last refusal, and when it came.
    refused: Option<MinerId>,
    refused_ms: u64,
    /// Nothing goes out before.
    paused_until_ms: u64,
}

impl Pace {
    /// A server that was sent nothing lately.
    pub(super) fn new(now_ms: u64) -> Pace {
        Pace {
            tokens: BURST,
            counted_ms: now_ms,
            is_busy: false,
            refusals: 0,
            refused: None,
            refused_ms: 0,
            paused_until_ms: 0,
        }
    }

    /// Takes the place for one request; false when it has to wait.
    pub(super) fn begin(&mut self, now_ms: u64) -> bool {
        self.refill(now_ms);
        if self.is_busy || now_ms < self.paused_until_ms || self.tokens == 0 {
            return false;
        }
        self.tokens -= 1;
        self.is_busy = true;
        true
    }

    /// The request of `miner` ended. `wait_ms` is there when the server refused it
    /// without saying that the message is at fault: `Some(None)` names no time.
    pub(super) fn end(&mut self, miner: &MinerId, wait_ms: Option<Option<u64>>, now_ms: u64) {
        self.is_busy = false;
        let Some(asked_ms) = wait_ms else {
            self.refusals = 0;
            self.refused = None;
            return;
        };
        self.refused_ms = now_ms;
        if self.refused.as_ref() != Some(miner) {
            self.refused = Some(*miner);
            self.refusals = self.refusals.saturating_add(1);
        }
        let Some(doublings) = self.refusals.checked_sub(REFUSALS) else {
            return;
        };
        let own_ms = FIRST_PAUSE_MS << doublings.min(8);
        let pause_ms = match asked_ms {
            Some(asked_ms) => asked_ms.min(MAX_ASKED_MS),
            None => own_ms.min(LAST_PAUSE_MS),
        };
        self.paused_until_ms = now_ms.saturating_add(pause_ms);
    }

    /// True when a new [`Pace`] would do as well: it may be forgotten. Refusals count
    /// until the server was left alone for as long as the longest pause.
    pub(super) fn is_rested(&mut self, now_ms: u64) -> bool {
        self.refill(now_ms);
        let last_ms = self.refused_ms.max(self.paused_until_ms);
        let is_forgiven = self.refusals == 0 || now_ms.saturating_sub(last_ms) >= LAST_PAUSE_MS;
        !self.is_busy && self.tokens == BURST && is_forgiven
    }

    fn refill(&mut self, now_ms: u64) {
        let more = now_ms.saturating_sub(self.counted_ms) / REFILL_MS;
        let tokens = u64::from(self.tokens).saturating_add(more);
        self.tokens = u32::try_from(tokens).map_or(BURST, |tokens| tokens.min(BURST));
        self.counted_ms += more * REFILL_MS;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::pair;

    const MINUTE: u64 = 60_000;

    fn refuse(pace: &mut Pace, byte: u8, asked_ms: Option<u64>, now_ms: u64) {
        assert!(pace.begin(now_ms), "{pace:?} at {now_ms}");
        pace.end(&pair(byte).1, Some(asked_ms), now_ms);
    }

    #[test]
    fn one_request_at_a_time_a_burst_and_then_one_every_six_seconds() {
        let mut pace = Pace::new(0);
        let miner = pair(1).1;
        for _ in 0..BURST {
            assert!(pace.begin(0));
            assert!(!pace.begin(0), "one at a time");
            pace.end(&miner, None, 0);
        }
        assert!(!pace.begin(REFILL_MS - 1));
        assert!(pace.begin(REFILL_MS));
        pace.end(&miner, None, REFILL_MS);
        assert!(!pace.begin(REFILL_MS));
        assert!(!pace.is_rested(REFILL_MS));
        assert!(pace.is_rested(REFILL_MS * u64::from(BURST + 1)));
    }

    #[test]
    fn a_refusal_of_one_key_alone_pauses_nobody() {
        let mut pace = Pace::new(0);
        for turn in 0..9 {
            refuse(&mut pace, 1, Some(MINUTE), turn);
        }
        assert!(pace.begin(9));
        pace.end(&pair(2).1, None, 9);
        refuse(&mut pace, 2, None, 10);
        assert!(pace.begin(11), "it began anew");
    }

    #[test]
    fn refusals_of_two_keys_pause_the_server_for_longer_and_longer() {
        let mut pace = Pace::new(0);
        refuse(&mut pace, 1, None, 0);
        let mut now_ms = 0;
        let mut pauses = Vec::new();
        for byte in 2..9 {
            refuse(&mut pace, byte, None, now_ms);
            pauses.push((pace.paused_until_ms - now_ms) / MINUTE);
            assert!(!pace.begin(pace.paused_until_ms - 1));
            now_ms = pace.paused_until_ms;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 15, 15, 15]);
        // What the server says goes before, up to an hour.
        for (asked_ms, pause_ms) in [(5_000, 5_000), (u64::MAX, MAX_ASKED_MS), (0, 0)] {
            refuse(&mut pace, 1, Some(asked_ms), now_ms);
            let then_ms = pace.paused_until_ms;
            refuse(&mut pace, 2, Some(asked_ms), then_ms);
            let last_ms = pace.paused_until_ms - pause_ms;
            assert_eq!(last_ms, now_ms + pause_ms);
            now_ms = pace.paused_until_ms;
        }
        assert!(pace.begin(now_ms));
        pace.end(&pair(1).1, None, now_ms);
        refuse(&mut pace, 1, None, now_ms);
        assert!(pace.begin(now_ms), "a success ends the row");
        pace.end(&pair(1).1, Some(None), now_ms);
        let rested_ms = now_ms + LAST_PAUSE_MS;
        assert!(!pace.is_rested(rested_ms - 1));
        assert!(pace.is_rested(rested_ms), "{pace:?}");
    }

    proptest! {
        /// In no window of time more goes out than a burst and what was given back.
        #[test]
        fn the_limit_holds_in_every_window(waits in prop::collection::vec(0..20_000u64, 1..300)) {
            let (mut pace, mut now_ms, mut sent) = (Pace::new(0), 0, Vec::new());
            for wait_ms in waits {
                now_ms += wait_ms;
                if pace.begin(now_ms) {
                    sent.push(now_ms);
                    pace.end(&pair(1).1, None, now_ms);
                }
            }
            for (first, begin_ms) in sent.iter().enumerate() {
                for (last, end_ms) in sent.iter().enumerate().skip(first) {
                    let count = u64::try_from(last - first + 1).expect("few");
                    let most = u64::from(BURST) + (end_ms - begin_ms) / REFILL_MS + 1;
                    prop_assert!(count <= most, "{} in {} ms", count, end_ms - begin_ms);
                }
            }
        }
    }
}
