//! Keys that send one share and are never seen again: what they leave in the ledger
//! once their epochs are paid. See docs/decisions/0008-throwaway-keys.md.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use accounting::settle::{Auditor, Event, PaidTo, Payment, Via};
use accounting::{
    CloseCause, EpochTerms, Identity, MinerId, Msat, SessionId, ShareId, ShareRecord, Work,
    WorkerName,
};
use bitcoin::BlockHash;
use bitcoin::hashes::{Hash, sha256};
use ledger::{Ledger, LedgerOptions, ShareAck};
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

/// A ledger as `axepool run` has it, but for how long it rests between two slices.
fn open(path: &Path) -> (Ledger, Registry) {
    let terms = EpochTerms {
        quote_min_work: Work::from_hashes(WORK_PER_SAT),
        ..EpochTerms::default()
    };
    let mut options = LedgerOptions::new(path.to_owned(), terms, NOW_MS);
    options.pack_interval = Duration::from_millis(5);
    options.checkpoint_interval = Duration::from_millis(100);
    let registry = Registry::new();
    let ledger = Ledger::open(options, &registry).expect("opens");
    (ledger, registry)
}

/// Waits until all that is old is forgotten or packed.
async fn settled_down(registry: &Registry) {
    let deadline = Instant::now() + Duration::from_secs(900);
    let waits = || {
        let families = registry.gather();
        let family = families
            .iter()
            .find(|family| family.name() == "axepool_ledger_old_rows_wait");
        let metric = family.and_then(|family| family.get_metric().first());
        metric.expect("a metric").get_gauge().get_value() > 0.0
    };
    while waits() {
        assert!(Instant::now() < deadline, "old rows are left");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

struct Session {
    ledger: Ledger,
    ack: Arc<ShareAck>,
    sent: u64,
}

impl Session {
    fn new(ledger: &Ledger) -> Self {
        Session {
            ledger: ledger.clone(),
            ack: Arc::default(),
            sent: 0,
        }
    }

    async fn share(&mut self, miner: MinerId, work: u128, time_ms: u64) {
        self.sent += 1;
        // As low as a share of difficulty 256 is.
        let mut hash = sha256::Hash::hash(&self.sent.to_be_bytes()).to_byte_array();
        hash[27..].fill(0);
        let record = ShareRecord {
            typed: Some(accounting::KeyPrefix::Even),
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

fn hash(height: u32) -> BlockHash {
    BlockHash::from_byte_array(sha256::Hash::hash(&height.to_be_bytes()).to_byte_array())
}

fn payment(height: u32, amount_msat: u64) -> Payment {
    let (hash, noted) = (hash(height), height + 30);
    Payment {
        amount: Msat::new(amount_msat),
        received_ms: NOW_MS,
        via: Via::Lightning {
            payment_hash: sha256::Hash::hash(&height.to_be_bytes()),
            preimage: None,
            paid_to: PaidTo::OceanOffer,
            note: Some(format!(
                "OCEAN lightning payout running at block `{hash}` at height `{noted}`"
            )),
            tip_height: None,
        },
    }
}

/// What is in the file.
#[derive(Debug)]
struct Left {
    /// Rows by table.
    rows: BTreeMap<String, u64>,
    /// All pages of the tables.
    table_bytes: u64,
    file_bytes: u64,
}

fn left(path: &Path) -> Left {
    let database = redb::Database::open(path).expect("opens");
    let read = database.begin_read().expect("begins");
    let (mut rows, mut table_bytes) = (BTreeMap::new(), 0);
    for table in read.list_tables().expect("lists") {
        let name = table.name().to_owned();
        let table = read.open_untyped_table(table).expect("opens");
        rows.insert(name, table.len().expect("counts"));
        let stats = table.stats().expect("counts");
        table_bytes += stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes();
    }
    let file_bytes = std::fs::metadata(path).expect("is there").len();
    Left {
        rows,
        table_bytes,
        file_bytes,
    }
}

/// A pool to which strangers come with a new key for each share, epoch after epoch.
struct Pool {
    path: PathBuf,
    /// Who mines nine tenths.
    regular: MinerId,
    epochs: u32,
}

impl Pool {
    /// An epoch with `strangers`, its payout, and a month.
    async fn epoch(&mut self, strangers: &[MinerId], extra: Option<(MinerId, u128)>) {
        self.epochs += 1;
        let now_ms = NOW_MS + 32 * DAY_MS * u64::from(self.epochs);
        let (ledger, registry) = open(&self.path);
        let mut session = Session::new(&ledger);
        for &miner in strangers {
            session.share(miner, SHARE, now_ms).await;
        }
        let mut work = SHARE * strangers.len() as u128;
        let extra = extra.map(|(miner, sats)| (miner, sats * WORK_PER_SAT));
        for (miner, own) in extra.into_iter().chain([(self.regular, 9 * work)]) {
            session.share(miner, own, now_ms).await;
            work += own;
        }
        session.decided().await;
        let height = 100 * self.epochs;
        let cause = CloseCause::OceanBlock {
            hash: hash(height),
            height,
        };
        ledger.close_epoch(cause, now_ms).await.expect("closes");
        let amount_msat = u64::try_from(work * 1000 / WORK_PER_SAT).expect("fits");
        let paid = Event::Paid(payment(height, amount_msat));
        ledger.settle(paid).await.expect("books");
        // What is kept for a while only goes with this.
        session.share(self.regular, 1, now_ms + 31 * DAY_MS).await;
        session.decided().await;
        drop(session);
        // A start looks for what is old.
        ledger.close().await;
        drop(registry);
        let (ledger, registry) = open(&self.path);
        settled_down(&registry).await;
        ledger.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_with_one_share_leaves_its_work_and_its_carry() {
    let nightly = std::env::var_os("AXEPOOL_NIGHTLY").is_some();
    let (count, epochs): (usize, usize) = if nightly { (500_000, 2) } else { (2_000, 4) };
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ledger.redb");
    let mut keys = keys();
    let mut pool = Pool {
        path: path.clone(),
        regular: keys.next().expect("endless"),
        epochs: 0,
    };
    let mut before = None;
    for epoch in 1..=epochs {
        let strangers: Vec<MinerId> = keys.by_ref().take(count).collect();
        pool.epoch(&strangers, None).await;
        let left = left(&path);
        println!("{} keys: {left:?}", count * epoch);
        for table in ["tallies", "workers", "buckets", "sessions", "outbox"] {
            assert!(left.rows[table] < 20, "{table}: {}", left.rows[table]);
        }
        // The regular's, and what the books need for any epoch.
        let rows: u64 = left.rows.values().sum();
        let all = (count * epoch) as u64;
        assert!(rows < all / 64 + 30 * epoch as u64 + 30, "{rows} rows");
        // Work, carry, a line of the allocation and one of the ledger, and pages.
        assert!(left.table_bytes < all * 250 + 200_000, "{left:?}");
        // Freed pages are used again: a file is as long as what is in it and what one
        // epoch has at its busiest.
        let busiest = 3_000 * count as u64 + (8 << 20);
        assert!(left.file_bytes < 3 * left.table_bytes + busiest, "{left:?}");
        before = Some(strangers);
    }
    comes_back(&mut pool, &before.expect("an epoch")).await;
}

/// A stranger whose carry is packed mines on: it is there, to the millisatoshi.
async fn comes_back(pool: &mut Pool, strangers: &[MinerId]) {
    let (ledger, _) = open(&pool.path);
    let carry = |ledger: &Ledger, miner: &MinerId| {
        let account = ledger.miner_account(miner).expect("reads");
        account.carry
    };
    let with_carry = |miner: &&MinerId| !carry(&ledger, miner).is_zero();
    let miner = *strangers.iter().find(with_carry).expect("one has carry");
    let before = carry(&ledger, &miner);
    let accounts = ledger.miner_accounts().expect("reads");
    let sum: u128 = accounts.values().map(|a| u128::from(a.carry.get())).sum();
    assert_eq!(sum, ledger.totals().expect("reads").carry);
    drop(accounts);
    ledger.close().await;

    pool.epoch(&[], Some((miner, 3))).await;
    let (ledger, _) = open(&pool.path);
    let paid = ledger.allocations_of(&miner, 1).expect("reads");
    let row = paid.first().expect("was paid").1;
    assert_eq!((row.carry_before, row.paid.get()), (before, 3));
    // Of the files that were made before anything was packed every byte is the same.
    let files = ledger.audit_files().expect("reads");
    let mut auditor = Auditor::default();
    for number in 1..=files {
        let file = ledger.audit_file(number).expect("reads").expect("is there");
        let hash = auditor.check(&file).expect("recomputes");
        assert_eq!(ledger.audit_hash(number).expect("reads"), Some(hash));
    }
    assert_eq!(files, u64::from(pool.epochs));
    ledger.close().await;
}
