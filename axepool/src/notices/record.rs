//! All that is kept of one miner's notices. Pure: the time is handed in, and whoever
//! changes a record keeps it.
//!
//! The feed's entries are also what is still to be sent: a target remembers the number
//! of the last one that it was given.

use std::collections::VecDeque;

use bitcoin::hashes::{Hash as _, HashEngine as _, sha256};
use ledger::{Incarnation, MinerId, Sat};
use serde::{Deserialize, Serialize};

use super::news::News;
use super::target::Target;
use super::tell::Told;
use super::wish::Wish;
use crate::receipt::tagged;

/// Entries of a feed, the newest.
pub(crate) const MAX_ENTRIES: usize = 20;

/// What could not be sent for so long is not sent any more: the feed has it.
const STALE_MS: u64 = 24 * 60 * 60 * 1000;

/// How long it waits after the first failure; then twice as long each time, up to the
/// last.
const FIRST_WAIT_MS: u64 = 30 * 1000;
const LAST_WAIT_MS: u64 = 6 * 60 * 60 * 1000;

/// A target that failed so often in a row (for about a day) is dropped.
const MAX_FAILURES: u32 = 12;

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
    /// What was told.
    pub(crate) told: Told,
    /// The number of the next entry, from 1.
    next: u64,
    /// The oldest first.
    pub(crate) entries: VecDeque<Entry>,
    /// Where they are sent, if anywhere.
    pub(crate) subscription: Option<Subscription>,
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
    /// Not to be tried before.
    next_ms: u64,
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
    /// Of a miner whose feed was asked for at `now_ms`.
    pub(crate) fn new(miner: MinerId, now_ms: u64) -> Record {
        Record {
            miner,
            since_ms: now_ms,
            read_ms: now_ms,
            signed_ms: 0,
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
            news,
        });
        self.next += 1;
        while self.entries.len() > MAX_ENTRIES {
            self.entries.pop_front();
        }
    }

    /// Grants a wish that was checked.
    pub(crate) fn grant(&mut self, wish: &Wish, now_ms: u64) {
        self.signed_ms = wish.time_ms;
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
            next_ms: now_ms,
        });
        self.note(News::Begun, now_ms);
    }

    /// What is to be sent at `now_ms`.
    pub(crate) fn due(&self, now_ms: u64) -> Option<Delivery> {
        let to = self.subscription.as_ref()?;
        // More than the longest wait ahead: the clock was set back.
        if now_ms < to.next_ms && to.next_ms - now_ms <= LAST_WAIT_MS {
            return None;
        }
        let fresh = |entry: &&Entry| {
            entry.number > to.sent && now_ms.saturating_sub(entry.time_ms) < STALE_MS
        };
        let entries: Vec<Entry> = self.entries.iter().filter(fresh).cloned().collect();
        (!entries.is_empty()).then(|| Delivery {
            miner: self.miner,
            target: to.target.clone(),
            entries,
        })
    }

    /// It arrived. Nothing changes when the owner wished something else meanwhile.
    pub(crate) fn arrived(&mut self, delivery: &Delivery) {
        let Some(to) = self.subscription_of(delivery) else {
            return;
        };
        let last = delivery.entries.last().map_or(0, |entry| entry.number);
        to.sent = to.sent.max(last);
        to.failures = 0;
    }

    /// It did not. After too many times the target is dropped, and the feed says so.
    pub(crate) fn failed(&mut self, delivery: &Delivery, now_ms: u64) {
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

    /// The entry's id for ever, a UUID (RFC 9562, version 8) in a URN.
    pub(crate) fn entry_id(&self, pool: Incarnation, entry: &Entry) -> String {
        entry_id(pool, &self.miner, entry.number)
    }

    /// The feed's own id.
    pub(crate) fn feed_id(&self, pool: Incarnation) -> String {
        entry_id(pool, &self.miner, 0)
    }
}

