//! Tokens of more proofs than the mint takes at once: taken in part by part, cut off at
//! every point.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use cdk_common::nuts::{CurrencyUnit, Token};

use super::dying_store::DyingStore;
use super::mint::{Options, TestMint};
use super::network::Fault;
use crate::{Home, OwnerKey, Purse};

async fn is_good(purse: &Purse, sat: u64, what: &str) {
    assert_eq!(purse.balance_sat().await.unwrap(), sat, "{what}");
    let proofs = purse.wallet.get_unspent_proofs().await.unwrap();
    let states = purse.wallet.check_proofs_spent(proofs).await.unwrap();
    let unspent =
        |state: &cdk_common::nuts::ProofState| state.state == cdk_common::nuts::State::Unspent;
    assert!(states.iter().all(unspent), "{what}: {states:?}");
    let open = purse.sagas().await.unwrap();
    assert!(open.is_empty(), "{what}: {open:?}");
}

/// The mint takes 500 inputs in a request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirteen_hundred_proofs_are_received() {
    let mint = TestMint::start(Options::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let (_home, purse) = mint.open(dir.path()).await;
    let key = OwnerKey::generate();
    for (locked, expected) in [(false, 1300), (true, 2600)] {
        let id = mint.quote(&key, 1300).await;
        let token = mint.small_change(&id, locked).await.to_string();
        let refused = purse.receive(&token, &[]).await;
        if locked {
            let error = refused.unwrap_err().to_string();
            assert!(error.contains("--key"), "{error}");
            let keys = [key.clone()];
            assert_eq!(purse.receive(&token, &keys).await.unwrap(), 1300);
        } else {
            assert_eq!(refused.unwrap(), 1300);
        }
        is_good(&purse, expected, &format!("locked: {locked}")).await;
        let again = purse.receive(&token, &[]).await.unwrap_err().to_string();
        assert!(again.contains("taken already"), "{again}");
    }
    let proofs = purse.wallet.get_unspent_proofs().await.unwrap();
    assert!(proofs.len() < 200, "{} proofs", proofs.len());
}

fn sixteen_at_once() -> Options {
    Options {
        max_inputs: 16,
        max_outputs: 16,
        ..Options::default()
    }
}

/// After a cut, the same command takes in the rest; for a token without a lock any other
/// command does too, should its text be lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receiving_is_cut_at_every_request_and_every_answer() {
    let mint = TestMint::start(sixteen_at_once()).await;
    let mut done = false;
    for number in 0..60 {
        for fault in [
            Fault::Before(number),
            Fault::After(number),
            Fault::Busy(number),
        ] {
            let what = format!("{fault:?}");
            let dir = tempfile::tempdir().unwrap();
            let (home, purse) = mint.open(dir.path()).await;
            let key = OwnerKey::generate();
            let id = mint.quote(&key, 30).await;
            let token = mint.small_change(&id, false).await.to_string();
            mint.fault(fault);
            let cut = purse.receive(&token, &[]).await;
            mint.fault(Fault::None);
            if let Err(error) = &cut {
                assert!(error.passes(), "{what}: {error}");
            }
            done = cut.is_ok();
            let began = purse.balance_sat().await.unwrap() > 0;
            drop((home, purse));
            let (_home, purse) = mint.open(dir.path()).await;
            if began && fault == Fault::Before(number) {
                purse.recover().await.unwrap();
            } else if let Err(error) = purse.receive(&token, &[]).await {
                assert!(error.to_string().contains("taken already"), "{error}");
            }
            is_good(&purse, 30, &what).await;
        }
        if done {
            return;
        }
    }
    panic!("it is never done");
}

/// The swap of a token of one part never arrives, its text is lost, and the mint has too
/// much to do when the wallet asks again: the ecash stays the wallet's to take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swap_that_was_not_made_does_not_lose_its_token() {
    let mint = TestMint::start(Options::default()).await;
    let mut cuts = 0;
    for number in 0..20 {
        for busy in 0..4 {
            let what = format!("cut at {number}, busy at {busy}");
            let dir = tempfile::tempdir().unwrap();
            let (home, purse) = mint.open(dir.path()).await;
            let key = OwnerKey::generate();
            let id = mint.quote(&key, 30).await;
            let token = mint.small_change(&id, false).await.to_string();
            mint.fault(Fault::Before(number));
            let cut = purse.receive(&token, &[]).await;
            mint.fault(Fault::None);
            if cut.is_ok() {
                assert!(cuts > 0);
                return;
            }
            if purse.sagas().await.unwrap().is_empty() {
                continue;
            }
            cuts += 1;
            drop((home, purse));
            let (_home, purse) = mint.open(dir.path()).await;
            mint.fault(Fault::Busy(busy));
            // It may fail: the next command goes on.
            let busy = purse.recover().await;
            mint.fault(Fault::None);
            let again = purse.recover().await;
            assert!(again.is_ok(), "{what}: {busy:?} {again:?}");
            is_good(&purse, 30, &what).await;
        }
    }
    panic!("it is never received");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_dies_at_every_write_of_a_receiving() {
    let mint = TestMint::start(sixteen_at_once()).await;
    let mut writes = 1;
    loop {
        let what = format!("dead at write {writes}");
        let dir = tempfile::tempdir().unwrap();
        let key = OwnerKey::generate();
        let id = mint.quote(&key, 30).await;
        let token = mint.small_change(&id, true).await.to_string();
        let left = Arc::new(Mutex::new(None));
        let home = Home::over(&dir.path().join("wallet"), |store| {
            let dying = DyingStore::over(store, writes);
            *left.lock().unwrap() = Some(dying.left());
            Arc::new(dying)
        })
        .await;
        let purse = home.purse(&mint.url).unwrap();
        let keys = [key.clone()];
        let received = purse.receive(&token, &keys).await;
        let dead = left.lock().unwrap().take().unwrap().load(Ordering::SeqCst) == 0;
        assert!(dead || received.is_ok(), "{received:?}");
        drop((home, purse));
        let (_home, purse) = mint.open(dir.path()).await;
        if let Err(error) = purse.receive(&token, &keys).await {
            assert!(
                error.to_string().contains("taken already"),
                "{what}: {error}"
            );
        }
        is_good(&purse, 30, &what).await;
        if !dead {
            break;
        }
        writes += 1;
    }
    assert!(writes > 20, "{writes}");
}

/// A stranger's token whose second part the mint never made: it is told, and no later
/// command is kept busy with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_false_in_part_is_not_asked_about_for_ever() {
    let mint = TestMint::start(Options::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let (_home, purse) = mint.open(dir.path()).await;
    let key = OwnerKey::generate();
    let id = mint.quote(&key, 250).await;
    let token = mint.small_change(&id, false).await;
    let mut proofs = token.proofs(&mint.cdk.keysets().keysets).unwrap();
    let other = proofs[0].c;
    for proof in &mut proofs[200..] {
        (proof.c, proof.dleq) = (other, None);
    }
    let token = Token::new(mint.url.clone(), proofs, None, CurrencyUnit::Sat).to_string();
    let error = purse.receive(&token, &[]).await.unwrap_err().to_string();
    assert!(
        error.starts_with("200 sat of the token are in the wallet"),
        "{error}"
    );
    assert!(error.contains("not of this mint"), "{error}");
    is_good(&purse, 200, "in part").await;
    purse.recover().await.unwrap();
    mint.fault(Fault::None);
    purse.recover().await.unwrap();
    assert_eq!(mint.fault(Fault::None), 0, "requests");
    is_good(&purse, 200, "in part").await;
}
