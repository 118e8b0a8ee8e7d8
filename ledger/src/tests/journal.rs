//! The store and its journal belong together: one without the other, or another one, is
//! never gone on with in silence.

use std::sync::{Arc, Mutex};

use accounting::settle::Event;
use prometheus::Registry;
use redb::{ReadableTable, TableDefinition};

use super::disk::{Disk, Fault};
use super::driver::{Answer, Driver, options};
use super::fixtures::payment;
use crate::entry::{self, Entry};
use crate::store::{FileOpener, Opener, journal_path};
use crate::testing::share;
use crate::{AsLeft, Examiner, GoOn, JournalError, JournalUnfit, Ledger, OpenError, Reader};

pub(super) fn shares(driver: &Driver) -> u64 {
    driver.reader().open_epoch().totals.shares
}

pub(super) fn mine(driver: &mut Driver, sequence: u64) {
    let entry = Entry::Share(share(1, sequence, 40));
    assert_eq!(driver.append(&[entry]), Answer::Stored);
}

/// A disk whose ledger was killed with these shares in its journal.
pub(super) fn killed(sequences: std::ops::Range<u64>) -> Disk {
    let disk = Disk::new();
    let mut driver = Driver::open(&disk).expect("opens");
    sequences.for_each(|sequence| mine(&mut driver, sequence));
    disk.lose_power(0);
    disk
}

#[track_caller]
fn refused(disk: &Disk) -> JournalError {
    match Driver::open(disk) {
        Err(OpenError::Journal { source, .. }) => source,
        Ok(_) => panic!("it goes on"),
        Err(error) => panic!("{error}"),
    }
}

/// Opens as a pool does, which asks others how the ledger goes on.
pub(super) fn examined(disk: &Disk) -> (Result<Driver, OpenError>, Option<AsLeft>) {
    let asked = Arc::new(Mutex::new(None));
    let heard = Arc::clone(&asked);
    let mut options = options();
    options.examiner = Some(Examiner::new(move |left| {
        *heard.lock().expect("no panic") = Some(left.clone());
        Ok(GoOn::AsLeft)
    }));
    let driver = Driver::open_with(disk, options);
    let left = asked.lock().expect("no panic").take();
    (driver, left)
}

#[track_caller]
fn is_told(disk: &Disk, unfit: JournalUnfit, is_kept: bool) {
    assert!(
        matches!(refused(disk), JournalError::Unfit(found) if found == unfit),
        "{unfit:?}"
    );
    disk.lose_power(1);
    let (driver, left) = examined(disk);
    let mut driver = driver.expect("the examiner decides");
    assert_eq!(left.expect("asked").journal_unfit, Some(unfit));
    assert_eq!(disk.aside(), u32::from(is_kept), "what was there is kept");
    let before = shares(&driver);
    mine(&mut driver, 100);
    disk.lose_power(2);
    // It is told once: from here on the two belong together.
    let (driver, left) = examined(disk);
    assert_eq!(left.expect("asked").journal_unfit, None);
    assert_eq!(shares(&driver.expect("opens")), before + 1);
}

#[test]
fn a_missing_journal_is_told() {
    let (store, _) = killed(1..4).files();
    is_told(&Disk::of(store, None), JournalUnfit::Missing, false);
}

#[test]
fn an_older_journal_is_told() {
    let disk = killed(1..4);
    let (_, older) = disk.files();
    for sequence in 4..7 {
        let mut driver = Driver::open(&disk).expect("opens");
        mine(&mut driver, sequence);
        disk.lose_power(0);
    }
    let (store, _) = disk.files();
    is_told(&Disk::of(store, older), JournalUnfit::Older, true);
}

#[test]
fn an_older_store_is_told() {
    let disk = killed(1..4);
    let (store, _) = disk.files();
    let mut driver = Driver::open(&disk).expect("opens");
    mine(&mut driver, 4);
    driver.writer.checkpoint();
    mine(&mut driver, 5);
    let (_, journal) = disk.files();
    is_told(&Disk::of(store, journal), JournalUnfit::Newer, true);
}

