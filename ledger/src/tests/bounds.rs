//! The bounds of everything that strangers can make grow.

use std::sync::Arc;
use std::time::Duration;

use accounting::settle::Event;
use accounting::{
    CloseCause, CreditedHashes, EpochId, Identity, MinerId, Resolution, SessionId, ShareId,
    ShareRecord, Work, Worker,
};
use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};

use super::disk::Disk;
use super::driver::{Answer, Driver, NOW_MS, options, terms};
use super::fixtures::{block, note, payment};
use crate::entry::Entry;
use crate::testing::{miner, share};

const DAY_MS: u64 = 24 * 3600 * 1000;

/// How many rows a table has on disk.
#[track_caller]
fn rows(driver: &Driver, table: &str) -> u64 {
    let count = driver.writer.shared().with_database(|database| {
        let table: TableDefinition<'_, u64, &[u8]> = TableDefinition::new(table);
        Ok(database.begin_read()?.open_untyped_table(table)?.len()?)
    });
    count.expect("reads")
}

fn at(number: u8, sequence: u64, time_ms: u64) -> Entry {
    Entry::Share(ShareRecord {
        typed: Some(accounting::KeyPrefix::Even),
        time_ms,
        ..share(number, sequence, 40)
    })
}

#[test]
fn a_checkpoint_empties_the_journal() {
    let mut driver = Driver::open(&Disk::new()).expect("opens");
    for sequence in 1..=5 {
        assert_eq!(driver.append(&[at(1, sequence, NOW_MS)]), Answer::Stored);
    }
    let numbered = |driver: &Driver| driver.writer.shared().state().batch();
    // The first was for the books' first epoch, which is in the store.
    assert_eq!(numbered(&driver), 6);
    assert_eq!((rows(&driver, "journal"), rows(&driver, "tallies")), (1, 0));
    let (_, before) = driver.disk.files();
    driver.writer.checkpoint();
    assert_eq!((rows(&driver, "journal"), rows(&driver, "tallies")), (0, 1));
    // The next share is written where the first of those was.
    assert_eq!(driver.append(&[at(1, 6, NOW_MS)]), Answer::Stored);
    let (_, after) = driver.disk.files();
    let length = |journal: Option<Vec<u8>>| journal.expect("there").len();
    assert_eq!(length(after), length(before));
    driver.check();
}

/// A restart has to know what was credited just before, and not what was an hour ago.
#[test]
fn credited_hashes_are_known_over_restarts_for_a_quarter_of_an_hour() {
    const KEPT_MS: u64 = CreditedHashes::KEPT_MS;
    let disk = Disk::new();
    let mut driver = Driver::open(&disk).expect("opens");
    let share = |number, time_ms| [at(number, 1, time_ms)];
    assert_eq!(driver.append(&share(1, NOW_MS)), Answer::Stored);
    driver.writer.checkpoint();
    assert_eq!(driver.append(&share(2, NOW_MS + 1)), Answer::Stored);
    let credited = |driver: &Driver| {
        let credited = driver.reader().credited_lately().expect("reads");
        [1, 2, 3].map(|number| credited.contains(&[number; 32]))
    };
    assert_eq!(credited(&driver), [true, true, false]);
    // In the table the one, in the journal the other; then in the table both.
    for _ in 0..2 {
        driver.disk.lose_power(7);
        driver.reopen();
        assert_eq!(credited(&driver), [true, true, false]);
    }
    assert_eq!(
        driver.append(&share(3, NOW_MS + KEPT_MS + 1)),
        Answer::Stored
    );
    driver.close();
    driver.reopen();
    assert_eq!(credited(&driver), [false, true, true]);
    // A clock that was a day ahead: what it left goes when the clock is right again.
    assert_eq!(driver.append(&share(4, NOW_MS + DAY_MS)), Answer::Stored);
    driver.writer.checkpoint();
    assert_eq!(
        driver.append(&share(5, NOW_MS + KEPT_MS + 2)),
        Answer::Stored
    );
    driver.writer.checkpoint();
    assert_eq!(rows(&driver, "credited hashes"), 1);
}

