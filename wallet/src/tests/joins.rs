//! Wallets of many small proofs: joined before they are spent, cut off at every point.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cdk_common::nuts::State;

use super::dying_store::DyingStore;
use super::mint::{Options, TestMint};
use super::network::Fault;
use super::payments::invoice;
use crate::{Home, OwnerKey, Purse};

/// Each quote is minted for itself: so many proofs of one satoshi.
fn one_by_one() -> Options {
    Options {
        batch: None,
        lightning: true,
        ..Options::default()
    }
}

async fn small_change(mint: &TestMint, purse: &Purse, proofs: usize) {
    let key = OwnerKey::generate();
    for _ in 0..proofs {
        mint.quote(&key, 1).await;
    }
    purse.sweep(&key, &mut |_| {}).await.unwrap();
    let held = purse.wallet.get_unspent_proofs().await.unwrap();
    assert_eq!(held.len(), proofs);
}

/// All proofs that count are unspent at the mint.
async fn is_good(purse: &Purse, sat: u64, what: &str) {
    assert_eq!(purse.balance_sat().await.unwrap(), sat, "{what}");
    let proofs = purse.wallet.get_unspent_proofs().await.unwrap();
    for some in proofs.chunks(100) {
        let states = purse.wallet.check_proofs_spent(some.to_vec()).await;
        let states = states.unwrap();
        let good = states.iter().all(|one| one.state == State::Unspent);
        assert!(good, "{what}: {states:?}");
    }
    assert_eq!(purse.sagas().await.unwrap().len(), 0, "{what}");
}

/// The mint takes 500 inputs in a request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_hundred_proofs_are_paid_with() {
    let mint = TestMint::start(one_by_one()).await;
    let dir = tempfile::tempdir().unwrap();
    let (_home, mut purse) = mint.open(dir.path()).await;
    purse.wait_at_most(Duration::from_secs(20));
    small_change(&mint, &purse, 600).await;
    let paid = purse.pay(&invoice(580), None).await.unwrap();
    assert_eq!(paid.amount_sat, 580);
    is_good(&purse, 600 - 580 - paid.fee_sat, "paid").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_hundred_proofs_are_sent() {
    let mint = TestMint::start(one_by_one()).await;
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_home, purse) = mint.open(ours.path()).await;
    small_change(&mint, &purse, 600).await;
    let token = purse.send(599).await.unwrap();
    let (_home, taker) = mint.open(theirs.path()).await;
    assert_eq!(taker.receive(&token, &[]).await.unwrap(), 599);
    is_good(&taker, 599, "received").await;
    assert_eq!(purse.balance_sat().await.unwrap(), 1);
}

/// Few are left as they are: each joining is a request, and tells the mint which belong
/// together.
#[tokio::test]
async fn few_proofs_stay_as_they_are() {
    let mint = TestMint::start(one_by_one()).await;
    let dir = tempfile::tempdir().unwrap();
    let (_home, purse) = mint.open(dir.path()).await;
    small_change(&mint, &purse, 12).await;
    mint.fault(Fault::None);
    purse.join().await.unwrap();
    assert_eq!(mint.fault(Fault::None), 0, "requests");
    // And what cannot become fewer ends.
    purse.join_above(1, 12).await.unwrap();
    purse.join_above(1, 12).await.unwrap();
    is_good(&purse, 12, "joined").await;
    assert_eq!(purse.wallet.get_unspent_proofs().await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joining_is_cut_at_every_request_and_every_answer() {
    let mint = TestMint::start(one_by_one()).await;
    let mut requests = 12;
    for number in 0..20 {
        if number >= requests {
            break;
        }
        for fault in [
            Fault::Before(number),
            Fault::After(number),
            Fault::Busy(number),
        ] {
            let what = format!("{fault:?}");
            let dir = tempfile::tempdir().unwrap();
            let (home, purse) = mint.open(dir.path()).await;
            small_change(&mint, &purse, 12).await;
            mint.fault(fault);
            let cut = purse.join_above(4, 5).await;
            let made = mint.fault(Fault::None);
            if let Err(error) = &cut {
                assert!(error.passes(), "{what}: {error}");
            } else if made <= number {
                // It was done before the fault came.
                requests = made;
            }
            drop((home, purse));
            let (_home, purse) = mint.open(dir.path()).await;
            purse.recover().await.unwrap();
            is_good(&purse, 12, &what).await;
            purse.join_above(4, 5).await.unwrap();
            is_good(&purse, 12, &what).await;
            assert!(purse.wallet.get_unspent_proofs().await.unwrap().len() <= 4);
        }
    }
    assert!((2..20).contains(&requests), "{requests} requests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_dies_at_every_write_of_a_joining() {
    let mint = TestMint::start(one_by_one()).await;
    let mut writes = 1;
    loop {
        let what = format!("dead at write {writes}");
        let dir = tempfile::tempdir().unwrap();
        let (home, purse) = mint.open(dir.path()).await;
        small_change(&mint, &purse, 12).await;
        drop((home, purse));
        let left = Arc::new(Mutex::new(None));
        let home = Home::over(&dir.path().join("wallet"), |store| {
            let dying = DyingStore::over(store, writes);
            *left.lock().unwrap() = Some(dying.left());
            Arc::new(dying)
        })
        .await;
        let purse = home.purse(&mint.url).unwrap();
        let joined = purse.join_above(4, 5).await;
        let dead = left.lock().unwrap().take().unwrap().load(Ordering::SeqCst) == 0;
        assert!(dead || joined.is_ok(), "{joined:?}");
        drop((home, purse));
        let (_home, purse) = mint.open(dir.path()).await;
        purse.recover().await.unwrap();
        is_good(&purse, 12, &what).await;
        if !dead {
            break;
        }
        writes += 1;
    }
    assert!(writes > 6, "{writes}");
}