#[test]
fn another_ledgers_journal_is_told() {
    let ((store, _), (_, journal)) = (killed(1..4).files(), killed(1..4).files());
    is_told(
        &Disk::of(store, journal.clone()),
        JournalUnfit::OfAnother,
        true,
    );
    // So is one whose ledger is gone; that of a start that was cut off had nothing in it.
    let disk = Disk::of(Vec::new(), journal);
    assert!(matches!(
        refused(&disk),
        JournalError::Unfit(JournalUnfit::OfAnother)
    ));
    let (_, empty) = killed(1..1).files();
    Driver::open(&Disk::of(Vec::new(), empty)).expect("a new ledger");
}

#[test]
fn what_was_found_is_told_again_until_it_is_decided() {
    let (store, _) = killed(1..4).files();
    let disk = Disk::of(store, None);
    let mut options = options();
    options.examiner = Some(Examiner::new(|_| Err("nobody can say".into())));
    let ended = Driver::open_with(&disk, options);
    assert!(matches!(ended, Err(OpenError::Examined(_))));
    disk.lose_power(0);
    let (driver, left) = examined(&disk);
    let unfit = left.expect("asked").journal_unfit;
    assert_eq!(unfit, Some(JournalUnfit::Missing));
    drop(driver);
}

#[test]
fn a_damaged_journal_is_refused_whoever_examines() {
    let (store, journal) = killed(1..4).files();
    let mut journal = journal.expect("there");
    // The second share, of three blocks.
    journal[4 * 4096 + 100] ^= 1;
    let disk = Disk::of(store, Some(journal));
    let (driver, left) = examined(&disk);
    let error = driver.map(drop).expect_err("damaged").to_string();
    assert!(left.is_none());
    assert!(error.contains("disk.journal is damaged: batch"), "{error}");
    assert!(error.contains("move the file away"), "{error}");
    assert_eq!(disk.aside(), 0);
}

/// After a sync that failed, the system shows what the disk does not have and never will:
/// of a record, of the file's growth, or of a mark.
#[test]
fn what_a_failed_sync_forgot_is_not_answered() {
    let mut failed = 0;
    for sync in 0..40 {
        let disk = Disk::new();
        let mut driver = Driver::open(&disk).expect("opens");
        mine(&mut driver, 1);
        disk.set_fault(Fault::ForgetsJournal(sync));
        let mut stored = 1;
        for sequence in 2..16 {
            match driver.append(&[Entry::Share(share(1, sequence, 40))]) {
                Answer::Stored => stored += 1,
                Answer::Refused => driver.writer.probe(),
                Answer::Nothing => panic!("sync {sync}: no answer"),
            }
            if sequence % 5 == 0 {
                driver.writer.checkpoint();
                driver.writer.probe();
            }
        }
        failed += u64::from(stored < 15);
        disk.lose_power(sync);
        driver.reopen();
        driver.check();
        assert_eq!(shares(&driver), stored, "sync {sync}");
    }
    assert!(failed > 10, "only {failed} syncs of records failed");
}

/// A start over a journal that looks empty: what the system shows may never have come to the
/// disk, and what it hides may be there. None of it counts after that start.
#[test]
fn what_comes_to_light_after_a_start_is_old() {
    for seed in 0..60 {
        let disk = Disk::new();
        let mut driver = Driver::open(&disk).expect("opens");
        mine(&mut driver, 1);
        driver.writer.checkpoint();
        disk.set_fault(Fault::NoJournalSync);
        let unknown = driver.append(&[Entry::Share(share(1, 2, 40))]);
        assert_eq!(unknown, Answer::Nothing);
        // Zeros are written over it, and not synced: the next start sees those.
        disk.kill();
        driver.reopen();
        driver.check();
        // A booking has the number of the share that was not answered.
        let paid = Event::Paid(payment(1, 1_000, None));
        driver.settle(paid).expect("books");
        disk.lose_power(seed);
        driver.reopen();
        driver.check();
    }
}

