//! One quote per accepted share, all the way: from shares in a real ledger to a wallet
//! that mints what they were paid in one batch.

use std::collections::HashMap;
use std::future::poll_fn;
use std::path::Path;
use std::sync::Arc;

use bitcoin::BlockHash;
use bitcoin::hashes::{Hash, sha256};
use cdk::amount::SplitTarget;
use cdk_common::nuts::nut00::ProofsMethods;
use ledger::settle::{Event, PaidTo, Payment, Via};
use ledger::{
    CloseCause, EpochId, EpochTerms, Identity, Ledger, LedgerOptions, Msat, QuotePer, SessionId,
    ShareAck, ShareId, ShareRecord, Work, WorkerName,
};
use prometheus::Registry;

use super::restored::lineage;
use super::support::{Owner, Pool, row_sums, work};
use crate::quote::method;
use crate::{LedgerOutbox, Outbox, QuoteKey};

/// Shares with quotes of their own, of those that are sent.
const QUOTED: u32 = 3;

/// The shares' work: the last two count on the quote of the epoch.
const WORKS: [u128; 5] = [1, 0, 2, 3, 4];

fn block() -> BlockHash {
    BlockHash::from_byte_array([5; 32])
}

fn open(dir: &Path) -> Ledger {
    let terms = EpochTerms {
        quote_per: QuotePer::Share,
        max_share_quotes: QUOTED,
        ..EpochTerms::default()
    };
    let options = LedgerOptions::new(dir.join("ledger.redb"), terms, 1);
    Ledger::open(options, &Registry::new()).expect("opens")
}

fn id(ledger: &Ledger, sequence: u64) -> ShareId {
    ShareId {
        session: SessionId::new(ledger.boot(), 1),
        sequence,
    }
}

async fn mine(ledger: &Ledger, owner: &Owner) {
    let ack = Arc::<ShareAck>::default();
    let who = Arc::new(Identity {
        miner: owner.miner,
        worker: WorkerName::clean("garage"),
    });
    for (sequence, work) in (1..).zip(WORKS) {
        let permit = ledger.shares().reserve().await.expect("open");
        let share = ShareRecord {
            id: id(ledger, sequence),
            who: Arc::clone(&who),
            work: Work::from_hashes(work << 40),
            hash: BlockHash::from_byte_array([u8::try_from(sequence).expect("few"); 32]),
            upstream_work: Work::from_hashes(1 << 44),
            meets_upstream: false,
            meets_network: false,
            time_ms: 2,
        };
        permit.send(share, Arc::clone(&ack));
    }
    let mut decided = 0;
    while decided < WORKS.len() as u64 {
        decided = poll_fn(|cx| ack.poll_decided(cx, decided)).await;
    }
}

/// OCEAN's block closes the epoch, and ten satoshis come for it.
async fn pay(ledger: &Ledger) {
    let cause = CloseCause::OceanBlock {
        hash: block(),
        height: 100,
    };
    ledger.close_epoch(cause, 3).await.expect("closes");
    let payment = Payment {
        amount: Msat::new(10_000),
        received_ms: 4,
        via: Via::Lightning {
            payment_hash: sha256::Hash::hash(b"paid"),
            preimage: None,
            paid_to: PaidTo::OceanOffer,
            note: Some(format!(
                "OCEAN lightning payout running at block `{}` at height `130`",
                block()
            )),
            tip_height: None,
        },
    };
    ledger.settle(Event::Paid(payment)).await.expect("books");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wallet_mints_the_quotes_of_shares_in_a_batch() {
    let pool = Pool::start().await;
    let owner = Owner::new();
    let ledger = open(pool.dir.path());
    let outbox: Arc<dyn Outbox> = Arc::new(LedgerOutbox::new(ledger.clone()));
    mine(&ledger, &owner).await;
    work(&pool.mint, Arc::clone(&outbox)).await;
    // One each, and one for the rest of the epoch.
    let quotes = pool.mint.quotes(&owner.miner).await.expect("reads");
    assert_eq!(quotes.len(), QUOTED as usize + 1);

    pay(&ledger).await;
    work(&pool.mint, Arc::clone(&outbox)).await;
    assert_eq!(row_sums(&pool.mint).await, (10, 0));
    let share = |sequence| QuoteKey {
        share: Some(id(&ledger, sequence)),
        ..owner.quote(1)
    };
    let paid = [(share(1), 1), (share(3), 2), (owner.quote(1), 7)];
    let wallet = pool.wallet().await;
    let mut keys = HashMap::new();
    let mut ids = Vec::new();
    for (key, sat) in paid {
        let id = pool.mint.ids().id(&key).to_string();
        let quote = wallet
            .fetch_mint_quote(&id, Some(method()))
            .await
            .expect("known");
        assert_eq!(u64::from(quote.amount_paid), sat, "{key}");
        keys.insert(id.clone(), owner.secret.clone());
        ids.push(id);
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let proofs = wallet
        .batch_mint(&ids, SplitTarget::default(), None, Some(keys))
        .await
        .expect("mints");
    assert_eq!(u64::from(proofs.total_amount().expect("sums")), 10);
    assert_eq!(row_sums(&pool.mint).await, (10, 10));
    // The epoch is settled: the share that got nothing is shown to nobody.
    let quotes = pool.mint.quotes(&owner.miner).await.expect("reads");
    assert_eq!(quotes.iter().filter(|view| view.got_nothing()).count(), 1);
    ledger.close().await;
}

/// A mint's store that was lost gets all of them again, page by page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quotes_of_shares_are_repaired_from_the_ledger() {
    let pool = Pool::set(|config| config.lineage = lineage(9)).await;
    let owner = Owner::new();
    let ledger = open(pool.dir.path());
    let outbox: Arc<dyn Outbox> = Arc::new(LedgerOutbox::new(ledger.clone()));
    mine(&ledger, &owner).await;
    pay(&ledger).await;
    let mut told = Vec::new();
    loop {
        let after = told.last().map(|expected: &crate::Expected| expected.quote);
        let page = outbox.expected(after, 1).await.expect("reads");
        if page.is_empty() {
            break;
        }
        told.extend(page);
    }
    let sats = |expected: &crate::Expected| {
        let sats = expected.payments.iter().map(|(_, sats)| sats.get());
        (expected.quote.share.map(|share| share.sequence), sats.sum())
    };
    let told: Vec<(Option<u64>, u64)> = told.iter().map(sats).collect();
    assert_eq!(told, [(Some(1), 1), (Some(2), 0), (Some(3), 2), (None, 7)]);

    // The outbox as if all of it were done: only the repair after a restore is left.
    let rows = outbox.pending(ledger::OutboxId::START, 99).await;
    let ids = rows.expect("reads").iter().map(|row| row.id).collect();
    outbox.done(ids).await.expect("done");
    work(&pool.mint, Arc::clone(&outbox)).await;
    assert_eq!(row_sums(&pool.mint).await, (10, 0));
    let quotes = pool.mint.quotes(&owner.miner).await.expect("reads");
    let epochs: Vec<EpochId> = quotes.iter().map(|view| view.epoch).collect();
    assert_eq!(epochs, [EpochId::FIRST; 4]);
    // Again it finds nothing to do.
    work(&pool.mint, outbox).await;
    assert_eq!(row_sums(&pool.mint).await, (10, 0));
    ledger.close().await;
}