#[test]
fn what_is_old_goes_and_work_stays() {
    let mut driver = Driver::open(&Disk::new()).expect("opens");
    let append = |driver: &mut Driver, entry| {
        assert_eq!(driver.append(&[entry]), Answer::Stored);
        driver.writer.checkpoint();
    };
    append(&mut driver, at(1, 1, NOW_MS));
    append(&mut driver, at(2, 1, NOW_MS));
    let counts = |driver: &Driver| {
        ["buckets", "sessions", "workers", "tallies"].map(|table| rows(driver, table))
    };
    // Of the two miners and of the pool one bucket of each resolution.
    assert_eq!(counts(&driver), [6, 2, 2, 2]);
    // Two days on the ten minutes are gone, and the sessions that fell silent.
    append(&mut driver, at(1, 2, NOW_MS + 2 * DAY_MS));
    assert_eq!(counts(&driver), [3 + 4, 1, 2, 2]);
    // Ten days on the hours, and in forty the worker.
    append(&mut driver, at(1, 3, NOW_MS + 10 * DAY_MS));
    assert_eq!(counts(&driver), [4, 1, 2, 2]);
    append(&mut driver, at(1, 4, NOW_MS + 40 * DAY_MS));
    assert_eq!(counts(&driver), [4, 1, 1, 2]);
    let tallies = driver.reader().tallies(EpochId::FIRST).expect("reads");
    assert_eq!(tallies[&miner(1)].work, Work::from_hashes(160));
    assert_eq!(tallies[&miner(2)].work, Work::from_hashes(40));
    assert_eq!(driver.reader().workers(&miner(2)).expect("reads"), []);
}

#[test]
fn a_clock_that_was_wrong_leaves_nothing_behind() {
    let mut driver = Driver::open(&Disk::new()).expect("opens");
    assert_eq!(
        driver.append(&[at(1, 1, NOW_MS + 999 * DAY_MS)]),
        Answer::Stored
    );
    driver.writer.checkpoint();
    assert_eq!(driver.append(&[at(1, 2, NOW_MS)]), Answer::Stored);
    driver.writer.checkpoint();
    assert_eq!(rows(&driver, "buckets"), 4);
    let buckets = driver
        .reader()
        .buckets(None, Resolution::Hour, NOW_MS)
        .expect("reads");
    assert_eq!(
        buckets.last().map(|bucket| bucket.work),
        Some(Work::from_hashes(40))
    );
}

#[test]
fn closed_epochs_are_packed_and_read_as_before() {
    let mut driver = Driver::open(&Disk::new()).expect("opens");
    for number in 1..=9 {
        assert_eq!(driver.append(&[at(number, 1, NOW_MS)]), Answer::Stored);
    }
    driver.writer.checkpoint();
    let all = |driver: &Driver| driver.reader().tallies(EpochId::FIRST).expect("reads");
    let before = all(&driver);
    let counts = |driver: &Driver| ["tallies", "packed tallies"].map(|table| rows(driver, table));
    (0..9).for_each(|_| driver.writer.pack());
    assert_eq!(counts(&driver), [9, 0], "the open epoch's");
    let close = Entry::Close {
        cause: CloseCause::Command,
        at_ms: NOW_MS,
        next: terms(),
    };
    assert_eq!(driver.append(&[close]), Answer::Stored);
    (0..9).for_each(|_| driver.writer.pack());
    assert_eq!(counts(&driver), [9, 0], "no checkpoint has its last ones");
    driver.writer.checkpoint();
    driver.writer.pack();
    assert_eq!(counts(&driver), [6, 1], "three at once");
    assert_eq!(all(&driver), before);
    (0..9).for_each(|_| driver.writer.pack());
    assert_eq!(counts(&driver), [0, 1]);
    assert_eq!(all(&driver), before);
    for (miner, tally) in before {
        let read = driver.reader().tally(EpochId::FIRST, &miner);
        assert_eq!(read.expect("reads"), Some(tally));
    }
    let none = driver.reader().tally(EpochId::FIRST, &miner(10));
    assert_eq!(none.expect("reads"), None);
}

