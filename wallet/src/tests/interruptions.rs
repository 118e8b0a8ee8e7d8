//! Cut off at every point: at each request, at each answer, at each write. The next run
//! has everything, once.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use super::dying_store::DyingStore;
use super::mint::{Options, TestMint};
use super::network::Fault;
use crate::{Home, OwnerKey, Purse};

/// A key with three quotes and a token of 100 sat in all.
async fn earned(mint: &TestMint) -> OwnerKey {
    let key = OwnerKey::generate();
    let token = mint.quote(&key, 60).await;
    mint.claim(&key, &token, &mint.url.to_string()).await;
    for sat in [30, 7, 3] {
        mint.quote(&key, sat).await;
    }
    key
}

async fn comes_to_its_end(mint: &TestMint, dir: &std::path::Path, key: &OwnerKey, what: &str) {
    mint.fault(Fault::None);
    let (_home, purse) = mint.open(dir).await;
    let swept = purse.sweep(key, &mut |_| {}).await.unwrap();
    assert_eq!(swept.left, [], "{what}");
    assert_eq!(purse.balance_sat().await.unwrap(), 100, "{what}");
    let proofs = purse.wallet.get_unspent_proofs().await.unwrap();
    let states = purse.wallet.check_proofs_spent(proofs).await.unwrap();
    let unspent =
        |state: &cdk_common::nuts::ProofState| state.state == cdk_common::nuts::State::Unspent;
    assert!(states.iter().all(unspent), "{what}: {states:?}");
    let again = purse.sweep(key, &mut |_| {}).await.unwrap();
    assert_eq!((again.received_sat, again.balance_sat), (0, 100), "{what}");
    assert_eq!(
        purse.sagas().await.unwrap().len(),
        0,
        "{what}: something stays open"
    );
}

async fn requests_of_a_sweep() -> u64 {
    let mint = TestMint::start(Options::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let key = earned(&mint).await;
    let (_home, purse) = mint.open(dir.path()).await;
    mint.fault(Fault::None);
    purse.sweep(&key, &mut |_| {}).await.unwrap();
    mint.fault(Fault::None)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_line_is_cut_at_every_request_and_every_answer() {
    let requests = requests_of_a_sweep().await;
    assert!(requests >= 6, "{requests}");
    let mint = TestMint::start(Options::default()).await;
    for number in 0..requests {
        for fault in [
            Fault::Before(number),
            Fault::After(number),
            Fault::Busy(number),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let key = earned(&mint).await;
            let (home, purse) = mint.open(dir.path()).await;
            mint.fault(fault);
            let cut = purse.sweep(&key, &mut |_| {}).await;
            if let Err(error) = &cut {
                assert!(error.passes(), "{fault:?}: {error}");
            }
            drop((home, purse));
            comes_to_its_end(&mint, dir.path(), &key, &format!("{fault:?}")).await;
        }
    }
}

/// Sweeps with a store that dies after so many writes; true when it did.
async fn dies_at(mint: &TestMint, dir: &std::path::Path, key: &OwnerKey, writes: u64) -> bool {
    let left = Arc::new(Mutex::new(None));
    let home = Home::over(&dir.join("wallet"), |store| {
        let dying = DyingStore::over(store, writes);
        *left.lock().unwrap() = Some(dying.left());
        Arc::new(dying)
    })
    .await;
    let purse = home.purse(&mint.url).unwrap();
    let swept = purse.sweep(key, &mut |_| {}).await;
    let dead = left.lock().unwrap().take().unwrap().load(Ordering::SeqCst) == 0;
    assert!(dead || swept.is_ok(), "{swept:?}");
    dead
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_dies_at_every_write() {
    let mint = TestMint::start(Options::default()).await;
    let mut writes = 1;
    loop {
        let dir = tempfile::tempdir().unwrap();
        let key = earned(&mint).await;
        let dead = dies_at(&mint, dir.path(), &key, writes).await;
        comes_to_its_end(&mint, dir.path(), &key, &format!("dead at write {writes}")).await;
        if !dead {
            break;
        }
        writes += 1;
    }
    assert!(writes > 20, "{writes}");
}

/// Runs a sweep whose mint requests never arrive, and gives the wallet up.
async fn cut_before_minting(mint: &TestMint, dir: &std::path::Path, key: &OwnerKey, at: u64) {
    let (_home, purse): (Home, Purse) = mint.open(dir).await;
    mint.fault(Fault::Before(at));
    purse.sweep(key, &mut |_| {}).await.unwrap_err();
    mint.fault(Fault::None);
}

/// The request was lost on its way, and before it is made again the pool gives the same
/// money out as a token: the wallet ends with the money, not with a request for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_claimed_in_between_blocks_nothing() {
    for at in 0..requests_of_a_sweep().await {
        let mint = TestMint::start(Options::default()).await;
        let dir = tempfile::tempdir().unwrap();
        let key = OwnerKey::generate();
        let (first, second) = (mint.quote(&key, 60).await, mint.quote(&key, 40).await);
        cut_before_minting(&mint, dir.path(), &key, at).await;
        mint.claim(&key, &first, &mint.url.to_string()).await;
        mint.pay(&second, 8).await;
        let (_home, purse) = mint.open(dir.path()).await;
        let swept = purse.sweep(&key, &mut |_| {}).await.unwrap();
        assert_eq!(swept.left, [], "{at}");
        assert_eq!(swept.balance_sat, 108, "{at}");
        assert_eq!(purse.sagas().await.unwrap().len(), 0, "{at}");
        if at >= 4 {
            break;
        }
    }
}
