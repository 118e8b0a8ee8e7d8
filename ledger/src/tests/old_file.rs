//! A ledger's file that redb 3.1 wrote, opened by the redb of today: all of it is there,
//! it goes on, and a loss of power while it is first opened loses nothing.

use std::path::Path;
use std::sync::Arc;

use accounting::settle::{Event, PaidTo, Payment, Preimage, Via};
use accounting::{CloseCause, EpochTerms, Msat, OutboxId, SessionId, ShareId, ShareRecord, Work};
use bitcoin::BlockHash;
use bitcoin::hashes::{Hash as _, sha256};
use prometheus::Registry;
use redb::{ReadableDatabase as _, ReadableTable as _, TableHandle as _};
use redb_3::ReadableDatabase as _;

use super::disk::{Disk, Fault};
use crate::store::{FileOpener, Opener, journal_path};
use crate::testing::{miner, share};
use crate::{Ledger, LedgerOptions, ShareAck};

const NOW_MS: u64 = 1_700_000_000_000;

/// The tables with their types, copied from one file into one of the old version.
macro_rules! into_old {
    ($($name:literal: $key:ty => $value:ty;)*) => {
        const TABLES: &[&str] = &[$($name),*];

        fn into_old(new: &redb::Database, old: &redb_3::Database) {
            let read = new.begin_read().expect("reads");
            let write = old.begin_write().expect("writes");
            $({
                let table = redb::TableDefinition::<$key, $value>::new($name);
                let from = read.open_table(table).expect("its types");
                let table = redb_3::TableDefinition::<$key, $value>::new($name);
                let mut to = write.open_table(table).expect("a table");
                for row in from.iter().expect("rows") {
                    let (key, value) = row.expect("a row");
                    to.insert(key.value(), value.value()).expect("inserts");
                }
            })*
            write.commit().expect("commits");
        }
    };
}

into_old! {
    "meta": &str => &[u8];
    "journal": u64 => &[u8];
    "epochs": u64 => &[u8];
    "tallies": &[u8; 40] => &[u8];
    "packed tallies": &[u8; 40] => &[u8];
    "workers": &[u8] => &[u8];
    "buckets": &[u8; 41] => u128;
    "sessions": u64 => (u64, u64);
    "outbox": u64 => &[u8];
    "blocks": &[u8; 32] => &[u8];
    "shares with quotes": &[u8; 44] => &[u8; 32];
    "credited hashes": u64 => &[u8];
    "dissolved": u64 => ();
    "epoch accounts": u64 => &[u8];
    "miner accounts": &[u8; 32] => &[u8; 24];
    "packed accounts": &[u8; 40] => &[u8];
    "payouts": u64 => &[u8];
    "payout numbers": &str => u64;
    "suspended": u64 => ();
    "allocations": &[u8; 40] => &[u8];
    "postings": u64 => &[u8];
    "operator entries": &str => &[u8];
    "quotes": &[u8; 40] => ();
    "payouts by epoch of quotes": (u64, u64) => ();
    "audit files": u64 => u64;
    "audit hashes": u64 => &[u8; 32];
}

/// Makes the file at `path` the one that redb 3.1 would have written.
fn make_old(path: &Path) {
    let old = path.with_extension("old");
    {
        let new = redb::Database::open(path).expect("opens");
        let names = new.begin_read().expect("reads");
        for table in names.list_tables().expect("tables") {
            assert!(
                TABLES.contains(&table.name()),
                "{:?} is not copied",
                table.name()
            );
        }
        into_old(&new, &redb_3::Database::create(&old).expect("a file"));
    }
    std::fs::rename(old, path).expect("renames");
}

fn options(path: &Path) -> LedgerOptions {
    let terms = EpochTerms {
        quote_min_work: Work::ZERO,
        ..EpochTerms::default()
    };
    LedgerOptions::new(path.to_owned(), terms, NOW_MS)
}

fn opened(path: &Path) -> Ledger {
    Ledger::open(options(path), &Registry::new()).expect("opens")
}

async fn mine(ledger: &Ledger, number: u8, work: u128) {
    let session = SessionId::new(ledger.boot(), number.into());
    let like = share(number, 1, work);
    let id = ShareId {
        session,
        sequence: 1,
    };
    let ack = Arc::new(ShareAck::default());
    let permit = ledger.shares().reserve().await.expect("open");
    permit.send(ShareRecord { id, ..like }, Arc::clone(&ack));
    std::future::poll_fn(|cx| ack.poll_decided(cx, 0)).await;
}