#[test]
fn accounts_below_a_satoshi_are_packed() {
    let mut driver = Driver::open(&Disk::new()).expect("opens");
    let pays = |driver: &mut Driver, height: u32, amount_msat: u64| {
        let found = block(height);
        let close = Entry::Close {
            cause: CloseCause::OceanBlock {
                hash: found.hash,
                height,
            },
            at_ms: NOW_MS,
            next: terms(),
        };
        assert_eq!(driver.append(&[close]), Answer::Stored);
        let note = note(found.hash, height + 30);
        let paid = Event::Paid(payment(height, amount_msat, note));
        driver.settle(paid).expect("books");
        let accounts = driver.reader().miner_accounts().expect("reads");
        (0..9).for_each(|_| driver.writer.pack());
        assert_eq!(driver.reader().miner_accounts().expect("reads"), accounts);
        for (miner, account) in accounts {
            let read = driver.reader().miner_account(&miner);
            assert_eq!(read.expect("reads"), account);
        }
        ["miner accounts", "packed accounts"].map(|table| rows(driver, table))
    };
    for number in 1..=4 {
        assert_eq!(driver.append(&[at(number, 1, NOW_MS)]), Answer::Stored);
    }
    assert_eq!(pays(&mut driver, 100, 2_000), [0, 1], "half a satoshi each");
    assert_eq!(driver.append(&[at(1, 2, NOW_MS)]), Answer::Stored);
    // With the half of before it is more than one.
    assert_eq!(pays(&mut driver, 200, 1_000), [1, 1]);
    let account = driver.reader().miner_account(&miner(1)).expect("reads");
    assert_eq!((account.paid.get(), account.carry.get()), (1, 500));
    // And its copy in the block is gone.
    let of_block = driver.writer.shared().with_database(|database| {
        let table: TableDefinition<'_, &[u8; 40], &[u8]> = TableDefinition::new("packed accounts");
        let table = database.begin_read()?.open_table(table)?;
        let block = table.first()?.map(|(_, block)| block.value().to_vec());
        Ok(block.unwrap_or_default())
    });
    // A key and three small numbers for each of the other three.
    assert_eq!(of_block.expect("reads").len(), 3 * (32 + 5));
}

/// A slice goes with each checkpoint.
#[test]
fn what_is_old_goes_in_slices() {
    let mut options = options();
    options.checkpoint_rows = 7;
    options.checkpoint_interval = Duration::from_secs(3600);
    let mut driver = Driver::open_with(&Disk::new(), options).expect("opens");
    for number in 1..=20 {
        assert_eq!(driver.append(&[at(number, 1, NOW_MS)]), Answer::Stored);
    }
    let later = NOW_MS + 40 * DAY_MS;
    assert_eq!(driver.append(&[at(1, 2, later)]), Answer::Stored);
    driver.writer.checkpoint();
    let kept = |driver: &Driver| {
        ["buckets", "sessions", "workers"]
            .map(|table| rows(driver, table))
            .iter()
            .sum::<u64>()
    };
    let (mut slices, mut before) = (0, kept(&driver));
    while driver.writer.shared().state().prunes_on() {
        driver.writer.checkpoint();
        let after = kept(&driver);
        assert!(before - after <= 7, "{before} to {after}");
        before = after;
        slices += 1;
    }
    let tallies = driver.reader().tallies(EpochId::FIRST).expect("reads");
    assert_eq!(tallies.len(), 20);
    assert!(slices > 5, "{slices} slices");
    // One session, one worker, two buckets of it and two of the pool.
    assert_eq!(before, 6);
}

/// Keys that come once: each is on disk soon, and few are in memory.
#[test]
fn throwaway_keys_do_not_fill_the_memory() {
    let (keys, rows_held) = match std::env::var_os("AXEPOOL_NIGHTLY") {
        Some(_) => (1_000_000u32, 50_000),
        None => (20_000, 2_000),
    };
    let mut options = options();
    options.checkpoint_rows = rows_held;
    options.checkpoint_interval = Duration::from_secs(3600);
    let mut driver = Driver::open_with(&Disk::new(), options).expect("opens");
    let mut most = 0;
    for batch in (0..keys).collect::<Vec<_>>().chunks(500) {
        let mut entries: Vec<Entry> = batch.iter().map(|number| throwaway(*number)).collect();
        let mut replies = entries
            .iter()
            .map(|_| crate::message::Reply::None)
            .collect();
        driver.writer.append(&mut entries, &mut replies);
        most = most.max(driver.writer.shared().state().dirty());
    }
    // A batch comes on top of what starts a checkpoint; a key changes six rows.
    assert!(most <= rows_held + 6 * 500, "{most} rows held");
    assert_eq!(rows(&driver, "tallies") + held(&driver), u64::from(keys));
    let totals = driver.reader().open_epoch().totals;
    assert_eq!((totals.miners, totals.shares), (keys.into(), keys.into()));
    assert_eq!(
        driver
            .reader()
            .tallies(EpochId::FIRST)
            .expect("reads")
            .len() as u64,
        u64::from(keys)
    );
}

/// Keys that no checkpoint has.
fn held(driver: &Driver) -> u64 {
    let state = driver.writer.shared().state();
    state.checkpoint().tallies.len() as u64
}

