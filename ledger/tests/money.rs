//! Money as the other rooms see it, on a real file and with all threads.

use std::future::poll_fn;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use accounting::settle::{Auditor, Effect, Event, PaidTo, Payment, PayoutKey, Policy, Totals, Via};
use accounting::{
    CloseCause, EpochId, EpochTerms, Identity, MinerId, Msat, OutboxId, OutboxKind, Sat, SessionId,
    ShareId, ShareRecord, UpstreamResult, Work, WorkerName,
};
use bitcoin::BlockHash;
use bitcoin::hashes::{Hash, sha256};
use ledger::{Ledger, LedgerError, LedgerOptions, Reader, ShareAck};
use prometheus::Registry;

const NOW_MS: u64 = 1_700_000_000_000;

fn miner() -> MinerId {
    let key = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    key.parse().expect("a key")
}

fn open(directory: &Path) -> Ledger {
    let path = directory.join("ledger.redb");
    let mut options = LedgerOptions::new(path, EpochTerms::default(), NOW_MS);
    options.window = Duration::from_millis(1);
    options.quiet_window = options.window;
    Ledger::open(options, &Registry::new()).expect("opens")
}

async fn mine(ledger: &Ledger) {
    let (ack, session) = (Arc::<ShareAck>::default(), SessionId::new(ledger.boot(), 1));
    let who = Arc::new(Identity {
        miner: miner(),
        worker: WorkerName::clean("w"),
    });
    let permit = ledger.shares().reserve().await.expect("open");
    let share = ShareRecord {
        typed: Some(accounting::KeyPrefix::Even),
        id: ShareId {
            session,
            sequence: 1,
        },
        who,
        work: Work::from_hashes(1000),
        hash: BlockHash::from_byte_array([1; 32]),
        upstream_work: Work::from_hashes(9),
        meets_upstream: true,
        meets_network: false,
        time_ms: NOW_MS,
    };
    permit.send(share, ack.clone());
    poll_fn(|cx| ack.poll_decided(cx, 0)).await;
    let result = UpstreamResult {
        miner: miner(),
        upstream_work: Work::from_hashes(9),
        accepted: true,
    };
    let told = ledger.shares().upstream_result(result).await;
    told.expect("open");
}

fn block() -> BlockHash {
    BlockHash::from_byte_array([5; 32])
}

async fn close(ledger: &Ledger) {
    let cause = CloseCause::OceanBlock {
        hash: block(),
        height: 100,
    };
    ledger.close_epoch(cause, NOW_MS).await.expect("closes");
}

fn payment() -> Payment {
    let block = block();
    Payment {
        amount: Msat::new(12_345),
        received_ms: NOW_MS,
        via: Via::Lightning {
            payment_hash: sha256::Hash::hash(b"paid"),
            preimage: None,
            paid_to: PaidTo::OceanOffer,
            note: Some(format!(
                "OCEAN lightning payout running at block `{block}` at height `130`"
            )),
            tip_height: None,
        },
    }
}

#[tokio::test]
async fn a_payment_is_booked_once_and_stays() {
    let directory = tempfile::tempdir().expect("a directory");
    let ledger = open(directory.path());
    mine(&ledger).await;
    close(&ledger).await;
    let effects = ledger.settle(Event::Paid(payment())).await.expect("books");
    assert!(matches!(effects.last(), Some(Effect::PayQuote { sats, .. }) if *sats == Sat::new(12)));
    let (first, second) = tokio::join!(
        ledger.settle(Event::Paid(payment())),
        ledger.settle(Event::Paid(payment()))
    );
    assert_eq!(
        (first.expect("books"), second.expect("books")),
        (vec![], vec![])
    );
    let refused = ledger.settle(Event::ToFee {
        payout: payment().key(),
    });
    assert!(matches!(refused.await, Err(LedgerError::Refused(_))));
    ledger.close().await;

    let ledger = open(directory.path());
    check(&ledger, payment().key());
    assert_eq!(
        ledger.settle(Event::Paid(payment())).await.expect("books"),
        []
    );
    ledger.close().await;
    // A command, when nothing runs.
    let reader = Reader::open(&directory.path().join("ledger.redb")).expect("opens");
    check(&reader, payment().key());
}

#[track_caller]
fn check(reader: &Reader, key: PayoutKey) {
    let totals = Totals {
        received: 12_345,
        paid: 12_000,
        carry: 345,
        ..Totals::default()
    };
    assert_eq!(reader.totals().expect("reads"), totals);
    let rows = reader.outbox(OutboxId::START, 9).expect("reads");
    let (epoch, sats) = (EpochId::FIRST, Sat::new(12));
    let (payout, miner, share) = (key, miner(), None);
    assert_eq!(
        rows.iter().map(|row| row.kind).collect::<Vec<_>>(),
        [
            OutboxKind::CreateQuote {
                miner,
                epoch,
                share,
                typed: Some(accounting::KeyPrefix::Even),
            },
            OutboxKind::PayQuote {
                payout,
                miner,
                epoch,
                share,
                sats
            },
            OutboxKind::SettleEpoch { epoch },
        ]
    );
    assert_eq!(
        reader.miner_account(&miner).expect("reads").carry,
        Msat::new(345)
    );
    assert_eq!(reader.allocations(&key).expect("reads").len(), 1);
    assert_eq!(reader.suspense().expect("reads"), []);
    let file = reader.audit_file(1).expect("reads").expect("is there");
    assert_eq!(
        file.epochs[0].works[0].upstream_accepted_work,
        Work::from_hashes(9)
    );
    assert_eq!(reader.audit_file(2).expect("reads"), None);
    let books = reader.whole_books(Policy::default()).expect("reads");
    books.check().expect("adds up");
}

