//! Words that have been used before, in a store that does not know of it: nothing is stuck,
//! lost, or had twice.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use cdk_common::nuts::{CurrencyUnit, MeltQuoteState, State};

use super::dying_store::DyingStore;
use super::mint::{Options, TestMint};
use super::network::Fault;
use super::payments::{invoice, odd_invoice};
use crate::{Home, OwnerKey, Purse, Swept};

async fn sweep(purse: &Purse, key: &OwnerKey) -> Swept {
    let swept = purse.sweep(key, &mut |_| {}).await.unwrap();
    assert_eq!(swept.left, []);
    swept
}

/// The words go to another directory, without the store.
pub(super) fn copy_words(from: &Path, to: &Path) {
    let wallet = to.join("wallet");
    fs::create_dir_all(&wallet).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(&wallet, mode).unwrap();
    fs::copy(from.join("wallet/mnemonic"), wallet.join("mnemonic")).unwrap();
}

/// Satoshis of these purses that the mint takes, those of both counted once.
pub(super) async fn worth(purses: &[&Purse]) -> u64 {
    let mut amounts = BTreeMap::new();
    for purse in purses {
        let proofs = purse.wallet.get_unspent_proofs().await.unwrap();
        for some in proofs.chunks(100) {
            let states = purse.wallet.check_proofs_spent(some.to_vec()).await;
            for (proof, state) in some.iter().zip(states.unwrap()) {
                if state.state == State::Unspent {
                    amounts.insert(proof.secret.to_string(), proof.amount.to_u64());
                }
            }
        }
    }
    amounts.values().sum()
}

/// Everything that was paid has been issued, is in this purse, and nothing is under way.
async fn has_everything(mint: &TestMint, purse: &Purse, what: &str) {
    let (issued, paid) = mint.issued_and_paid().await;
    let balance = purse.balance_sat().await.unwrap();
    assert_eq!((issued, balance), (paid, paid), "{what}");
    assert_eq!(worth(&[purse]).await, paid, "{what}");
    assert_eq!(purse.sagas().await.unwrap().len(), 0, "{what}");
}

#[tokio::test]
async fn an_emptied_store_goes_on_behind_what_the_mint_has_signed() {
    let mint = TestMint::start(Options::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let key = OwnerKey::generate();
    let (home, purse) = mint.open(dir.path()).await;
    for sat in [45, 1, 1000] {
        mint.quote(&key, sat).await;
    }
    sweep(&purse, &key).await;
    drop((home, purse));
    for (round, sat) in [45, 7, 300].into_iter().enumerate() {
        fs::remove_file(dir.path().join("wallet/wallet.redb")).unwrap();
        mint.quote(&key, sat).await;
        let (home, purse) = mint.open(dir.path()).await;
        sweep(&purse, &key).await;
        has_everything(&mint, &purse, &format!("round {round}")).await;
        drop((home, purse));
    }
}

#[tokio::test]
async fn every_first_use_of_an_emptied_store_works() {
    let mint = TestMint::start(lightning()).await;
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_home, friend) = mint.open(other.path()).await;
    let key = OwnerKey::generate();
    for what in ["receive", "send", "pay"] {
        let gift = OwnerKey::generate();
        mint.quote(&gift, 1000).await;
        sweep(&friend, &gift).await;
        let (home, purse) = mint.open(dir.path()).await;
        mint.quote(&key, 500).await;
        sweep(&purse, &key).await;
        let before = purse.balance_sat().await.unwrap();
        drop((home, purse));
        fs::remove_file(dir.path().join("wallet/wallet.redb")).unwrap();
        let (_home, purse) = mint.open(dir.path()).await;
        let expected = match what {
            "receive" => {
                let token = friend.send(123).await.unwrap();
                assert_eq!(purse.receive(&token, &[]).await.unwrap(), 123);
                before + 123
            }
            "send" => {
                let token = purse.send(77).await.unwrap();
                assert_eq!(friend.receive(&token, &[]).await.unwrap(), 77);
                before - 77
            }
            _ => {
                let paid = purse.pay(&invoice(100), None).await.unwrap();
                before - paid.amount_sat - paid.fee_sat
            }
        };
        assert_eq!(purse.balance_sat().await.unwrap(), expected, "{what}");
        assert_eq!(worth(&[&purse]).await, expected, "{what}");
    }
}

