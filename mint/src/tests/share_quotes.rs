//! One quote per accepted share: from the orders that the ledger makes of five shares to a
//! wallet that mints what they were paid in one batch. That the ledger makes these orders is
//! tested where its outbox is, in `pool/src/run/outbox/`.

use std::collections::HashMap;

use accounting::{EpochId, SessionId, ShareId};
use cdk::amount::SplitTarget;
use cdk_common::nuts::nut00::ProofsMethods;

use super::restored::lineage;
use super::support::{FakeLedger, Owner, Pool, row_sums};
use crate::QuoteKey;
use crate::quote::method;

/// Shares with quotes of their own.
const QUOTED: u64 = 3;

fn share(owner: &Owner, sequence: u64) -> QuoteKey {
    let session = SessionId::new(1, 1);
    QuoteKey {
        share: Some(ShareId { session, sequence }),
        ..owner.quote(1)
    }
}

/// The orders of quotes for the shares, and of one for the rest of the epoch.
fn mine(ledger: &FakeLedger, owner: &Owner) {
    for sequence in 1..=QUOTED {
        ledger.create(share(owner, sequence));
    }
    ledger.create(owner.quote(1));
}

/// The orders of a payout of ten satoshis.
fn pay(ledger: &FakeLedger, owner: &Owner) {
    ledger.pay(share(owner, 1), "one", 1);
    ledger.pay(share(owner, 3), "one", 2);
    ledger.pay(owner.quote(1), "one", 7);
    ledger.settle(1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wallet_mints_the_quotes_of_shares_in_a_batch() {
    let pool = Pool::start().await;
    let owner = Owner::new();
    mine(&pool.ledger, &owner);
    pool.work().await;
    // One each, and one for the rest of the epoch.
    let quotes = pool.mint.quotes(&owner.miner).await.expect("reads");
    assert_eq!(quotes.len(), 4);

    pay(&pool.ledger, &owner);
    pool.work().await;
    assert_eq!(row_sums(&pool.mint).await, (10, 0));
    let paid = [
        (share(&owner, 1), 1),
        (share(&owner, 3), 2),
        (owner.quote(1), 7),
    ];
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
}

/// A mint's store that was lost gets all of them again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quotes_of_shares_are_repaired_from_the_ledger() {
    let pool = Pool::set(|config| config.lineage = lineage(9)).await;
    let owner = Owner::new();
    mine(&pool.ledger, &owner);
    pay(&pool.ledger, &owner);
    // The outbox as if all of it were done: only the repair after a restore is left.
    pool.ledger.all_done();
    pool.work().await;
    assert_eq!(row_sums(&pool.mint).await, (10, 0));
    let quotes = pool.mint.quotes(&owner.miner).await.expect("reads");
    let epochs: Vec<EpochId> = quotes.iter().map(|view| view.epoch).collect();
    assert_eq!(epochs, [EpochId::FIRST; 4]);
    // Again it finds nothing to do.
    pool.work().await;
    assert_eq!(row_sums(&pool.mint).await, (10, 0));
}
