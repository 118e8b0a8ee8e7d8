//! Power goes, or the disk fails, at every single write and sync of a history of money.
//! Whoever was not told that it is done asks again: in the end the books, the outbox and
//! the audit files are what they are without any fault.

use accounting::settle::{Books, Earnings, Event, FileHash, OperatorEntry, OperatorKind, Policy};
use accounting::{
    CloseCause, EpochTerms, Msat, OutboxId, OutboxKind, QuotePer, Sat, ShareRecord, Split, Work,
};

use super::books::{check_audit, outbox};
use super::disk::{Disk, Fault};
use super::driver::{Answer, Driver, NOW_MS, terms};
use super::fixtures::{block, hash, lightning, miner, note, payment};
use crate::entry::Entry;
use crate::testing::share;
use crate::{Health, LedgerError};

#[derive(Clone, Debug)]
enum Act {
    Append(Entry),
    Close(CloseCause),
    Book(Event),
    Hash,
    Checkpoint,
    /// Until all is packed.
    Pack,
    Restart,
}

fn mine(number: u8, sequence: u64, work: u128) -> Act {
    Act::Append(Entry::Share(ShareRecord {
        typed: Some(accounting::KeyPrefix::Even),
        ..share(number, sequence, work)
    }))
}

fn close(height: u32) -> Act {
    let block = block(height);
    Act::Close(CloseCause::OceanBlock {
        hash: block.hash,
        height: block.height,
    })
}

fn pays(number: u32, amount_msat: u64, height: u32) -> Act {
    let note = note(hash(height), height + 30);
    Act::Book(Event::Paid(payment(number, amount_msat, note)))
}

/// A bit of everything.
fn acts() -> Vec<Act> {
    let earnings = Earnings {
        net: Sat::new(100),
        shares_in_window: Some(1),
    };
    let withdrawal = OperatorEntry {
        id: "w1".into(),
        kind: OperatorKind::Withdrawal { to: "there".into() },
        amount: Msat::new(700),
    };
    let orphaned = || Act::Book(Event::BlockOrphaned { block: hash(110) });
    vec![
        mine(1, 1, 100),
        mine(2, 1, 50),
        close(100),
        pays(1, 123_456, 100),
        mine(1, 2, 10),
        mine(3, 1, 7),
        Act::Checkpoint,
        Act::Pack,
        // Paid before its block is seen.
        pays(2, 55_555, 105),
        Act::Append(Entry::OutboxDone(vec![OutboxId::new(1), OutboxId::new(3)])),
        close(105),
        Act::Hash,
        Act::Restart,
        mine(2, 2, 500),
        Act::Book(Event::Paid(payment(3, 1_995, None))),
        Act::Book(Event::ToFee {
            payout: lightning(3),
        }),
        close(110),
        orphaned(),
        mine(1, 3, 9),
        // It came back, and closes another epoch.
        close(110),
        Act::Book(Event::EarningsKnown {
            block: hash(110),
            earnings,
            reward: None,
        }),
        Act::Checkpoint,
        Act::Pack,
        // Too small to be split: with the next one.
        pays(5, 995, 110),
        pays(4, 100_001, 110),
        Act::Book(Event::Operator(withdrawal)),
        orphaned(),
        pays(1, 123_456, 100),
        Act::Pack,
        Act::Hash,
    ]
}

fn play(driver: &mut Driver, act: &Act) -> Result<(), LedgerError> {
    let stored = |answer| match answer {
        Answer::Stored => Ok(()),
        Answer::Refused | Answer::Nothing => Err(LedgerError::Closed),
    };
    match act.clone() {
        Act::Append(entry) => stored(driver.append(&[entry])),
        Act::Close(cause) => {
            let next = EpochTerms {
                fee_bps: 150,
                split: Split::Tides,
                quote_min_work: Work::from_hashes(1 << 50),
                quote_per: QuotePer::Share,
                max_share_quotes: 2,
            };
            let at_ms = NOW_MS;
            stored(driver.append(&[Entry::Close { cause, at_ms, next }]))?;
            driver.catch_up().map(drop)
        }
        Act::Book(event) => driver.settle(event).map(drop),
        Act::Hash => driver.hash_files(),
        Act::Checkpoint => {
            driver.writer.checkpoint();
            match driver.health() {
                Health::Ok => Ok(()),
                Health::Failing { reason } => Err(LedgerError::Failing { reason }),
            }
        }
        Act::Pack => {
            (0..6).for_each(|_| driver.writer.pack());
            match driver.health() {
                Health::Ok => Ok(()),
                Health::Failing { reason } => Err(LedgerError::Failing { reason }),
            }
        }
        Act::Restart => {
            driver.close();
            driver.try_reopen().map_err(|_| LedgerError::Closed)
        }
    }
}