fn throwaway(number: u32) -> Entry {
    let mut key = [9; 32];
    key[..4].copy_from_slice(&number.reverse_bits().to_be_bytes());
    let who = Identity {
        miner: MinerId::from_stored(key),
        worker: accounting::WorkerName::clean(""),
    };
    let id = ShareId {
        session: SessionId::new(1, number),
        sequence: 1,
    };
    Entry::Share(ShareRecord {
        typed: Some(accounting::KeyPrefix::Even),
        id,
        who: Arc::new(who),
        ..share(1, 1, 40)
    })
}

#[test]
fn the_sixty_fifth_worker_is_one_of_the_others() {
    let mut driver = Driver::open(&Disk::new()).expect("opens");
    let named = |sequence: u64, name: String| {
        let who = Identity {
            miner: miner(1),
            worker: accounting::WorkerName::clean(&name),
        };
        Entry::Share(ShareRecord {
            typed: Some(accounting::KeyPrefix::Even),
            who: Arc::new(who),
            ..share(1, sequence, 40)
        })
    };
    for sequence in 1..=100 {
        driver.append(&[named(sequence, format!("w{sequence}"))]);
        if sequence % 30 == 0 {
            driver.close();
            driver.reopen();
        }
    }
    // One that has a row keeps it.
    driver.append(&[
        named(101, "w1".to_owned()),
        named(102, Worker::OTHERS.to_owned()),
    ]);
    let workers = driver.reader().workers(&miner(1)).expect("reads");
    assert_eq!(workers.len(), Worker::MAX_NAMED + 1);
    let shares = |name: &str| {
        let worker = workers.iter().find(|worker| worker.name.as_str() == name);
        worker.map(|worker| worker.shares)
    };
    assert_eq!(
        (shares("w1"), shares("w64"), shares("w65")),
        (Some(2), Some(1), None)
    );
    assert_eq!(shares(Worker::OTHERS), Some(36 + 1));
}

/// Ten thousand keys with a share each, every one over a session of its own. Once they
/// have been away for twenty minutes nothing of them is in memory, and all of it in the
/// books.
#[test]
fn throwaway_keys_leave_nothing_in_memory() {
    let keys = (1_u64..).filter_map(|number| {
        let mut bytes = [0; 32];
        bytes[24..].copy_from_slice(&number.to_be_bytes());
        MinerId::from_x_only_bytes(bytes)
    });
    let throwaway = |number: u64, miner: MinerId| {
        let template = share(1, 1, 40);
        Entry::Share(ShareRecord {
            typed: Some(accounting::KeyPrefix::Even),
            id: ShareId {
                session: SessionId::new(9, u32::try_from(number).expect("few")),
                sequence: 1,
            },
            who: Arc::new(Identity {
                miner,
                worker: template.who.worker.clone(),
            }),
            time_ms: NOW_MS,
            ..template
        })
    };
    let mut driver = Driver::open(&Disk::new()).expect("opens");
    let keys: Vec<MinerId> = keys.take(10_000).collect();
    for (batch, keys) in (0_u64..).zip(keys.chunks(1_000)) {
        let numbers = batch * 1_000..;
        let entries: Vec<Entry> = numbers
            .zip(keys)
            .map(|(n, key)| throwaway(n, *key))
            .collect();
        assert_eq!(driver.append(&entries), Answer::Stored);
    }
    let held = |driver: &Driver| {
        driver
            .writer
            .shared()
            .state
            .lock()
            .expect("no panic")
            .held()
    };
    driver.writer.checkpoint();
    assert_eq!(held(&driver), (10_000, 10_000), "they may send more");
    assert_eq!(
        driver.append(&[at(1, 1, NOW_MS + 20 * 60_000)]),
        Answer::Stored
    );
    driver.writer.checkpoint();
    assert_eq!(held(&driver), (1, 1));
    let workers = driver.reader().workers(&keys[77]).expect("reads");
    assert_eq!(workers.first().map(|worker| worker.shares), Some(1));
    // One of them comes again, another sends its share again.
    let again = [throwaway(77, keys[77]), at(1, 2, NOW_MS + 20 * 60_000)];
    assert_eq!(driver.append(&again), Answer::Stored);
    let workers = driver.reader().workers(&keys[77]).expect("reads");
    assert_eq!(workers.first().map(|worker| worker.shares), Some(1));
    let tallies = driver.reader().tallies(EpochId::FIRST).expect("reads");
    assert_eq!(tallies.len(), 10_001);
}
