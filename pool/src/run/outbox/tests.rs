//! The real ledger's orders, and the mint over them: quotes of epochs and of shares, and none
//! for keys that send one share.

use std::future::poll_fn;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use accounting::settle::{Event, PaidTo, Payment, Via};
use accounting::{
    CloseCause, EpochId, EpochTerms, Identity, Lineage, MinerId, Msat, OutboxId, QuotePer, Sat,
    SessionId, ShareId, ShareRecord, Work, WorkerName,
};
use basics::clock::now_ms;
use bitcoin::BlockHash;
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::secp256k1::{PublicKey, Scalar, Secp256k1, SecretKey};
use ledger::{Ledger, LedgerOptions, ShareAck};
use mint::{Expected, Mint, MintConfig, Order, Outbox, QuoteKey};
use prometheus::Registry;
use tokio_util::sync::CancellationToken;

use super::LedgerOutbox;

const URL: &str = "https://mint.example";

/// The work of a share, and of a quote of the throwaway keys' pool.
const SHARE: u128 = 1 << 40;
const QUOTE: u128 = 10 * SHARE;

/// The file of the ledger may grow by so much for each throwaway key, on the average: its
/// tally, its worker, its buckets, and the slack of the trees. Not a quote: 1 KB in the mint's
/// store and its five indices.
const LEDGER_BYTES_PER_KEY: u64 = 4096;

/// Shares with quotes of their own, of those that are sent.
const QUOTED: u32 = 3;

/// The shares' work: the last two count on the quote of the epoch.
const WORKS: [u128; 5] = [1, 0, 2, 3, 4];

fn open(dir: &Path, terms: EpochTerms) -> Ledger {
    let options = LedgerOptions::new(dir.join("ledger.redb"), terms, now_ms());
    Ledger::open(options, &Registry::new()).expect("opens")
}

async fn open_mint(dir: &Path, lineage: Lineage) -> Mint {
    let config = MintConfig::new(dir.to_owned(), lineage, URL.to_owned());
    let mint = Mint::open(config, None, &Registry::new()).await;
    mint.expect("opens")
}

/// Distinct keys without end: P, P + G, P + 2 G, ...
fn keys() -> impl Iterator<Item = MinerId> {
    let secp = Secp256k1::new();
    let first = SecretKey::from_slice(&[7; 32]).expect("a secret key");
    let mut point = PublicKey::from_secret_key(&secp, &first);
    std::iter::repeat_with(move || {
        let miner = MinerId::from_public_key(&point);
        point = point
            .add_exp_tweak(&secp, &Scalar::ONE)
            .expect("not the point at infinity");
        miner
    })
}

fn miner() -> MinerId {
    keys().next().expect("endless")
}

/// Shares in the order of their sequence.
struct Session {
    ledger: Ledger,
    ack: Arc<ShareAck>,
    sequence: u64,
}

impl Session {
    fn new(ledger: &Ledger) -> Session {
        Session {
            ledger: ledger.clone(),
            ack: Arc::default(),
            sequence: 0,
        }
    }

    fn id(&self, sequence: u64) -> ShareId {
        let session = SessionId::new(self.ledger.boot(), 1);
        ShareId { session, sequence }
    }

    async fn share(&mut self, miner: MinerId, work: u128) {
        self.sequence += 1;
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&self.sequence.to_le_bytes());
        let share = ShareRecord {
            typed: Some(accounting::KeyPrefix::Even),
            id: self.id(self.sequence),
            who: Arc::new(Identity {
                miner,
                worker: WorkerName::clean("garage"),
            }),
            work: Work::from_hashes(work),
            hash: BlockHash::from_byte_array(hash),
            upstream_work: Work::from_hashes(SHARE * 1000),
            meets_upstream: false,
            meets_network: false,
            time_ms: now_ms(),
        };
        let permit = self.ledger.shares().reserve().await.expect("open");
        permit.send(share, Arc::clone(&self.ack));
    }

    async fn decided(&self) {
        let mut seen = 0;
        while seen < self.sequence {
            seen = poll_fn(|cx| self.ack.poll_decided(cx, seen)).await;
        }
    }
}

/// Looks until it is so.
async fn until(is_so: impl AsyncFn() -> bool) {
    let looking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let is_so = tokio::time::timeout(Duration::from_secs(60), looking).await;
    is_so.expect("so within a minute");
}

/// Lets the mint's worker work until it is so.
async fn work_until(mint: &Mint, ledger: &Ledger, is_so: impl AsyncFn() -> bool) {
    let outbox = Arc::new(LedgerOutbox::new(ledger.clone()));
    let cancel = CancellationToken::new();
    let worker = mint.spawn_worker(outbox, cancel.clone());
    until(is_so).await;
    cancel.cancel();
    worker.await.expect("no panics");
}