fn lightning() -> Options {
    Options {
        lightning: true,
        ..Options::default()
    }
}

/// A backup of the whole directory, put back after more was earned: the store counts from an
/// older number than the mint.
#[tokio::test]
async fn an_older_copy_of_the_store_catches_up() {
    let mint = TestMint::start(Options::default()).await;
    let (dir, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = dir.path().join("wallet/wallet.redb");
    let copy = kept.path().join("copy");
    let key = OwnerKey::generate();
    let (home, purse) = mint.open(dir.path()).await;
    mint.quote(&key, 5).await;
    sweep(&purse, &key).await;
    drop((home, purse));
    fs::copy(&store, &copy).unwrap();
    for (round, sats) in [[3, 40], [8, 9], [40, 3]].iter().enumerate() {
        for sat in sats {
            let (_home, purse) = mint.open(dir.path()).await;
            mint.quote(&key, *sat).await;
            sweep(&purse, &key).await;
        }
        fs::copy(&copy, &store).unwrap();
        mint.quote(&key, 11).await;
        let (_home, purse) = mint.open(dir.path()).await;
        sweep(&purse, &key).await;
        has_everything(&mint, &purse, &format!("round {round}")).await;
    }
}

/// The request that the older store has under way can never be carried out: others have
/// used its outputs. Neither a sweep nor a restoration stops at it.
#[tokio::test]
async fn a_request_whose_outputs_others_used_is_asked_anew() {
    for restored in [false, true] {
        let mint = TestMint::start(Options::default()).await;
        let (dir, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = dir.path().join("wallet/wallet.redb");
        let copy = kept.path().join("copy");
        let key = OwnerKey::generate();
        let (home, purse) = mint.open(dir.path()).await;
        // The mint is known, nothing is signed.
        sweep(&purse, &key).await;
        drop((home, purse));
        fs::copy(&store, &copy).unwrap();
        mint.quote(&key, 2).await;
        let (home, purse) = mint.open(dir.path()).await;
        sweep(&purse, &key).await;
        drop((home, purse));
        fs::copy(&copy, &store).unwrap();
        let stuck = mint.quote(&key, 45).await;
        for number in 0.. {
            let (_home, purse) = mint.open(dir.path()).await;
            mint.fault(Fault::Before(number));
            let cut = purse.sweep(&key, &mut |_| {}).await;
            mint.fault(Fault::None);
            cut.unwrap_err();
            if !purse.sagas().await.unwrap().is_empty() {
                break;
            }
        }
        let (home, purse) = mint.open(dir.path()).await;
        if restored {
            assert_eq!(home.restore(&mint.url).await.unwrap().restored_sat, 2);
            assert_eq!(purse.sagas().await.unwrap().len(), 0);
        }
        let swept = sweep(&purse, &key).await;
        assert_eq!(swept.quotes_sat, 45, "{stuck}");
        has_everything(&mint, &purse, "asked anew").await;
    }
}

/// One set of words in two directories, used in turn. What both have is the same ecash: the
/// sum counts it once, and in the end somebody else has it all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_directories_with_the_same_words_sweep_in_turn() {
    let mint = TestMint::start(Options::default()).await;
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let key = OwnerKey::generate();
    let (first_home, first) = mint.open(dirs[0].path()).await;
    mint.quote(&key, 100).await;
    sweep(&first, &key).await;
    copy_words(dirs[0].path(), dirs[1].path());
    let (second_home, second) = mint.open(dirs[1].path()).await;
    let purses = [&first, &second];
    for round in 0..6_u64 {
        for (index, purse) in purses.into_iter().enumerate() {
            for sat in [round + 1, 20 + round] {
                mint.quote(&key, sat).await;
            }
            let token = mint.quote(&key, 16).await;
            mint.claim(&key, &token, &mint.url.to_string()).await;
            sweep(purse, &key).await;
            let (issued, paid) = mint.issued_and_paid().await;
            assert_eq!(issued, paid, "round {round}, directory {index}");
            assert_eq!(worth(&purses).await, paid, "round {round}, {index}");
            assert_eq!(purse.sagas().await.unwrap().len(), 0);
        }
    }
    let (_, paid) = mint.issued_and_paid().await;
    let heir = tempfile::tempdir().unwrap();
    let (_home, heir) = mint.open(heir.path()).await;
    // In turn as well: no token is made of ecash that the other one has spent.
    for (index, (home, purse)) in [(&second_home, &second), (&first_home, &first)]
        .repeat(3)
        .into_iter()
        .enumerate()
    {
        let restored = home.restore(&mint.url).await.unwrap();
        let balance = purse.balance_sat().await.unwrap();
        assert_eq!(balance, worth(&purses).await, "{index}: {restored:?}");
        let part = if index < 5 { balance / 3 } else { balance };
        let token = purse.send(part).await.unwrap();
        assert_eq!(heir.receive(&token, &[]).await.unwrap(), part, "{index}");
    }
    assert_eq!(worth(&purses).await, 0);
    assert_eq!(heir.balance_sat().await.unwrap(), paid);
    assert_eq!(worth(&[&heir]).await, paid);
}

/// Ecash that the other directory has spent is found out when it is needed.
#[tokio::test]
async fn ecash_that_the_other_directory_spent_is_no_error_for_ever() {
    let mint = TestMint::start(lightning()).await;
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let key = OwnerKey::generate();
    let (_first_home, first) = mint.open(dirs[0].path()).await;
    for sat in [64, 32, 7] {
        mint.quote(&key, sat).await;
    }
    sweep(&first, &key).await;
    copy_words(dirs[0].path(), dirs[1].path());
    let (second_home, second) = mint.open(dirs[1].path()).await;
    second_home.restore(&mint.url).await.unwrap();
    let friend = tempfile::tempdir().unwrap();
    let (_friend_home, friend) = mint.open(friend.path()).await;
    let token = first.send(70).await.unwrap();
    assert_eq!(friend.receive(&token, &[]).await.unwrap(), 70);
    // 33 are left, and the second directory counts 103.
    assert_eq!(second.balance_sat().await.unwrap(), 103);
    let paid = second.pay(&invoice(20), None).await.unwrap();
    let left = 33 - paid.amount_sat - paid.fee_sat;
    assert_eq!(worth(&[&first, &second]).await, left);
    let error = second.send(60).await.unwrap_err().to_string();
    assert!(error.contains(&format!("has {left} sat")), "{error}");
    assert_eq!(second.balance_sat().await.unwrap(), left);
    // And a token is never made of it.
    let token = second.send(left - 1).await.unwrap();
    assert_eq!(friend.receive(&token, &[]).await.unwrap(), left - 1);
    let error = first.send(left).await.unwrap_err().to_string();
    assert!(error.contains("has 1 sat"), "{error}");
}

/// A payment that has not ended holds outputs that the mint has not signed, and that no
/// search finds.
#[tokio::test]
async fn outputs_of_a_pending_payment_are_passed_over() {
    let mint = TestMint::start(lightning()).await;
    let dir = tempfile::tempdir().unwrap();
    let key = OwnerKey::generate();
    let (home, mut purse) = mint.open(dir.path()).await;
    purse.wait_at_most(std::time::Duration::from_millis(300));
    for sat in [500, 64] {
        mint.quote(&key, sat).await;
    }
    sweep(&purse, &key).await;
    let pending = odd_invoice(300, MeltQuoteState::Pending, MeltQuoteState::Pending);
    purse.pay(&pending, None).await.unwrap_err();
    let spendable = purse.balance_sat().await.unwrap();
    assert!(spendable < 264, "{spendable}");
    drop((home, purse));
    fs::remove_file(dir.path().join("wallet/wallet.redb")).unwrap();
    mint.quote(&key, 1000).await;
    let (home, purse) = mint.open(dir.path()).await;
    assert_eq!(sweep(&purse, &key).await.quotes_sat, 1000);
    assert_eq!(purse.balance_sat().await.unwrap(), spendable + 1000);
    assert_eq!(worth(&[&purse]).await, spendable + 1000);
    let restored = home.restore(&mint.url).await.unwrap();
    assert_eq!(restored.known_sat, spendable + 1000);
    assert_eq!(restored.pending_sat + spendable, 564);
    let keyset = mint.cdk.get_active_keysets()[&CurrencyUnit::Sat];
    let store = &purse.wallet.localstore;
    let used = store.increment_keyset_counter(&keyset, 0).await.unwrap();
    assert!(used < 400, "the gap stays small: {used}");
}

/// The first search is cut off at any request: the next use begins it again.
#[tokio::test]
async fn the_search_before_the_first_use_is_cut_off_at_every_request() {
    let mint = TestMint::start(Options::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let key = OwnerKey::generate();
    let (home, purse) = mint.open(dir.path()).await;
    mint.quote(&key, 77).await;
    sweep(&purse, &key).await;
    drop((home, purse));
    for number in [0, 1, 2, 3, 5, 9, 20, 26] {
        fs::remove_file(dir.path().join("wallet/wallet.redb")).unwrap();
        mint.quote(&key, 1).await;
        let (home, purse): (Home, Purse) = mint.open(dir.path()).await;
        mint.fault(Fault::Before(number));
        let cut = purse.sweep(&key, &mut |_| {}).await.map(drop);
        assert!(cut.is_err(), "request {number}");
        mint.fault(Fault::None);
        drop((home, purse));
        let (_home, purse) = mint.open(dir.path()).await;
        sweep(&purse, &key).await;
        has_everything(&mint, &purse, &format!("request {number}")).await;
    }
}

/// An older copy of the store, and a process that dies while it catches up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_dies_while_it_catches_up() {
    let mint = TestMint::start(Options::default()).await;
    let (dir, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = dir.path().join("wallet/wallet.redb");
    let copy = kept.path().join("copy");
    let key = OwnerKey::generate();
    for sat in [5, 90] {
        let (home, purse) = mint.open(dir.path()).await;
        mint.quote(&key, sat).await;
        sweep(&purse, &key).await;
        drop((home, purse));
        if sat == 5 {
            fs::copy(&store, &copy).unwrap();
        }
    }
    for writes in (1..).step_by(3) {
        fs::copy(&copy, &store).unwrap();
        mint.quote(&key, 1).await;
        let left = Arc::new(Mutex::new(None));
        let home = Home::over(&dir.path().join("wallet"), |store| {
            let dying = DyingStore::over(store, writes);
            *left.lock().unwrap() = Some(dying.left());
            Arc::new(dying)
        })
        .await;
        let purse = home.purse(&mint.url).unwrap();
        let swept = purse.sweep(&key, &mut |_| {}).await;
        let dead = left.lock().unwrap().take().unwrap().load(Ordering::SeqCst) == 0;
        assert!(dead || swept.is_ok(), "{swept:?}");
        drop((home, purse));
        let (_home, purse) = mint.open(dir.path()).await;
        sweep(&purse, &key).await;
        // A restoration too, for one that died before it was refused.
        let (_, paid) = mint.issued_and_paid().await;
        if purse.balance_sat().await.unwrap() < paid {
            assert!(dead, "{writes}");
            mint.quote(&key, 2).await;
            sweep(&purse, &key).await;
        }
        has_everything(&mint, &purse, &format!("dead at write {writes}")).await;
        if !dead {
            assert!(writes > 20, "{writes}");
            break;
        }
    }
}
