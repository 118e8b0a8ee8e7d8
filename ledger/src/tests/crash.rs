//! Power goes at every single write and sync of a small history, once each. Nothing
//! that was answered `stored` is missing then, and nothing counts twice.

use super::disk::{Disk, Fault};
use super::driver::{Answer, Driver, terms};
use super::history::{Teller, Telling};
use crate::Health;
use crate::entry::Entry;

/// What the history does between its batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Between {
    Nothing,
    Checkpoint,
    Reopen,
}

fn share(miner: u8, work: u8) -> Telling {
    Telling::Share {
        miner,
        session: miner,
        worker: 0,
        work,
        block: work == 99,
        minutes: 4,
    }
}

/// A bit of everything.
fn history() -> Vec<(Vec<Telling>, Between)> {
    let close = |block| Telling::Close {
        block: Some(block),
        quote_min_work: 0,
        share_quotes: 2,
    };
    vec![
        (vec![share(1, 20), share(2, 20)], Between::Nothing),
        (
            vec![share(1, 20), Telling::Again { session: 1 }],
            Between::Checkpoint,
        ),
        (
            vec![share(3, 99), close(1), share(1, 5), share(1, 6)],
            Between::Nothing,
        ),
        (
            vec![Telling::Done { ids: vec![1, 2] }, share(2, 7)],
            Between::Reopen,
        ),
        (vec![share(2, 8), close(1), share(3, 1)], Between::Nothing),
        (
            vec![Telling::Again { session: 3 }, share(4, 30)],
            Between::Checkpoint,
        ),
        (
            vec![Telling::Done { ids: vec![3] }, close(2)],
            Between::Nothing,
        ),
        (vec![share(1, 3)], Between::Nothing),
    ]
}

/// How a run with a fault ended.
struct Ended {
    driver: Driver,
    /// The answer to the last entries that were handed over.
    answer: Answer,
    /// Those of them that were not stored.
    rest: Vec<Entry>,
}

/// Runs the history until something is not answered as stored.
fn run(driver: Driver, teller: &mut Teller) -> Ended {
    let mut driver = driver;
    for (tellings, between) in history() {
        let entries: Vec<Entry> = tellings
            .iter()
            .filter_map(|telling| teller.entry(telling))
            .collect();
        let before = driver.model.len();
        let answer = driver.append(&entries);
        if answer != Answer::Stored {
            let stored = driver.model.len() - before;
            return Ended {
                driver,
                answer,
                rest: entries[stored..].to_vec(),
            };
        }
        match between {
            Between::Nothing => (),
            Between::Checkpoint => driver.writer.checkpoint(),
            Between::Reopen => {
                driver.close();
                if driver.try_reopen().is_err() {
                    break;
                }
            }
        }
    }
    Ended {
        driver,
        answer: Answer::Stored,
        rest: Vec::new(),
    }
}

impl Ended {
    /// The ledger is the model. Where no answer was given it may also be the model and
    /// the first batch of the rest, and then the model becomes that.
    #[track_caller]
    fn check(&mut self) {
        let is_close = |entry: &Entry| matches!(entry, Entry::Close { .. });
        let rest = &self.rest;
        let end = rest
            .iter()
            .position(is_close)
            .map_or(rest.len(), |at| at + 1);
        if self.answer == Answer::Nothing {
            let mut with = self.driver.model.clone();
            with.stored(&rest[..end]);
            let reader = self.driver.reader();
            let check = std::panic::AssertUnwindSafe(|| with.check(&reader, terms()));
            if std::panic::catch_unwind(check).is_ok() {
                self.driver.model = with;
                self.answer = Answer::Stored;
            }
        }
        self.driver.check();
    }
}

/// The first opening happens on a sound disk: a real one is made under another name
/// and renamed when it is whole.
fn made() -> Disk {
    let disk = Disk::new();
    Driver::open(&disk).expect("opens").close();
    disk
}

#[test]
fn power_may_go_at_any_moment() {
    let calls = {
        let disk = made();
        let driver = Driver::open(&disk).expect("opens");
        disk.set_fault(Fault::None);
        let ended = run(driver, &mut Teller::default());
        assert_eq!(ended.answer, Answer::Stored);
        ended.driver.check();
        disk.calls()
    };
    assert!(calls > 100, "the history does little: {calls} calls");
    let losses = if std::env::var_os("AXEPOOL_NIGHTLY").is_some() {
        200
    } else {
        3
    };
    for call in 1..=calls {
        for loss in 0..losses {
            let disk = made();
            let driver = Driver::open(&disk).expect("opens");
            disk.set_fault(Fault::DeadFrom(call));
            let mut ended = run(driver, &mut Teller::default());
            disk.lose_power(call * 1000 + loss);
            ended.driver.reopen();
            ended.check();
            // And again, before anything was written to it.
            disk.lose_power(loss);
            ended.driver.reopen();
            ended.check();
        }
    }
}

#[test]
fn power_may_go_during_a_start() {
    // What an unclean end leaves: a journal to replay and a file to repair.
    let left = |seed| {
        let disk = made();
        let driver = Driver::open(&disk).expect("opens");
        let ended = run(driver, &mut Teller::default());
        disk.lose_power(seed);
        (disk, ended.driver)
    };
    let (disk, mut driver) = left(0);
    driver.reopen();
    let calls = disk.calls();
    for call in 1..=calls {
        let (disk, mut driver) = left(call);
        disk.set_fault(Fault::DeadFrom(call));
        assert!(
            driver.try_reopen().is_err() || call > calls / 2,
            "call {call} of {calls}"
        );
        disk.lose_power(call);
        driver.reopen();
        driver.check();
    }
}

#[test]
fn a_disk_may_fail_once_at_any_moment() {
    let calls = {
        let disk = made();
        let driver = Driver::open(&disk).expect("opens");
        disk.set_fault(Fault::None);
        run(driver, &mut Teller::default());
        disk.calls()
    };
    for call in 1..=calls {
        for count in [1, 2, 5] {
            let disk = made();
            let driver = Driver::open(&disk).expect("opens");
            disk.set_fault(Fault::Broken { from: call, count });
            let mut teller = Teller::default();
            let mut ended = run(driver, &mut teller);
            if !ended.driver.is_open() {
                // A start that failed, or a store that could not be reopened.
                disk.lose_power(call);
                ended.driver.reopen();
            }
            disk.set_fault(Fault::None);
            ended.driver.writer.probe();
            assert_eq!(ended.driver.health(), Health::Ok);
            ended.check();
            let last = teller.entry(&share(4, 50)).expect("a share");
            assert_eq!(ended.driver.append(&[last]), Answer::Stored);
            disk.lose_power(call);
            ended.driver.reopen();
            ended.driver.check();
        }
    }
}

/// A sync that failed may have written all the same. What was refused must not come
/// back with the power.
#[test]
fn what_was_refused_stays_refused() {
    let mut refused = 0;
    for call in 1.. {
        let disk = made();
        let driver = Driver::open(&disk).expect("opens");
        disk.set_fault(Fault::Broken {
            from: call,
            count: 1,
        });
        let mut ended = run(driver, &mut Teller::default());
        if disk.calls() < call {
            break;
        }
        refused += usize::from(ended.answer == Answer::Refused);
        // The system may have what the disk has not.
        if call % 2 == 0 {
            disk.kill();
            ended.driver.reopen();
            ended.check();
        }
        disk.lose_power(call);
        ended.driver.reopen();
        ended.check();
    }
    assert!(refused > 10, "only {refused} were refused");
}