/// All that a history leaves.
#[derive(Debug, PartialEq)]
struct Left {
    books: Books,
    outbox: Vec<(OutboxId, OutboxKind)>,
    audit: Option<FileHash>,
    epochs: Vec<accounting::Epoch>,
}

#[track_caller]
fn left(driver: &Driver) -> Left {
    let reader = driver.reader();
    let books = reader.whole_books(Policy::default()).expect("reads");
    books.check().expect("adds up");
    Left {
        books,
        outbox: outbox(&reader),
        audit: check_audit(&reader),
        epochs: reader.epochs(usize::MAX).expect("reads"),
    }
}

fn made() -> Disk {
    let disk = Disk::new();
    Driver::open(&disk).expect("opens").close();
    disk
}

/// Without a fault: what is left, and how often the disk was changed for it.
fn sound() -> (Left, u64) {
    let disk = made();
    let mut driver = Driver::open(&disk).expect("opens");
    disk.set_fault(Fault::None);
    for act in acts() {
        play(&mut driver, &act).expect("a sound disk");
    }
    (left(&driver), disk.calls())
}

#[test]
fn the_history_does_what_it_is_for() {
    let (left, calls) = sound();
    assert!(calls > 150, "only {calls} calls");
    let totals = left.books.sums();
    assert_eq!(totals.received, 123_456 + 55_555 + 1_995 + 995 + 100_001);
    assert_eq!(totals.gathered, 0);
    assert!(totals.fee > 1_995 && totals.carry > 0 && totals.withdrawn == 700);
    assert_eq!(left.books.payouts().len(), 5);
    let paid = |kind: &OutboxKind| matches!(kind, OutboxKind::PayQuote { .. });
    let count =
        |what: fn(&OutboxKind) -> bool| left.outbox.iter().filter(|(_, kind)| what(kind)).count();
    assert!(left.outbox.iter().filter(|(_, kind)| paid(kind)).count() >= 4);
    assert_eq!(
        count(|kind| matches!(kind, OutboxKind::MergeEpoch { .. })),
        1
    );
    assert!(count(|kind| matches!(kind, OutboxKind::SettleEpoch { .. })) >= 2);
    let of_share = |kind: &OutboxKind| matches!(kind, OutboxKind::PayQuote { share: Some(_), .. });
    assert!(count(of_share) >= 2);
    assert!(left.audit.is_some());
    assert_eq!(left.epochs.len(), 5);
    assert!(
        left.books
            .miner_accounts()
            .contains_key(&crate::testing::miner(1))
    );
    assert!(!left.books.miner_accounts().contains_key(&miner(9)));
}

#[test]
fn power_may_go_at_any_moment_of_a_booking() {
    let (expected, calls) = sound();
    let losses = if std::env::var_os("AXEPOOL_NIGHTLY").is_some() {
        100
    } else {
        2
    };
    for call in 1..=calls {
        for loss in 0..losses {
            let disk = made();
            let mut driver = Driver::open(&disk).expect("opens");
            disk.set_fault(Fault::DeadFrom(call));
            for act in acts() {
                if play(&mut driver, &act).is_err() {
                    disk.lose_power(call * 1000 + loss);
                    driver.reopen();
                    left(&driver);
                    disk.lose_power(loss);
                    driver.reopen();
                    play(&mut driver, &act).expect("a sound disk");
                }
            }
            assert_eq!(left(&driver), expected, "call {call}, loss {loss}");
        }
    }
}

#[test]
fn a_disk_may_fail_for_a_while_at_any_moment_of_a_booking() {
    let (expected, calls) = sound();
    for call in 1..=calls {
        for count in [1, 3] {
            let disk = made();
            let mut driver = Driver::open(&disk).expect("opens");
            disk.set_fault(Fault::Broken { from: call, count });
            for act in acts() {
                let mut tries = 0;
                while let Err(error) = play(&mut driver, &act) {
                    tries += 1;
                    assert!(tries < 10, "{act:?}: {error}");
                    if !driver.is_open() {
                        disk.lose_power(call);
                        driver.reopen();
                    }
                    // Nothing half-written, whatever was said.
                    left(&driver);
                    driver.writer.probe();
                }
            }
            assert_eq!(left(&driver), expected, "call {call}, {count} times");
        }
    }
}

#[test]
fn a_refusal_is_typed_and_books_nothing() {
    let mut driver = Driver::open(&made()).expect("opens");
    driver.catch_up().expect("books");
    let before = left(&driver);
    let error = driver
        .settle(Event::ToFee {
            payout: lightning(1),
        })
        .expect_err("there is none");
    assert!(matches!(error, LedgerError::Refused(_)), "{error}");
    let epoch = accounting::EpochId::FIRST;
    let terms = terms();
    let error = driver
        .settle(Event::EpochOpened { epoch, terms })
        .expect_err("not from outside");
    assert!(matches!(error, LedgerError::ClosesItself), "{error}");
    driver.writer.checkpoint();
    assert_eq!(left(&driver), before);
}
