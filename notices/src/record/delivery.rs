//! What of a record is to be sent, when, and what becomes of it.

use accounting::MinerId;
use signed::Target;

use super::{CONFIRMED_MS, Entry, Record, Subscription, left};
use crate::news::News;
use crate::pace::MAX_ASKED_MS;

/// What could not be sent for so long is not sent any more: the feed has it.
pub(super) const STALE_MS: u64 = 24 * 60 * 60 * 1000;

/// How long it waits after the first failure; then twice as long each time, up to the
/// last.
const FIRST_WAIT_MS: u64 = 30 * 1000;
const LAST_WAIT_MS: u64 = 6 * 60 * 60 * 1000;

/// A target that failed so often in a row (for about a day) is dropped.
pub(super) const MAX_FAILURES: u32 = 12;

/// The longest wait after an answer that is not the target's fault: the server itself is
/// spared by its pace, and an owner shall not wait for hours because of others.
pub(super) const LAST_HOLD_MS: u64 = 15 * 60 * 1000;

/// Two messages of one key are so far apart, in milliseconds, whoever gets them: what is
/// told meanwhile comes together with the next.
pub(super) const MESSAGES_APART_MS: u64 = 10 * 1000;

/// How urgent a message is among those of other keys: the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Urgency {
    /// It says no more than that notices are on.
    is_confirmation: bool,
    /// The key was sent something within the hour.
    was_served: bool,
}

/// What is to be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// Whose.
    pub(crate) miner: MinerId,
    /// Where to.
    pub(crate) target: Target,
    /// What, the oldest first; never empty.
    pub(crate) entries: Vec<Entry>,
}

impl Record {
    /// How urgent the next message is among those of other keys, the least first; `None`
    /// when there is none. Fair to keys: what nobody but the key's own wishes caused
    /// comes last, and whoever was sent something within the hour lets others go first.
    pub(crate) fn urgency(&self, now_ms: u64) -> Option<Urgency> {
        let mut entries = self.due_entries(now_ms)?.peekable();
        entries.peek()?;
        Some(Urgency {
            is_confirmation: entries.all(|entry| entry.news == News::Begun),
            was_served: left(self.message_ms, CONFIRMED_MS, now_ms) > 0,
        })
    }

    /// What is to be sent at `now_ms`.
    pub(crate) fn due(&self, now_ms: u64) -> Option<Delivery> {
        let entries: Vec<Entry> = self.due_entries(now_ms)?.cloned().collect();
        let to = self.subscription.as_ref()?;
        (!entries.is_empty()).then(|| Delivery {
            miner: self.miner,
            target: to.target.clone(),
            entries,
        })
    }

    fn due_entries(&self, now_ms: u64) -> Option<impl Iterator<Item = &Entry>> {
        let to = self.subscription.as_ref()?;
        // More than the longest wait ahead: the clock was set back.
        if now_ms < to.next_ms && to.next_ms - now_ms <= LAST_WAIT_MS {
            return None;
        }
        if left(self.message_ms, MESSAGES_APART_MS, now_ms) > 0 {
            return None;
        }
        let sent = to.sent;
        let is_due = move |entry: &&Entry| {
            entry.number > sent && now_ms.saturating_sub(entry.time_ms) < STALE_MS
        };
        Some(self.entries.iter().filter(is_due))
    }

    /// It arrived. Nothing else changes when the owner wished something else meanwhile.
    pub(crate) fn arrived(&mut self, delivery: &Delivery, now_ms: u64) {
        self.message_ms = now_ms;
        let Some(to) = self.subscription_of(delivery) else {
            return;
        };
        let last = delivery.entries.last().map_or(0, |entry| entry.number);
        to.sent = to.sent.max(last);
        to.failures = 0;
        to.held = 0;
    }

    /// The server asked the pool to wait, or is out of order: that is no failure of the
    /// target. `asked_ms` is how long the server said.
    pub(crate) fn held(&mut self, delivery: &Delivery, asked_ms: Option<u64>, now_ms: u64) {
        self.message_ms = now_ms;
        let Some(to) = self.subscription_of(delivery) else {
            return;
        };
        let own_ms = (FIRST_WAIT_MS << to.held.min(20)).min(LAST_HOLD_MS);
        to.held = to.held.saturating_add(1);
        let wait_ms = own_ms.max(asked_ms.unwrap_or(0)).min(MAX_ASKED_MS);
        to.next_ms = now_ms.saturating_add(wait_ms);
    }

    /// It did not arrive. After too many times the target is dropped, and the feed says
    /// so.
    pub(crate) fn failed(&mut self, delivery: &Delivery, now_ms: u64) {
        self.message_ms = now_ms;
        let Some(to) = self.subscription_of(delivery) else {
            return;
        };
        to.failures += 1;
        let wait_ms = FIRST_WAIT_MS << (to.failures - 1).min(20);
        to.next_ms = now_ms.saturating_add(wait_ms.min(LAST_WAIT_MS));
        if to.failures >= MAX_FAILURES {
            self.subscription = None;
            self.note(News::Dropped, now_ms);
        }
    }

    fn subscription_of(&mut self, delivery: &Delivery) -> Option<&mut Subscription> {
        let same = |to: &&mut Subscription| to.target == delivery.target;
        self.subscription.as_mut().filter(same)
    }
}
