//! Two wallets at work at the same moment: for one key, and with the same words. Each says
//! what is true, and together they have everything, once.

use std::path::Path;

use super::mint::{Options, TestMint};
use super::network::Fault;
use super::payments::offer_of;
use super::words::{copy_words, worth};
use crate::{Home, OwnerKey, Purse, WalletError};

async fn earns(mint: &TestMint, key: &OwnerKey, round: u64) {
    for sat in [round + 1, 20 + round, 64] {
        mint.quote(key, sat).await;
    }
    let token = mint.quote(key, 16 + round).await;
    mint.claim(key, &token, &mint.url.to_string()).await;
}

/// Nobody was asked to pay anything: such a word would be untrue.
#[track_caller]
fn is_true(error: &WalletError) {
    assert!(error.passes(), "{error}");
    let said = error.to_string();
    for untrue in ["do not pay again", "payment", "already paid"] {
        assert!(!said.contains(untrue), "{said}");
    }
}

async fn sweep_at_once(mint: &TestMint, purses: [&Purse; 2], key: &OwnerKey, round: u64) {
    earns(mint, key, round).await;
    let sweep = async |purse: &Purse| purse.sweep(key, &mut |_| {}).await;
    let (one, other) = tokio::join!(sweep(purses[0]), sweep(purses[1]));
    for swept in [one, other] {
        match swept {
            Ok(swept) => assert_eq!(swept.left, [], "round {round}"),
            Err(error) => is_true(&error),
        }
    }
    for purse in purses {
        let swept = purse.sweep(key, &mut |_| {}).await.unwrap();
        assert_eq!(swept.left, [], "round {round}");
        assert_eq!(purse.sagas().await.unwrap().len(), 0);
    }
    let (issued, paid) = mint.issued_and_paid().await;
    assert_eq!(issued, paid, "round {round}");
    assert_eq!(worth(&purses).await, paid, "round {round}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_wallets_sweep_one_key_at_once() {
    let mint = TestMint::start(Options::default()).await;
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (_one_home, one) = mint.open(dirs[0].path()).await;
    let (_other_home, other) = mint.open(dirs[1].path()).await;
    let key = OwnerKey::generate();
    for round in 0..12 {
        Box::pin(sweep_at_once(&mint, [&one, &other], &key, round)).await;
        let (_, paid) = mint.issued_and_paid().await;
        let sum = one.balance_sat().await.unwrap() + other.balance_sat().await.unwrap();
        assert_eq!(sum, paid, "round {round}");
    }
}

/// The loser meets the winner in the middle of a request: the mint holds the ecash of the
/// token (11002), the outputs (11004) or the quote (20005). It waits for the end, or says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_else_is_at_work_on_is_no_payment_of_ours() {
    let mint = TestMint::start(Options::default()).await;
    for code in [11002, 11004, 20005] {
        for number in 0..14 {
            let dir = tempfile::tempdir().unwrap();
            let (_home, purse) = mint.open(dir.path()).await;
            let key = OwnerKey::generate();
            earns(&mint, &key, 1).await;
            mint.fault(Fault::Refused(number, code));
            let swept = purse.sweep(&key, &mut |_| {}).await;
            mint.fault(Fault::None);
            match swept {
                Ok(swept) => {
                    for left in swept.left {
                        assert!(left.why.contains("at work"), "{code}, {number}: {left:?}");
                    }
                }
                Err(error) => is_true(&error),
            }
            let swept = purse.sweep(&key, &mut |_| {}).await.unwrap();
            assert_eq!((swept.left, swept.balance_sat), (vec![], 104), "{number}");
            assert_eq!(purse.sagas().await.unwrap().len(), 0);
        }
    }
}

async fn same_words(mint: &TestMint, one: &Path, other: &Path) -> [(Home, Purse); 2] {
    let first = mint.open(one).await;
    copy_words(one, other);
    [first, mint.open(other).await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_wallets_of_the_same_words_sweep_at_once() {
    let mint = TestMint::start(Options::default()).await;
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [(_h1, one), (_h2, other)] = same_words(&mint, dirs[0].path(), dirs[1].path()).await;
    let key = OwnerKey::generate();
    for round in 0..8 {
        Box::pin(sweep_at_once(&mint, [&one, &other], &key, round)).await;
    }
}

/// Both have the same ecash, and both pay it out: once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_wallets_of_the_same_words_pay_out_at_once() {
    let mint = TestMint::start(Options {
        lightning: true,
        ..Options::default()
    })
    .await;
    let elsewhere = tempfile::tempdir().unwrap();
    let offer = offer_of(elsewhere.path()).await;
    for round in 0..4 {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [(_h1, one), (home, other)] = same_words(&mint, dirs[0].path(), dirs[1].path()).await;
        let key = OwnerKey::generate();
        mint.quote(&key, 5000).await;
        one.sweep(&key, &mut |_| {}).await.unwrap();
        home.restore(&mint.url).await.unwrap();
        assert_eq!(other.balance_sat().await.unwrap(), 5000);
        let paid = tokio::join!(one.pay_all(&offer, 1000), other.pay_all(&offer, 1000));
        let mut spent_sat = 0;
        for paid in [paid.0, paid.1] {
            match paid {
                Ok(Some(paid)) => spent_sat += paid.amount_sat + paid.fee_sat,
                Ok(None) => {}
                Err(error) => {
                    assert!(error.passes(), "{error}");
                    let said = error.to_string();
                    assert!(said.contains("with the same words"), "{round}: {said}");
                }
            }
        }
        assert!(spent_sat > 4800, "{round}: {spent_sat}");
        for purse in [&one, &other] {
            purse.recover().await.unwrap();
            assert_eq!(purse.sagas().await.unwrap().len(), 0, "{round}");
        }
        home.restore(&mint.url).await.unwrap();
        assert_eq!(worth(&[&one, &other]).await, 5000 - spent_sat, "{round}");
    }
}
