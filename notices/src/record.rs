//! All that is kept of one miner's notices. Pure: the time is handed in, and whoever
//! changes a record keeps it.
//!
//! The feed's entries are also what is still to be sent: a target remembers the number
//! of the last one that it was given.

use std::collections::VecDeque;

use accounting::{Incarnation, MinerId, Sat};
use bitcoin::hashes::{Hash as _, HashEngine as _, sha256};
use serde::{Deserialize, Serialize};
use signed::{Target, Wish, tagged};

use super::news::News;
use super::pace::MAX_ASKED_MS;
use super::tell::Told;

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

/// The longest wait after an answer that is not the target's fault: the server itself is
/// spared by its pace, and an owner shall not wait for hours because of others.
const LAST_HOLD_MS: u64 = 15 * 60 * 1000;

/// Two wishes of one key are so far apart, in milliseconds: each is a write to the disk.
pub(crate) const WISHES_APART_MS: u64 = 10 * 1000;

/// Two messages of one key are so far apart, in milliseconds, whoever gets them: what is
/// told meanwhile comes together with the next.
const MESSAGES_APART_MS: u64 = 10 * 1000;

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

    /// The entry's id for ever, a UUID (RFC 9562, version 8) in a URN.
    pub(crate) fn entry_id(&self, pool: Incarnation, entry: &Entry) -> String {
        entry_id(pool, &self.miner, entry.number)
    }

    /// The feed's own id.
    pub(crate) fn feed_id(&self, pool: Incarnation) -> String {
        entry_id(pool, &self.miner, 0)
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

    use super::*;
    use crate::testing::{pair, signed};
    use signed::Channel;

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
        record.grant(&signed(1, Some(target("a")), NOW), true, NOW);
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
        record.arrived(&first, NOW);
        due(&record, NOW + MESSAGES_APART_MS - 1, &[]);
        let then = NOW + MESSAGES_APART_MS;
        let second = due(&record, then, &[3]).expect("due");
        // A delivery that was under way when the owner changed their mind.
        record.grant(&signed(1, Some(target("b")), NOW + 1), true, then);
        record.arrived(&second, then);
        record.failed(&second, then);
        record.held(&second, None, then);
        due(&record, then + MESSAGES_APART_MS, &[4]);
        record.grant(&signed(1, None, NOW + 2), true, then);
        due(&record, then + MESSAGES_APART_MS, &[]);
        assert_eq!(record.signed_ms, NOW + 2);
    }

    #[test]
    fn wishes_and_confirmations_have_a_least_time_between_them() {
        let mut record = record();
        assert_eq!(record.wish_wait_ms(NOW), WISHES_APART_MS);
        assert_eq!(record.wish_wait_ms(NOW + WISHES_APART_MS - 1), 1);
        assert_eq!(record.wish_wait_ms(NOW + WISHES_APART_MS), 0);
        // The clock was set back.
        assert_eq!(record.wish_wait_ms(NOW - 1), 0);
        for (topic, confirmed) in [(None, true), (Some("a"), true), (Some("b"), false)] {
            let target = topic.map(target);
            assert_eq!(record.is_confirmed(target.as_ref(), NOW), confirmed);
            let later = NOW + CONFIRMED_MS;
            assert_eq!(record.is_confirmed(target.as_ref(), later - 1), confirmed);
            assert!(!record.is_confirmed(target.as_ref(), later));
        }
        // Ending it does not begin the hour anew.
        record.grant(&signed(1, None, NOW + 1), true, NOW + 1);
        assert!(record.is_confirmed(None, NOW + 1));
        record.grant(&signed(1, Some(target("b")), NOW + 2), false, NOW + 2);
        due(&record, NOW + 2, &[]);
    }

    #[test]
    fn news_goes_before_confirmations_and_who_was_served_waits() {
        let mut fresh = record();
        let confirmation = fresh.urgency(NOW).expect("due");
        fresh.note(News::Ready { sat: Sat::new(9) }, NOW);
        let news = fresh.urgency(NOW).expect("due");
        let delivery = fresh.due(NOW).expect("due");
        fresh.arrived(&delivery, NOW);
        assert_eq!(fresh.urgency(NOW + MESSAGES_APART_MS), None);
        fresh.note(News::Ready { sat: Sat::new(11) }, NOW);
        let again = fresh.urgency(NOW + MESSAGES_APART_MS).expect("due");
        assert!(news < again && again < confirmation);
        assert_eq!(fresh.urgency(NOW + CONFIRMED_MS), Some(news));
    }

    #[test]
    fn a_server_that_asks_to_wait_is_no_failing_target() {
        let mut record = record();
        let (mut now, mut waits) = (NOW, Vec::new());
        for asked_ms in [None, None, Some(1_000), Some(600_000), Some(u64::MAX)] {
            record.note(News::Ready { sat: Sat::new(1) }, now);
            let delivery = record.due(now).expect("due");
            record.held(&delivery, asked_ms, now);
            let to = record.subscription.as_ref().expect("kept");
            waits.push((to.next_ms - now) / 1000);
            assert_eq!(record.due(to.next_ms - 1), None);
            now = to.next_ms;
        }
        assert_eq!(waits, [30, 60, 120, 600, 3_600]);
        for _ in 0..2 * MAX_FAILURES {
            record.note(News::Ready { sat: Sat::new(1) }, now);
            let delivery = record.due(now).expect("due");
            record.held(&delivery, None, now);
            let to = record.subscription.as_ref().expect("kept");
            assert_eq!((to.failures, to.next_ms - now), (0, LAST_HOLD_MS));
            now = to.next_ms;
        }
        let delivery = record.due(now).expect("due");
        record.arrived(&delivery, now);
        assert_eq!(record.subscription.expect("kept").held, 0);
    }

    #[test]
    fn a_record_of_an_older_program_is_read() {
        let json = serde_json::to_value(record()).expect("JSON");
        let mut old = json.as_object().cloned().expect("an object");
        for new in ["granted_ms", "message_ms", "confirmed"] {
            old.remove(new).expect("it is written");
        }
        let to = old
            .get_mut("subscription")
            .and_then(|to| to.as_object_mut());
        to.expect("there").remove("held").expect("it is written");
        let read: Record = serde_json::from_value(old.into()).expect("reads");
        assert_eq!(read.wish_wait_ms(NOW), 0);
        assert!(read.due(NOW).is_some());
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
        record.arrived(&delivery, NOW);
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
        fn a_record_stays_small(steps in prop::collection::vec((0..6u8, 0..7_200_000u64), 0..120)) {
            let (mut record, mut now) = (record(), NOW);
            let mut arrived = 0;
            for (step, wait) in steps {
                now += wait;
                let delivery = record.due(now);
                match (step, &delivery) {
                    (0, _) => record.note(News::Begun, now),
                    (1, _) => record.grant(&signed(1, Some(target("a")), now), true, now),
                    (2, Some(delivery)) => {
                        let first = delivery.entries[0].number;
                        prop_assert!(first > arrived, "{first} after {arrived}");
                        arrived = delivery.entries[delivery.entries.len() - 1].number;
                        record.arrived(delivery, now);
                    }
                    (3, Some(delivery)) => record.failed(delivery, now),
                    (4, Some(delivery)) => record.held(delivery, None, now),
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
