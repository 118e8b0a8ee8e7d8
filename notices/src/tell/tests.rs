use proptest::prelude::*;

use super::*;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const START: u64 = 1_000 * HOUR;

const RULES: Rules = Rules {
    silent_after_ms: 15 * MINUTE,
    reject_percent: 5,
    reject_least: 50,
};

fn worker(name: &str, last_ms: u64) -> WorkerSeen {
    WorkerSeen {
        name: WorkerName::clean(name),
        last_ms,
        accepted: 0,
        rejected: 0,
        work: Work::ZERO,
    }
}

fn seen(now_ms: u64, workers: Vec<WorkerSeen>) -> Seen {
    Seen {
        now_ms,
        serving_since_ms: Some(0),
        workers,
        ready: None,
    }
}

/// Looks, and checks the headlines.
#[track_caller]
fn case(told: &mut Told, seen: &Seen, expected: &[&str]) {
    let news = told.look(seen, Sat::new(10), &RULES);
    let lines: Vec<String> = news.iter().map(News::headline).collect();
    assert_eq!(lines, expected, "{told:?}");
    let json = serde_json::to_string(told).expect("JSON");
    assert_eq!(&serde_json::from_str::<Told>(&json).expect("reads"), told);
}

#[test]
fn a_worker_is_told_silent_once_and_back_once() {
    let mut told = Told::default();
    let axe = |last_ms| vec![worker("axe", last_ms)];
    case(&mut told, &seen(START, axe(START)), &[]);
    let almost = START + 15 * MINUTE - 1;
    case(&mut told, &seen(almost, axe(START)), &[]);
    case(&mut told, &seen(almost + 1, axe(START)), &["axe is silent"]);
    case(&mut told, &seen(START + 9 * HOUR, axe(START)), &[]);
    let again = START + 9 * HOUR + 1;
    case(&mut told, &seen(again, axe(again)), &["axe is back"]);
    case(&mut told, &seen(again + MINUTE, axe(again)), &[]);
}

#[test]
fn what_was_silent_before_is_no_news() {
    let mut told = Told::default();
    let mut both = vec![worker("old", START - 99 * HOUR), worker("axe", START)];
    case(&mut told, &seen(START, both.clone()), &[]);
    // Nor is its return.
    both[0].last_ms = START + MINUTE;
    both[1].last_ms = START + MINUTE;
    case(&mut told, &seen(START + MINUTE, both.clone()), &[]);
    // But from then on it is.
    let later = START + HOUR;
    case(&mut told, &seen(later, both), &["2 workers are silent"]);
}

#[test]
fn nobody_is_silent_while_nobody_is_heard() {
    let mut told = Told::default();
    let axe = || vec![worker("axe", START)];
    case(&mut told, &seen(START, axe()), &[]);
    let at = |hours: u64, serving_since_ms| Seen {
        serving_since_ms,
        ..seen(START + hours * HOUR, axe())
    };
    case(&mut told, &at(1, None), &[]);
    case(&mut told, &at(2, Some(START + 2 * HOUR)), &[]);
    let serving = Some(START + 2 * HOUR);
    case(&mut told, &at(3, serving), &["axe is silent"]);
    // A pool that begins anew is no share.
    case(&mut told, &at(4, Some(START + 4 * HOUR)), &[]);
}

#[test]
fn of_a_kind_there_is_one_an_hour() {
    let mut told = Told::default();
    let three = |last: [u64; 3]| {
        let names = ["a", "b", "c"].into_iter();
        names.zip(last).map(|(name, ms)| worker(name, ms)).collect()
    };
    let at = |minutes: u64| START + minutes * MINUTE;
    case(&mut told, &seen(START, three([START; 3])), &[]);
    let last = [START, at(10), at(80)];
    case(&mut told, &seen(at(15), three(last)), &["a is silent"]);
    case(&mut told, &seen(at(30), three(last)), &[]);
    case(&mut told, &seen(at(74), three(last)), &[]);
    case(&mut told, &seen(at(75), three(last)), &["b is silent"]);
    // One that came back before its turn was never silent for anybody.
    case(&mut told, &seen(at(96), three(last)), &[]);
    let last = [START, at(10), at(130)];
    case(&mut told, &seen(at(135), three(last)), &[]);
    // A clock that was set back.
    let early = seen(at(10), three([at(9), at(12), at(9)]));
    case(&mut told, &early, &["2 workers are back"]);
}

