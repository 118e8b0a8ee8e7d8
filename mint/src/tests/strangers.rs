//! Keys that send one share and are never seen again: anybody can make as many of them
//! as they have shares, and what they leave behind must not grow with them.

use std::future::poll_fn;
use std::sync::Arc;

use basics::clock::now_ms;
use bitcoin::BlockHash;
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::{PublicKey, Scalar, Secp256k1, SecretKey};
use ledger::{
    CloseCause, EpochId, EpochTerms, Identity, Ledger, LedgerOptions, MinerId, OutboxId, SessionId,
    ShareAck, ShareId, ShareRecord, Work, WorkerName,
};
use prometheus::Registry;

use super::support::config;
use crate::worker::Worker;
use crate::{LedgerOutbox, Mint};

/// A share's work, and what a quote is worth.
const SHARE: u128 = 1 << 40;
const QUOTE: u128 = 10 * SHARE;

/// What one key may leave in the ledger's file, on the average: its tally, its worker,
/// its buckets, and the slack of the trees. Not a quote: 1 KB in the mint's store and its five
/// indices.
const LEDGER_BYTES_PER_KEY: u64 = 4096;

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

struct Session {
    ledger: Ledger,
    id: SessionId,
    ack: Arc<ShareAck>,
    sequence: u64,
}

impl Session {
    async fn share(&mut self, miner: MinerId) {
        self.sequence += 1;
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&self.sequence.to_le_bytes());
        let share = ShareRecord {
            id: ShareId {
                session: self.id,
                sequence: self.sequence,
            },
            who: Arc::new(Identity {
                miner,
                worker: WorkerName::clean("x"),
            }),
            work: Work::from_hashes(SHARE),
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_one_share_leave_no_quotes() {
    let nightly = std::env::var_os("AXEPOOL_NIGHTLY").is_some();
    let count: usize = if nightly { 1_000_000 } else { 5_000 };
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("ledger.redb");
    let terms = EpochTerms {
        quote_min_work: Work::from_hashes(QUOTE),
        ..EpochTerms::default()
    };
    let options = LedgerOptions::new(path.clone(), terms, now_ms());
    let ledger = Ledger::open(options, &Registry::new()).expect("opens");
    let url = "https://mint.example".to_owned();
    let mint = Mint::open(config(dir.path(), url), None, &Registry::new())
        .await
        .expect("opens");
    let store = dir.path().join("mint.sqlite");
    let empty = size(&store);

    let mut session = Session {
        id: SessionId::new(ledger.boot(), 1),
        ledger: ledger.clone(),
        ack: Arc::default(),
        sequence: 0,
    };
    let mut miners = keys();
    let regular = miners.next().expect("endless");
    for miner in miners.by_ref().take(count) {
        session.share(miner).await;
    }
    session.decided().await;
    assert!(
        ledger
            .reader()
            .outbox(OutboxId::START, 1)
            .expect("reads")
            .is_empty()
    );

    // Who works on gets a quote, and one only; closing the epoch makes none.
    for _ in 0..12 {
        session.share(regular).await;
    }
    session.decided().await;
    ledger
        .close_epoch(CloseCause::Command, now_ms())
        .await
        .expect("closes");
    let mut worker = Worker::new(mint.clone(), Arc::new(LedgerOutbox::new(ledger.clone())));
    while worker.step().await.expect("works") {}
    assert_eq!(mint.quotes(&regular).await.expect("reads").len(), 1);
    let quotes = mint.store().get_mint_quotes().await.expect("reads");
    assert_eq!(quotes.len(), 1);
    assert!(
        ledger
            .reader()
            .outbox(OutboxId::START, 1)
            .expect("reads")
            .is_empty()
    );
    let totals = ledger
        .reader()
        .epoch(EpochId::FIRST)
        .expect("reads")
        .expect("there")
        .totals;
    assert_eq!(totals.miners, count as u64 + 1);

    let grown = size(&store).saturating_sub(empty);
    assert!(grown < 1 << 20, "the mint's store grew by {grown} bytes");
    drop((worker, session));
    mint.close().await.expect("closes");
    ledger.close().await;
    let (bytes, most) = (size(&path), (8 << 20) + LEDGER_BYTES_PER_KEY * count as u64);
    assert!(
        bytes < most,
        "the ledger has {bytes} bytes for {count} keys"
    );
}

fn size(path: &std::path::Path) -> u64 {
    std::fs::metadata(path).expect("there").len()
}
