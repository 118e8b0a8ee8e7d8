use proptest::prelude::*;

use super::delivery::{LAST_HOLD_MS, MAX_FAILURES, MESSAGES_APART_MS, STALE_MS};
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