#[test]
fn many_rejects_are_told_when_they_begin() {
    let mut told = Told::default();
    let axe = |minutes: u64, accepted, rejected| Seen {
        workers: vec![WorkerSeen {
            accepted,
            rejected,
            ..worker("axe", START + minutes * MINUTE)
        }],
        ..seen(START + minutes * MINUTE, Vec::new())
    };
    case(&mut told, &axe(0, 20, 29), &[]);
    case(&mut told, &axe(1, 96, 5), &[]);
    case(&mut told, &axe(2, 95, 5), &["axe: many shares rejected"]);
    case(&mut told, &axe(90, 90, 10), &[]);
    case(&mut told, &axe(91, 97, 3), &[]);
    case(&mut told, &axe(92, 90, 10), &[]);
    case(&mut told, &axe(93, 98, 2), &[]);
    case(&mut told, &axe(94, 90, 10), &["axe: many shares rejected"]);
}

#[test]
fn sats_are_told_when_there_are_more() {
    let mut told = Told::default();
    let sat = |minutes: u64, sat: Option<u64>| Seen {
        ready: sat.map(Sat::new),
        ..seen(START + minutes * MINUTE, Vec::new())
    };
    case(&mut told, &sat(0, Some(9)), &[]);
    case(&mut told, &sat(1, Some(10)), &["10 sat ready"]);
    case(&mut told, &sat(2, Some(10)), &[]);
    case(&mut told, &sat(3, Some(25)), &[]);
    case(&mut told, &sat(61, Some(25)), &["25 sat ready"]);
    case(&mut told, &sat(130, None), &[]);
    // Fetched, and paid again.
    case(&mut told, &sat(131, Some(0)), &[]);
    case(&mut told, &sat(132, Some(12)), &["12 sat ready"]);
}

proptest! {
    /// Whatever happens, nobody is told too often, and of no return without a silence.
    #[test]
    fn nobody_is_pestered(
        steps in prop::collection::vec(
            (0..40 * MINUTE, prop::collection::vec((0..4u8, any::<bool>(), 0..200u64, 0..20u64), 0..5),
             prop::option::of(0..100u64), any::<bool>()),
            1..60,
        ),
    ) {
        let (mut told, mut now) = (Told::default(), START);
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        let mut shares: BTreeMap<u8, u64> = BTreeMap::new();
        let mut silent = BTreeSet::new();
        for (wait, seen_workers, ready, serving) in steps {
            now += wait;
            let mut workers = BTreeMap::new();
            for (name, shared, accepted, rejected) in seen_workers {
                let last_ms = shares.entry(name).or_insert(now);
                if shared {
                    *last_ms = now;
                }
                let one = WorkerSeen {
                    accepted,
                    rejected,
                    ..worker(&name.to_string(), *last_ms)
                };
                workers.insert(name, one);
            }
            let look = Seen {
                now_ms: now,
                serving_since_ms: serving.then_some(0),
                workers: workers.into_values().collect(),
                ready: ready.map(Sat::new),
            };
            for news in told.look(&look, Sat::new(1), &RULES) {
                let kind = match &news {
                    News::Silent { workers, .. } => {
                        for one in workers {
                            prop_assert!(now - one.last_ms >= RULES.silent_after_ms);
                            silent.insert(one.name.clone());
                        }
                        "silent"
                    }
                    News::Back { workers, .. } => {
                        for name in workers {
                            prop_assert!(silent.remove(name), "{name:?} was never silent");
                        }
                        "back"
                    }
                    News::Rejects { .. } => "rejects",
                    News::Ready { sat } => {
                        prop_assert_eq!(Some(*sat), look.ready);
                        "ready"
                    }
                    other => panic!("{other:?} is not seen"),
                };
                if let Some(before) = last.insert(kind, now) {
                    prop_assert!(now - before >= APART_MS, "{kind} after {} ms", now - before);
                }
            }
            prop_assert!(told.silent.len() <= look.workers.len());
            prop_assert!(told.rejecting.len() <= look.workers.len());
            // The same look again is no news, but for what had to wait.
            prop_assert!(told.clone().look(&look, Sat::new(1), &RULES).is_empty());
        }
    }
}