/// All that can be asked, as text.
fn all_of(ledger: &Ledger) -> String {
    let epochs = ledger.epochs(100).expect("epochs");
    let outbox = ledger.outbox(OutboxId::START, 1000).expect("outbox");
    let totals = ledger.totals().expect("totals");
    let accounts = ledger.epoch_accounts().expect("accounts");
    let payouts = ledger.payouts(100).expect("payouts");
    let miners: Vec<_> = (1..=5)
        .map(|number| ledger.miner_account(&miner(number)).expect("an account"))
        .collect();
    let open = ledger.open_tallies().expect("tallies");
    format!("{epochs:#?}{outbox:#?}{totals:#?}{accounts:#?}{payouts:#?}{miners:#?}{open:#?}")
}

/// Two epochs, a payment for the first, and work in the open one.
async fn filled(path: &Path) -> String {
    let ledger = opened(path);
    for epoch in 1..=2_u8 {
        for number in 1..=3 {
            mine(&ledger, number + epoch, 1000 * u128::from(number)).await;
        }
        let hash = BlockHash::from_byte_array([epoch; 32]);
        let cause = CloseCause::OceanBlock {
            hash,
            height: 100 * u32::from(epoch),
        };
        ledger.close_epoch(cause, NOW_MS).await.expect("closes");
    }
    mine(&ledger, 1, 77).await;
    let hash = BlockHash::from_byte_array([1; 32]);
    let payment = Payment {
        amount: Msat::new(123_457),
        received_ms: NOW_MS,
        via: Via::Lightning {
            payment_hash: sha256::Hash::hash(&[7; 32]),
            preimage: Some(Preimage([7; 32])),
            paid_to: PaidTo::OceanOffer,
            note: Some(format!(
                "OCEAN lightning payout running at block `{hash}` at height `100`"
            )),
            tip_height: None,
        },
    };
    let effects = ledger.settle(Event::Paid(payment)).await.expect("books");
    assert!(!effects.is_empty());
    let all = all_of(&ledger);
    ledger.close().await;
    all
}

#[tokio::test]
async fn a_file_of_redb_3_is_read_and_goes_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ledger.redb");
    let before = filled(&path).await;
    make_old(&path);

    let ledger = opened(&path);
    assert_eq!(all_of(&ledger), before);
    mine(&ledger, 5, 10_000).await;
    let grown = all_of(&ledger);
    assert_ne!(grown, before);
    // It has the lock of the file, for programs of either version.
    let again = FileOpener {
        path: path.clone(),
        cache_bytes: 1 << 20,
    };
    assert!(again.open(false).is_err(), "opened twice");
    assert!(redb_3::Database::open(&path).is_err(), "opened twice");
    ledger.close().await;

    // A program of the version before reads it again, should an operator go back to it.
    let old = redb_3::Database::open(&path).expect("the format is the same");
    let read = old.begin_read().expect("reads");
    let meta = redb_3::TableDefinition::<&str, &[u8]>::new("meta");
    let meta = read.open_table(meta).expect("the same types");
    assert!(meta.get("schema").expect("reads").is_some());
    drop((meta, read, old));
    let ledger = opened(&path);
    assert_eq!(all_of(&ledger), grown);
    ledger.close().await;
}

#[tokio::test]
async fn power_lost_while_a_file_of_redb_3_is_first_opened_loses_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ledger.redb");
    let before = filled(&path).await;
    make_old(&path);
    let bytes = std::fs::read(&path).expect("reads");
    let journal = Some(std::fs::read(journal_path(&path)).expect("reads"));
    let open =
        |disk: &Disk| Ledger::open_with(Arc::new(disk.clone()), options(&path), &Registry::new());
    let mut calls = 0;
    loop {
        let disk = Disk::of(bytes.clone(), journal.clone());
        disk.set_fault(Fault::DeadFrom(calls + 1));
        let ledger = open(&disk);
        let is_whole = ledger.is_ok() && disk.calls() <= calls;
        if let Ok(ledger) = ledger {
            ledger.close().await;
        }
        disk.lose_power(calls);
        let ledger = open(&disk).expect("opens after the loss");
        assert_eq!(all_of(&ledger), before, "after {calls} calls");
        ledger.close().await;
        calls += 1;
        if is_whole || calls > 200 {
            break;
        }
    }
    assert!(calls > 5, "it changed the file: {calls}");
}
