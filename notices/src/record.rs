//! All that is kept of one miner's notices. Pure: the time is handed in, and whoever
//! changes a record keeps it.
//!
//! The feed's entries are also what is still to be sent: a target remembers the number
//! of the last one that it was given. `delivery.rs` has what is due, and what becomes of it,
//! `ids.rs` the names by which readers of a feed know its entries.

mod delivery;
mod ids;

use std::collections::VecDeque;

use accounting::{MinerId, Sat};
use serde::{Deserialize, Serialize};
use signed::{Target, Wish};

use super::news::News;
use super::tell::Told;
pub(crate) use delivery::Delivery;
pub(crate) use ids::entry_id;

/// Entries of a feed, the newest.
pub(crate) const MAX_ENTRIES: usize = 20;

/// Two wishes of one key are so far apart, in milliseconds: each is a write to the disk.
pub(crate) const WISHES_APART_MS: u64 = 10 * 1000;

/// That notices are on is sent at most once in so long for each key, and for each target,
/// in milliseconds. It is what a stranger can have sent by wishes alone.
pub(crate) const CONFIRMED_MS: u64 = 60 * 60 * 1000;

/// One miner's notices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Whose.
    pub(crate) miner: MinerId,
    /// Since when there is a feed, milliseconds since 1970.
    pub(crate) since_ms: u64,
    /// When the feed was read last, to the hour.
    pub(crate) read_ms: u64,
    /// The time of the last signed wish that was taken; 0 when there was none.
    pub(crate) signed_ms: u64,
    /// When that was taken, by the pool's clock.
    #[serde(default)]
    granted_ms: u64,
    /// When a message was sent last, whether or not it arrived.
    #[serde(default)]
    message_ms: u64,
    /// The last time that an owner was told that notices are on.
    #[serde(default)]
    confirmed: Option<Confirmed>,
    /// What was told.
    pub(crate) told: Told,
    /// The number of the next entry, from 1.
    next: u64,
    /// The oldest first.
    pub(crate) entries: VecDeque<Entry>,
    /// Where they are sent, if anywhere.
    pub(crate) subscription: Option<Subscription>,
}

/// That notices are on was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Confirmed {
    /// When, milliseconds since 1970.
    time_ms: u64,
    /// Where to.
    target: Target,
}

/// Something that was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Its number in this feed, never given twice.
    pub(crate) number: u64,
    /// When it was told, milliseconds since 1970.
    pub(crate) time_ms: u64,
    /// What.
    pub(crate) news: News,
}

/// Where notices are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subscription {
    /// Where to.
    pub(crate) target: Target,
    /// Sats that are ready are told from this amount on.
    pub(crate) least_sat: Sat,
    /// Since when, milliseconds since 1970.
    pub(crate) since_ms: u64,
    /// The number of the last entry that arrived there.
    sent: u64,
    /// Failures in a row.
    pub(crate) failures: u32,
    /// Answers in a row that asked the pool to wait.
    #[serde(default)]
    held: u32,
    /// Not to be tried before.
    next_ms: u64,
}

impl Record {
    /// Of a miner whose feed was asked for at `now_ms`.
    pub(crate) fn new(miner: MinerId, now_ms: u64) -> Record {
        Record {
            miner,
            since_ms: now_ms,
            read_ms: now_ms,
            signed_ms: 0,
            granted_ms: 0,
            message_ms: 0,
            confirmed: None,
            told: Told::default(),
            next: 1,
            entries: VecDeque::new(),
            subscription: None,
        }
    }

    /// The least amount of ready sats that the owner wants to hear of.
    pub(crate) fn least_sat(&self) -> Sat {
        let least = self.subscription.as_ref().map(|to| to.least_sat);
        least.unwrap_or(Sat::new(1))
    }

    /// The number of the newest entry; 0 when there never was any.
    pub(crate) fn last_number(&self) -> u64 {
        self.next - 1
    }

    /// Writes news into the feed.
    pub(crate) fn note(&mut self, news: News, now_ms: u64) {
        self.entries.push_back(Entry {
            number: self.next,
            time_ms: now_ms,
            news: news.bounded(),
        });
        self.next += 1;
        while self.entries.len() > MAX_ENTRIES {
            self.entries.pop_front();
        }
    }

    /// How long the key has to wait until its next wish is taken; 0 when it may come.
    pub(crate) fn wish_wait_ms(&self, now_ms: u64) -> u64 {
        left(self.granted_ms, WISHES_APART_MS, now_ms)
    }

    /// Whether `target`, or whatever target with `None`, was told within the hour that
    /// notices are on.
    pub(crate) fn is_confirmed(&self, target: Option<&Target>, now_ms: u64) -> bool {
        self.confirmed.as_ref().is_some_and(|confirmed| {
            target.is_none_or(|target| *target == confirmed.target)
                && left(confirmed.time_ms, CONFIRMED_MS, now_ms) > 0
        })
    }

    /// Grants a wish that was checked. The new target is told of it when `confirm`.
    pub(crate) fn grant(&mut self, wish: &Wish, confirm: bool, now_ms: u64) {
        self.signed_ms = wish.time_ms;
        self.granted_ms = now_ms;
        let Some(target) = &wish.target else {
            self.subscription = None;
            return;
        };
        self.subscription = Some(Subscription {
            target: target.clone(),
            least_sat: wish.least_sat,
            since_ms: now_ms,
            // What was told before is in the feed.
            sent: self.last_number(),
            failures: 0,
            held: 0,
            next_ms: now_ms,
        });
        if confirm {
            self.confirmed = Some(Confirmed {
                time_ms: now_ms,
                target: target.clone(),
            });
            self.note(News::Begun, now_ms);
        }
    }

    /// Another key takes the place among those with a target; the feed says so.
    pub(crate) fn displace(&mut self, now_ms: u64) {
        self.subscription = None;
        self.note(News::Displaced, now_ms);
    }
}

/// What is left at `now_ms` of a wait of `wait_ms` since `since_ms`. A clock that was set
/// back before then makes nobody wait.
fn left(since_ms: u64, wait_ms: u64, now_ms: u64) -> u64 {
    match now_ms.checked_sub(since_ms) {
        Some(gone_ms) => wait_ms.saturating_sub(gone_ms),
        None => 0,
    }
}

#[cfg(test)]
mod tests;