/// The id of entry `number` of a miner's feed; 0 is the feed itself.
pub(crate) fn entry_id(pool: Incarnation, miner: &MinerId, number: u64) -> String {
    let mut engine = tagged(b"Axepool/feed");
    engine.input(&pool.to_bytes());
    engine.input(&miner.x_only_bytes());
    engine.input(&number.to_be_bytes());
    let hash = sha256::Hash::from_engine(engine).to_byte_array();
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    // The version, and the variant's two bits.
    format!(
        "urn:uuid:{}-{}-8{}-a{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        &hex[20..32]
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::target::Channel;
    use super::super::wish::tests::{pair, signed};
    use super::*;

    const NOW: u64 = 1_795_000_000_000;

    fn target(topic: &str) -> Target {
        Target {
            channel: Channel::Ntfy,
            url: format!("https://ntfy.sh/{topic}"),
        }
    }

    fn record() -> Record {
        let mut record = Record::new(pair(1).1, NOW);
        record.note(News::Ready { sat: Sat::new(5) }, NOW);
        record.grant(&signed(1, Some(target("a")), NOW), NOW);
        record
    }

    #[track_caller]
    fn due(record: &Record, now_ms: u64, expected: &[u64]) -> Option<Delivery> {
        let due = record.due(now_ms);
        let entries = due.iter().flat_map(|delivery| &delivery.entries);
        let numbers: Vec<u64> = entries.map(|entry| entry.number).collect();
        assert_eq!(numbers, expected);
        due
    }

    #[test]
    fn what_arrived_is_not_sent_again() {
        let mut record = record();
        // What was told before the wish is not sent.
        let first = due(&record, NOW, &[2]).expect("due");
        record.note(News::Ready { sat: Sat::new(9) }, NOW);
        record.arrived(&first);
        let second = due(&record, NOW, &[3]).expect("due");
        // A delivery that was under way when the owner changed their mind.
        record.grant(&signed(1, Some(target("b")), NOW + 1), NOW);
        record.arrived(&second);
        record.failed(&second, NOW);
        due(&record, NOW, &[4]);
        record.grant(&signed(1, None, NOW + 2), NOW);
        due(&record, NOW, &[]);
        assert_eq!(record.signed_ms, NOW + 2);
    }

    #[test]
    fn a_target_that_fails_is_tried_less_and_less_and_then_dropped() {
        let mut record = record();
        let (mut now, mut waits) = (NOW, Vec::new());
        while record.subscription.is_some() {
            let delivery = record.due(now).expect("due");
            record.failed(&delivery, now);
            let Some(to) = &record.subscription else {
                break;
            };
            waits.push((to.next_ms - now) / 1000);
            assert_eq!(record.due(to.next_ms - 1), None);
            now = to.next_ms;
            // Something to say each time: the first is stale after a day.
            record.note(News::Ready { sat: Sat::new(1) }, now);
        }
        let expected = [30, 60, 120, 240, 480, 960, 1920, 3840, 7680, 15_360, 21_600];
        assert_eq!(waits, expected);
        let last = record.entries.back().expect("an entry");
        assert_eq!(last.news, News::Dropped);
    }

    #[test]
    fn one_success_forgives_all_failures() {
        let mut record = record();
        let delivery = record.due(NOW).expect("due");
        record.failed(&delivery, NOW);
        record.arrived(&delivery);
        record.note(News::Ready { sat: Sat::new(7) }, NOW);
        let to = record.subscription.clone().expect("there");
        assert_eq!(to.failures, 0);
        due(&record, to.next_ms, &[3]);
        // The clock was set back by a day.
        due(&record, to.next_ms - STALE_MS, &[3]);
    }

    #[test]
    fn what_is_a_day_old_is_not_sent() {
        let record = record();
        due(&record, NOW + STALE_MS - 1, &[2]);
        due(&record, NOW + STALE_MS, &[]);
    }

    #[test]
    fn ids_are_of_the_pool_the_miner_and_the_number() {
        let id = |pool: u8, miner: u8, number: u64| {
            entry_id(Incarnation::from_bytes([pool; 16]), &pair(miner).1, number)
        };
        // Published: readers know entries by it.
        assert_eq!(id(1, 1, 1), id(1, 1, 1));
        let all = [id(1, 1, 1), id(2, 1, 1), id(1, 2, 1), id(1, 1, 2)];
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), 4, "{all:?}");
        for id in &all {
            let uuid = id.strip_prefix("urn:uuid:").expect("a URN");
            assert_eq!(uuid.len(), 36, "{id}");
            assert_eq!((&uuid[14..15], &uuid[19..20]), ("8", "a"), "{id}");
        }
    }

    proptest! {
        /// Whatever comes, the feed is bounded, its numbers grow, and what is due is new.
        #[test]
        fn a_record_stays_small(steps in prop::collection::vec((0..5u8, 0..7_200_000u64), 0..120)) {
            let (mut record, mut now) = (record(), NOW);
            let mut arrived = 0;
            for (step, wait) in steps {
                now += wait;
                let delivery = record.due(now);
                match (step, &delivery) {
                    (0, _) => record.note(News::Begun, now),
                    (1, _) => record.grant(&signed(1, Some(target("a")), now), now),
                    (2, Some(delivery)) => {
                        let first = delivery.entries[0].number;
                        prop_assert!(first > arrived, "{first} after {arrived}");
                        arrived = delivery.entries[delivery.entries.len() - 1].number;
                        record.arrived(delivery);
                    }
                    (3, Some(delivery)) => record.failed(delivery, now),
                    _ => {}
                }
                prop_assert!(record.entries.len() <= MAX_ENTRIES);
                let numbers: Vec<u64> = record.entries.iter().map(|entry| entry.number).collect();
                prop_assert!(numbers.windows(2).all(|two| two[0] + 1 == two[1]));
            }
            let text = serde_json::to_string(&record).expect("JSON");
            prop_assert!(text.len() < 16_000);
            prop_assert_eq!(serde_json::from_str::<Record>(&text).expect("reads"), record);
        }
    }
}