fn is_drained(ledger: &Ledger) -> bool {
    let rows = ledger.reader().outbox(OutboxId::START, 1).expect("reads");
    rows.is_empty()
}

async fn drain(mint: &Mint, ledger: &Ledger) {
    work_until(mint, ledger, async || is_drained(ledger)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledgers_own_outbox_is_drained() {
    let dir = tempfile::tempdir().expect("a directory");
    let ledger = open(dir.path(), EpochTerms::default());
    let miner = miner();
    let mut session = Session::new(&ledger);
    session.share(miner, SHARE).await;
    session.decided().await;

    let mint = open_mint(dir.path(), ledger.lineage().clone()).await;
    let outbox = LedgerOutbox::new(ledger.clone());
    let rows = outbox.pending(OutboxId::START, 10).await.expect("reads");
    assert_eq!(rows.len(), 1);
    let quote = QuoteKey::of_epoch(miner, EpochId::FIRST);
    let expected = outbox.expected(None, 10).await.expect("reads");
    let quotes: Vec<QuoteKey> = expected.iter().map(|expected| expected.quote).collect();
    assert_eq!(quotes, [quote]);
    let rest = outbox.expected(Some(quote), 10).await.expect("reads");
    assert!(rest.is_empty());
    drain(&mint, &ledger).await;
    let rows = outbox.pending(OutboxId::START, 10).await.expect("reads");
    assert!(rows.is_empty());
    assert_eq!(mint.quotes(&miner).await.expect("reads").len(), 1);
    mint.close().await.expect("closes");
    ledger.close().await;
}

fn per_share() -> EpochTerms {
    EpochTerms {
        quote_per: QuotePer::Share,
        max_share_quotes: QUOTED,
        ..EpochTerms::default()
    }
}

/// Sends [`WORKS`]; the session says what the shares are called.
async fn mine(ledger: &Ledger, miner: MinerId) -> Session {
    let mut session = Session::new(ledger);
    for work in WORKS {
        session.share(miner, work << 40).await;
    }
    session.decided().await;
    session
}

/// OCEAN's block closes the epoch, and ten satoshis come for it.
async fn pay(ledger: &Ledger) {
    let block = BlockHash::from_byte_array([5; 32]);
    let cause = CloseCause::OceanBlock {
        hash: block,
        height: 100,
    };
    ledger.close_epoch(cause, now_ms()).await.expect("closes");
    let payment = Payment {
        amount: Msat::new(10_000),
        received_ms: now_ms(),
        via: Via::Lightning {
            payment_hash: sha256::Hash::hash(b"paid"),
            preimage: None,
            paid_to: PaidTo::OceanOffer,
            note: Some(format!(
                "OCEAN lightning payout running at block `{block}` at height `130`"
            )),
            tip_height: None,
        },
    };
    ledger.settle(Event::Paid(payment)).await.expect("books");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shares_have_quotes_of_their_own() {
    let dir = tempfile::tempdir().expect("a directory");
    let ledger = open(dir.path(), per_share());
    let miner = miner();
    let session = mine(&ledger, miner).await;
    let mint = open_mint(dir.path(), ledger.lineage().clone()).await;
    drain(&mint, &ledger).await;
    // One each, and one for the rest of the epoch.
    let quotes = mint.quotes(&miner).await.expect("reads");
    assert_eq!(quotes.len(), QUOTED as usize + 1);

    pay(&ledger).await;
    let outbox = LedgerOutbox::new(ledger.clone());
    let rows = outbox.pending(OutboxId::START, 99).await.expect("reads");
    let paid: Vec<(QuoteKey, u64)> = rows
        .iter()
        .filter_map(|row| match &row.order {
            Order::PayQuote { quote, amount, .. } => Some((*quote, amount.get())),
            _ => None,
        })
        .collect();
    let epoch = QuoteKey::of_epoch(miner, EpochId::FIRST);
    let share = |sequence| QuoteKey {
        share: Some(session.id(sequence)),
        ..epoch
    };
    assert_eq!(paid, [(share(1), 1), (share(3), 2), (epoch, 7)]);
    drain(&mint, &ledger).await;
    let owed = mint.liabilities().await.expect("reads");
    let (paid, unissued) = (owed.paid_sat, owed.paid_unissued_sat);
    assert_eq!((paid, unissued), (Sat::new(10), Sat::new(10)));
    // The epoch is settled: the share that got nothing is shown to nobody.
    let quotes = mint.quotes(&miner).await.expect("reads");
    assert_eq!(quotes.iter().filter(|view| view.got_nothing()).count(), 1);
    mint.close().await.expect("closes");
    ledger.close().await;
}

/// A mint's store that was lost gets all of them again, page by page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quotes_of_shares_are_repaired_from_the_ledger() {
    let dir = tempfile::tempdir().expect("a directory");
    let ledger = open(dir.path(), per_share());
    let miner = miner();
    mine(&ledger, miner).await;
    pay(&ledger).await;
    let outbox = LedgerOutbox::new(ledger.clone());
    let mut told = Vec::new();
    loop {
        let after = told.last().map(|expected: &Expected| expected.quote);
        let page = outbox.expected(after, 1).await.expect("reads");
        if page.is_empty() {
            break;
        }
        told.extend(page);
    }
    let sats = |expected: &Expected| {
        let sats = expected.payments.iter().map(|(_, sats)| sats.get());
        (expected.quote.share.map(|share| share.sequence), sats.sum())
    };
    let told: Vec<(Option<u64>, u64)> = told.iter().map(sats).collect();
    assert_eq!(told, [(Some(1), 1), (Some(2), 0), (Some(3), 2), (None, 7)]);

    // The outbox as if all of it were done: only the repair after a restore is left.
    let rows = outbox.pending(OutboxId::START, 99).await.expect("reads");
    let ids = rows.iter().map(|row| row.id).collect();
    outbox.done(ids).await.expect("done");
    let [before, restored] = [5, 9].map(|byte| format!("{byte:02x}").repeat(16));
    let lineage = serde_json::json!([
        { "from": 0, "incarnation": before },
        { "from": 3, "incarnation": restored },
    ]);
    let lineage = serde_json::from_value(lineage).expect("a lineage");
    let mint = open_mint(dir.path(), lineage).await;
    let is_complete = async || {
        let claims = mint.old_claims().await.expect("reads");
        claims.expect("restored").is_complete
    };
    assert!(!is_complete().await);
    work_until(&mint, &ledger, is_complete).await;
    assert_eq!(
        mint.liabilities().await.expect("reads").paid_sat,
        Sat::new(10)
    );
    let quotes = mint.quotes(&miner).await.expect("reads");
    let epochs: Vec<EpochId> = quotes.iter().map(|view| view.epoch).collect();
    assert_eq!(epochs, [EpochId::FIRST; 4]);
    mint.close().await.expect("closes");
    ledger.close().await;
}

/// Anybody can make as many keys as they have shares, so what the keys leave behind must not
/// grow with them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_one_share_leave_no_quotes() {
    let nightly = std::env::var_os("AXEPOOL_NIGHTLY").is_some();
    let count: usize = if nightly { 1_000_000 } else { 5_000 };
    let dir = tempfile::tempdir().expect("a directory");
    let terms = EpochTerms {
        quote_min_work: Work::from_hashes(QUOTE),
        ..EpochTerms::default()
    };
    let ledger = open(dir.path(), terms);
    let mint = open_mint(dir.path(), ledger.lineage().clone()).await;
    let store = dir.path().join("mint.sqlite");
    let empty = size(&store);

    let mut session = Session::new(&ledger);
    let mut miners = keys();
    let regular = miners.next().expect("endless");
    for miner in miners.by_ref().take(count) {
        session.share(miner, SHARE).await;
    }
    session.decided().await;
    assert!(is_drained(&ledger), "no quote is ordered");

    // Who works on gets a quote, and one only; closing the epoch makes none.
    for _ in 0..12 {
        session.share(regular, SHARE).await;
    }
    session.decided().await;
    ledger
        .close_epoch(CloseCause::Command, now_ms())
        .await
        .expect("closes");
    drain(&mint, &ledger).await;
    assert_eq!(mint.quotes(&regular).await.expect("reads").len(), 1);
    assert_eq!(stored_quotes(&store), 1);
    let epoch = ledger.reader().epoch(EpochId::FIRST).expect("reads");
    let totals = epoch.expect("there").totals;
    assert_eq!(totals.miners, count as u64 + 1);

    let grown = size(&store).saturating_sub(empty);
    assert!(grown < 1 << 20, "the mint's store grew by {grown} bytes");
    drop(session);
    mint.close().await.expect("closes");
    ledger.close().await;
    let bytes = size(&dir.path().join("ledger.redb"));
    let most = (8 << 20) + LEDGER_BYTES_PER_KEY * count as u64;
    assert!(
        bytes < most,
        "the ledger has {bytes} bytes for {count} keys"
    );
}

/// The quotes of all miners in the mint's store.
fn stored_quotes(store: &Path) -> i64 {
    let connection = rusqlite::Connection::open(store).expect("opens");
    let count = "SELECT COUNT(*) FROM mint_quote";
    connection
        .query_row(count, [], |row| row.get(0))
        .expect("counts")
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).expect("there").len()
}