/// A store that was made before there were books.
#[tokio::test]
async fn a_store_of_schema_1_gets_its_books() {
    let directory = tempfile::tempdir().expect("a directory");
    let ledger = open(directory.path());
    mine(&ledger).await;
    close(&ledger).await;
    let epochs = ledger.epochs(9).expect("reads");
    ledger.close().await;
    {
        const META: redb::TableDefinition<'_, &str, &[u8]> = redb::TableDefinition::new("meta");
        let path = directory.path().join("ledger.redb");
        let database = redb::Database::create(path).expect("opens");
        let write = database.begin_write().expect("begins");
        for table in write.list_tables().expect("lists").collect::<Vec<_>>() {
            let name = redb::TableHandle::name(&table).to_owned();
            let old = [
                "meta", "journal", "epochs", "tallies", "workers", "buckets", "sessions", "outbox",
                "blocks",
            ];
            if !old.contains(&name.as_str()) {
                write.delete_table(table).expect("deletes");
            }
        }
        {
            let mut meta = write.open_table(META).expect("opens");
            meta.insert("schema", 1_u64.to_be_bytes().as_slice())
                .expect("inserts");
            meta.remove("bookings").expect("removes");
        }
        write.commit().expect("commits");
    }
    let ledger = open(directory.path());
    assert_eq!(ledger.epochs(9).expect("reads"), epochs);
    let accounts = ledger.epoch_accounts().expect("reads");
    assert_eq!(accounts.len(), 2);
    assert_eq!(accounts[&EpochId::FIRST].work, Work::from_hashes(1000));
    let effects = ledger.settle(Event::Paid(payment())).await.expect("books");
    assert_eq!(effects.len(), 3);
    check(&ledger, payment().key());
    ledger.close().await;
}

type Json = serde_json::Value;

/// Takes a field out of every object that has it.
fn without(row: &mut Json, field: &str) {
    match row {
        Json::Object(fields) => {
            fields.remove(field);
            fields.values_mut().for_each(|row| without(row, field));
        }
        Json::Array(rows) => rows.iter_mut().for_each(|row| without(row, field)),
        _ => {}
    }
}

fn as_before(row: &[u8]) -> Vec<u8> {
    let mut row: Json = serde_json::from_slice(row).expect("JSON");
    for field in ["rules", "pays", "gathered", "gathered_since_ms", "miners"] {
        without(&mut row, field);
    }
    serde_json::to_vec(&row).expect("writes")
}

/// Rows of a store that a program of schema 5 wrote: its settlements are by the first
/// rules, and nothing gathers.
#[tokio::test]
async fn what_was_settled_by_the_first_rules_stays_and_new_payments_are_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let ledger = open(directory.path());
    mine(&ledger).await;
    close(&ledger).await;
    ledger.settle(Event::Paid(payment())).await.expect("books");
    ledger.close().await;
    {
        use redb::ReadableTable as _;
        type Table<'a, K> = redb::TableDefinition<'a, K, &'static [u8]>;
        let path = directory.path().join("ledger.redb");
        let database = redb::Database::create(path).expect("opens");
        let write = database.begin_write().expect("begins");
        for name in ["epoch accounts", "payouts"] {
            let mut table = write.open_table(Table::<u64>::new(name)).expect("opens");
            let rows = table.iter().expect("reads").map(|row| {
                let (key, row) = row.expect("reads");
                (key.value(), as_before(row.value()))
            });
            let rows: Vec<_> = rows.collect();
            for (key, row) in rows {
                table.insert(key, row.as_slice()).expect("inserts");
            }
        }
        {
            let mut meta = write.open_table(Table::<&str>::new("meta")).expect("opens");
            let totals = {
                let row = meta.get("totals").expect("reads").expect("is there");
                as_before(row.value())
            };
            meta.insert("totals", totals.as_slice()).expect("inserts");
            meta.insert("schema", 5_u64.to_be_bytes().as_slice())
                .expect("inserts");
        }
        const HASHES: redb::TableDefinition<'_, u64, &[u8; 32]> =
            redb::TableDefinition::new("audit hashes");
        let mut hashes = write.open_table(HASHES).expect("opens");
        hashes.remove(1).expect("removes");
        drop(hashes);
        write.commit().expect("commits");
    }
    let ledger = open(directory.path());
    check(&ledger, payment().key());
    let mut second = payment();
    if let Via::Lightning { payment_hash, .. } = &mut second.via {
        *payment_hash = sha256::Hash::hash(b"paid again");
    }
    ledger.settle(Event::Paid(second)).await.expect("books");
    let mut auditor = Auditor::default();
    let mut versions = Vec::new();
    for number in 1..=2 {
        let file = ledger.audit_file(number).expect("reads").expect("is there");
        let hash = auditor.check(&file).expect("recomputes");
        assert_eq!(ledger.audit_hash(number).expect("reads"), Some(hash));
        versions.push(file.version);
    }
    assert_eq!(versions, [1, 2]);
    ledger.close().await;
}
