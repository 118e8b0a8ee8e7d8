//! Requests that are on their way while their wallet ends, and arrive after the next one has
//! begun.

use super::mint::{Options, TestMint};
use super::network::Fault;
use crate::OwnerKey;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swap_that_arrives_late_loses_nothing() {
    let mint = TestMint::start(Options::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let key = OwnerKey::generate();
    mint.quote(&key, 100).await;
    let (home, purse) = mint.open(dir.path()).await;
    purse.sweep(&key, &mut |_| {}).await.unwrap();
    // 100 sat are 64, 32 and 4: a token of 41 needs a swap.
    mint.fault(Fault::Late);
    purse.send(41).await.expect_err("no answer comes");
    drop((home, purse));

    // The mint has done nothing yet, so the operation seems not to have happened.
    let (home, purse) = mint.open(dir.path()).await;
    purse.recover().await.unwrap();
    drop((home, purse));
    mint.fault(Fault::None);
    mint.deliver().await;

    // Proofs that the wallet believes to have are spent, and their sum is there in others.
    let (_home, purse) = mint.open(dir.path()).await;
    let token = purse.send(7).await.unwrap();
    assert_eq!(purse.balance_sat().await.unwrap(), 93);
    let (other, theirs) = (tempfile::tempdir().unwrap(), &mint);
    let (_other, heir) = theirs.open(other.path()).await;
    assert_eq!(heir.receive(&token, &[]).await.unwrap(), 7);
    let rest = purse.send(93).await.unwrap();
    assert_eq!(heir.receive(&rest, &[]).await.unwrap(), 93);
    purse.recover().await.unwrap();
    assert_eq!(purse.balance_sat().await.unwrap(), 0);
}

/// The wallet of `dir` recovers before the request arrives, and again when none can arrive any
/// more; gives its balance.
async fn balance_after(mint: &TestMint, dir: &std::path::Path) -> u64 {
    let (home, purse) = mint.open(dir).await;
    purse.recover().await.unwrap();
    assert_eq!(purse.balance_sat().await.unwrap(), 0);
    drop((home, purse));
    mint.fault(Fault::None);
    mint.deliver().await;
    let (home, purse) = mint.open(dir).await;
    // Ten minutes have passed.
    assert!(purse.unchecked_until().await.unwrap() > Some(2));
    purse.set_unchecked(Some(2)).await.unwrap();
    purse.recover().await.unwrap();
    let balance = purse.balance_sat().await.unwrap();
    // Nothing new is under way, and the second time has passed too.
    if purse.unchecked_until().await.unwrap().is_some() {
        purse.set_unchecked(Some(2)).await.unwrap();
        purse.recover().await.unwrap();
    }
    assert_eq!(purse.unchecked_until().await.unwrap(), None);
    drop((home, purse));
    balance
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mint_request_that_arrives_late_loses_nothing() {
    let mint = TestMint::start(Options::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let key = OwnerKey::generate();
    mint.quote(&key, 100).await;
    let (home, purse) = mint.open(dir.path()).await;
    mint.fault(Fault::Late);
    let swept = purse.sweep(&key, &mut |_| {}).await;
    assert!(swept.is_err() || !swept.unwrap().left.is_empty());
    drop((home, purse));
    assert_eq!(balance_after(&mint, dir.path()).await, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_that_arrives_late_loses_nothing() {
    let mint = TestMint::start(Options::default()).await;
    let (theirs, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let key = OwnerKey::generate();
    mint.quote(&key, 100).await;
    let (_home, giver) = mint.open(theirs.path()).await;
    giver.sweep(&key, &mut |_| {}).await.unwrap();
    let token = giver.send(100).await.unwrap();
    let (home, purse) = mint.open(dir.path()).await;
    mint.fault(Fault::Late);
    purse
        .receive(&token, &[])
        .await
        .expect_err("no answer comes");
    drop((home, purse));
    assert_eq!(balance_after(&mint, dir.path()).await, 100);
}
