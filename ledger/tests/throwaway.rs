//! Keys that send one share and are never seen again: what they leave in the ledger
//! once their epoch is paid. See docs/decisions/0008-throwaway-keys.md.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::path::Path;
use std::sync::Arc;

use bitcoin::BlockHash;
use bitcoin::hashes::{Hash, sha256};
use ledger::settle::{Event, Payment, Via};
use ledger::{
    CloseCause, EpochTerms, Identity, Ledger, LedgerOptions, MinerId, Msat, SessionId, ShareAck,
    ShareId, ShareRecord, Work, WorkerName,
};
use prometheus::Registry;
use redb::{ReadableDatabase, ReadableTableMetadata, TableHandle};

const NOW_MS: u64 = 1_700_000_000_000;
const DAY_MS: u64 = 24 * 3600 * 1000;

/// A share of difficulty 256, about.
const SHARE: u128 = 1 << 40;

/// What earned a satoshi in 2026, about: the default of `mint.quote_min_work`.
const WORK_PER_SAT: u128 = 2_000_000_000_000_000;

/// Distinct keys without end: about half of all numbers are the x of a point.
fn keys() -> impl Iterator<Item = MinerId> {
    (1_u64..).filter_map(|number| {
        let bytes = sha256::Hash::hash(&number.to_be_bytes()).to_byte_array();
        MinerId::from_x_only_bytes(bytes)
    })
}

struct Session {
    ledger: Ledger,
    ack: Arc<ShareAck>,
    sent: u64,
}

impl Session {
    async fn share(&mut self, miner: MinerId, work: u128, time_ms: u64) {
        self.sent += 1;
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&self.sent.to_be_bytes());
        let record = ShareRecord {
            id: ShareId {
                session: SessionId::new(self.ledger.boot(), 1),
                sequence: self.sent,
            },
            who: Arc::new(Identity {
                miner,
                worker: WorkerName::clean("w"),
            }),
            work: Work::from_hashes(work),
            hash: BlockHash::from_byte_array(hash),
            upstream_work: Work::from_hashes(SHARE << 10),
            meets_upstream: false,
            meets_network: false,
            time_ms,
        };
        let permit = self.ledger.shares().reserve().await.expect("open");
        permit.send(record, Arc::clone(&self.ack));
    }

    async fn decided(&self) {
        let mut decided = self.ack.decided();
        while decided < self.sent {
            decided = poll_fn(|cx| self.ack.poll_decided(cx, decided)).await;
        }
    }
}

fn block(height: u32) -> CloseCause {
    CloseCause::OceanBlock {
        hash: BlockHash::from_byte_array([5; 32]),
        height,
    }
}

fn payment(amount_msat: u64) -> Payment {
    let hash = BlockHash::from_byte_array([5; 32]);
    Payment {
        amount: Msat::new(amount_msat),
        received_ms: NOW_MS,
        via: Via::Lightning {
            payment_hash: sha256::Hash::hash(b"paid"),
            preimage: None,
            ocean_offer: true,
            note: Some(format!(
                "OCEAN lightning payout running at block `{hash}` at height `130`"
            )),
            tip_height: None,
        },
    }
}

/// How many rows each table has.
fn rows(path: &Path) -> BTreeMap<String, u64> {
    let database = redb::Database::open(path).expect("opens");
    let read = database.begin_read().expect("begins");
    let tables = read.list_tables().expect("lists");
    tables
        .map(|table| {
            let name = table.name().to_owned();
            let table = read.open_untyped_table(table).expect("opens");
            (name, table.len().expect("counts"))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_with_one_share_leaves_its_work_and_its_carry() {
    let nightly = std::env::var_os("AXEPOOL_NIGHTLY").is_some();
    // Not more: the file of a million takes the disk, see the decision.
    let count: u64 = if nightly { 100_000 } else { 3_000 };
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ledger.redb");
    let terms = EpochTerms {
        quote_min_work: Work::from_hashes(WORK_PER_SAT),
        ..EpochTerms::default()
    };
    let options = LedgerOptions::new(path.clone(), terms, NOW_MS);
    let ledger = Ledger::open(options, &Registry::new()).expect("opens");
    let mut session = Session {
        ledger: ledger.clone(),
        ack: Arc::default(),
        sent: 0,
    };
    let mut keys = keys();
    let regular = keys.next().expect("endless");
    for miner in keys.take(usize::try_from(count).expect("fits")) {
        session.share(miner, SHARE, NOW_MS).await;
    }
    // A pool around them, of nine times their work.
    session
        .share(regular, 9 * SHARE * u128::from(count), NOW_MS)
        .await;
    session.decided().await;
    ledger
        .close_epoch(block(100), NOW_MS)
        .await
        .expect("closes");
    let amount_msat = 10 * SHARE * u128::from(count) * 1000 / WORK_PER_SAT;
    let paid = Event::Paid(payment(u64::try_from(amount_msat).expect("fits")));
    ledger.settle(paid).await.expect("books");
    let file = ledger.audit_file(1).expect("reads").expect("is there");
    assert_eq!(file.epochs[0].works.len() as u64, count + 1);
    let audit_bytes = file.to_bytes().expect("writes").len() as u64;
    drop(file);

    // A month later: what is kept for a while only is gone.
    session.share(regular, 1, NOW_MS + 31 * DAY_MS).await;
    session.decided().await;
    drop(session);
    ledger.close().await;
    let left = rows(&path);
    let size = std::fs::metadata(&path).expect("is there").len();
    println!("{count} keys: {left:?}, {size} bytes; the audit file {audit_bytes} bytes");

    assert!(left["tallies"] <= count + 2);
    // A share is worth about half a millisatoshi: the largest remainders get one.
    assert!(left["miner accounts"] <= count * 6 / 10);
    for table in [
        "workers", "buckets", "sessions", "outbox", "quotes", "payouts",
    ] {
        assert!(left[table] < 20, "{table}: {}", left[table]);
    }
    assert!(left["allocations"] + left["postings"] <= count / 64 + 20);
}