/// The draft of a journal is made anew, whatever stands under its name.
#[cfg(unix)]
#[test]
fn a_planted_draft_is_not_written_through() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ledger.redb");
    let opener = FileOpener {
        path: path.clone(),
        cache_bytes: 1 << 20,
    };
    let precious = directory.path().join("precious");
    std::fs::write(&precious, "money").expect("writes");
    let draft = directory.path().join("ledger.redb.journal.new");
    symlink(&precious, &draft).expect("links");
    opener.make_journal(b"one").expect("makes");
    assert_eq!(std::fs::read(&precious).expect("reads"), b"money");
    // What an older start left may be everybody's to read.
    std::fs::write(&draft, "left").expect("writes");
    std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o666)).expect("sets");
    opener.make_journal(b"two").expect("makes");
    let journal = journal_path(&path);
    assert_eq!(std::fs::read(&journal).expect("reads"), b"two");
    let mode = std::fs::metadata(&journal).expect("there").permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
}

#[test]
fn a_long_journal_brings_a_checkpoint() {
    let disk = Disk::new();
    let mut options = options();
    options.journal_bytes = 3 * 4096;
    let mut driver = Driver::open_with(&disk, options).expect("opens");
    (1..50).for_each(|sequence| mine(&mut driver, sequence));
    let (_, journal) = disk.files();
    let blocks = journal.expect("there").len() / 4096;
    assert!(blocks < 12, "{blocks} blocks");
    disk.lose_power(0);
    driver.reopen();
    driver.check();
}

/// A store of schema 8 has its journal in a table.
#[tokio::test]
async fn a_store_of_schema_8_goes_on_with_its_shares() {
    const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
    const JOURNAL: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("journal");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ledger.redb");
    let open = || {
        let mut options = options();
        options.path.clone_from(&path);
        Ledger::open(options, &Registry::new()).expect("opens")
    };
    open().close().await;
    let opener = FileOpener {
        path: path.clone(),
        cache_bytes: 1 << 20,
    };
    {
        let database = opener.open(false).expect("opens");
        let write = database.begin_write().expect("begins");
        let mut meta = write.open_table(META).expect("opens");
        let schema = 8_u64.to_be_bytes();
        meta.insert("schema", schema.as_slice()).expect("inserts");
        meta.remove("journal file").expect("removes");
        let last = {
            let last = meta.get("batch").expect("reads").expect("there");
            u64::from_be_bytes(last.value().try_into().expect("eight"))
        };
        drop(meta);
        let mut journal = write.open_table(JOURNAL).expect("opens");
        for sequence in 1..=3 {
            let mut row = Vec::new();
            entry::put(&mut row, &Entry::Share(share(1, sequence, 40)));
            journal
                .insert(last + sequence, row.as_slice())
                .expect("inserts");
        }
        drop(journal);
        write.commit().expect("commits");
    }
    std::fs::remove_file(journal_path(&path)).expect("removes");
    let ledger = open();
    assert_eq!(ledger.open_epoch().totals.shares, 3);
    ledger.close().await;
    assert!(journal_path(&path).exists());
    let reader = Reader::open(&path).expect("opens");
    assert_eq!(reader.open_epoch().totals.shares, 3);
    drop(reader);
    let ledger = open();
    assert_eq!(ledger.open_epoch().totals.shares, 3);
    ledger.close().await;
}

/// A command that looks at the store of a pool that was killed.
#[tokio::test]
async fn a_reader_sees_what_is_in_the_journal_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ledger.redb");
    let opener = Arc::new(FileOpener {
        path: path.clone(),
        cache_bytes: 1 << 20,
    });
    let mut driver = Driver::open_real(opener).expect("opens");
    let mut entries: Vec<Entry> = (1..4)
        .map(|sequence| Entry::Share(share(1, sequence, 40)))
        .collect();
    let mut replies = entries
        .iter()
        .map(|_| crate::message::Reply::None)
        .collect();
    driver.append(&mut entries, &mut replies);
    drop(driver);
    let reader = Reader::open(&path).expect("opens");
    assert_eq!(reader.open_epoch().totals.shares, 3);
    drop(reader);
    std::fs::remove_file(journal_path(&path)).expect("removes");
    let error = Reader::open(&path).expect_err("no journal").to_string();
    assert!(error.contains("ledger.redb.journal is missing"), "{error}");
}
