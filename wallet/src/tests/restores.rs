//! From the words alone: what was in the wallet is there again, once.

use std::path::Path;

use cdk_common::nuts::CurrencyUnit;

use super::mint::{Options, TestMint};
use super::network::Fault;
use crate::{Home, HomeError, OwnerKey, Purse, Restored};

async fn sweep(purse: &Purse, key: &OwnerKey) -> u64 {
    purse.sweep(key, &mut |_| {}).await.unwrap().received_sat
}

/// The words of the wallet in `dir`.
fn words(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("wallet/mnemonic")).unwrap()
}

/// A new disk with nothing on it but the words.
async fn from_words(mint: &TestMint, words: &str, expected_sat: u64) {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open_with_words(&dir.path().join("wallet"), words)
        .await
        .unwrap();
    let restored = home.restore(&mint.url).await.unwrap();
    assert_eq!(restored.restored_sat, expected_sat, "{restored:?}");
    let purse = home.purse(&mint.url).unwrap();
    assert_eq!(purse.balance_sat().await.unwrap(), expected_sat);
    let again = home.restore(&mint.url).await.unwrap();
    assert_eq!((again.restored_sat, again.known_sat), (0, expected_sat));
    assert!(!dir.path().join("wallet/restoring.redb").exists());
    // The mint takes all of it.
    let token = purse.send(expected_sat).await.unwrap();
    let other = tempfile::tempdir().unwrap();
    let (_home, friend) = mint.open(other.path()).await;
    assert_eq!(friend.receive(&token, &[]).await.unwrap(), expected_sat);
    let id = &purse.sent().await.unwrap()[0].id;
    assert!(purse.take_back(id).await.is_err(), "it is gone");
    // And pays back what it took, so that there is something to restore the next time.
    let back = friend.send(expected_sat).await.unwrap();
    assert_eq!(purse.receive(&back, &[]).await.unwrap(), expected_sat);
}

#[tokio::test]
async fn a_lost_disk_is_no_lost_ecash() {
    let mint = TestMint::start(Options::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let (home, purse) = mint.open(dir.path()).await;
    let (key, friend) = (OwnerKey::generate(), tempfile::tempdir().unwrap());
    for sat in [45, 1, 1000] {
        mint.quote(&key, sat).await;
    }
    sweep(&purse, &key).await;
    let (_friends, friends) = mint.open(friend.path()).await;
    let token = purse.send(46).await.unwrap();
    friends.receive(&token, &[]).await.unwrap();
    let words = words(dir.path());
    drop((home, purse, dir));
    // Thrice: each time another wallet goes on where the lost one stopped.
    for _ in 0..3 {
        from_words(&mint, &words, 1000).await;
    }
}

#[tokio::test]
async fn unused_outputs_are_not_taken_for_the_end() {
    let mint = TestMint::start(Options::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let (home, purse) = mint.open(dir.path()).await;
    let key = OwnerKey::generate();
    mint.quote(&key, 5).await;
    sweep(&purse, &key).await;
    // As refused requests leave them.
    let keyset = mint.cdk.get_active_keysets()[&CurrencyUnit::Sat];
    let store = &purse.wallet.localstore;
    store.increment_keyset_counter(&keyset, 1200).await.unwrap();
    mint.quote(&key, 9).await;
    sweep(&purse, &key).await;
    let words = words(dir.path());
    drop((home, purse));
    from_words(&mint, &words, 14).await;
}

#[tokio::test]
async fn a_wallet_that_has_everything_stays_as_it_is() {
    let mint = TestMint::start(Options::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let (home, purse) = mint.open(dir.path()).await;
    let key = OwnerKey::generate();
    mint.quote(&key, 100).await;
    sweep(&purse, &key).await;
    purse.send(30).await.unwrap();
    let (before, sent) = (home.balances().await.unwrap(), purse.sent().await.unwrap());
    let counter = |count| {
        let keyset = mint.cdk.get_active_keysets()[&CurrencyUnit::Sat];
        let store = std::sync::Arc::clone(&purse.wallet.localstore);
        async move {
            store
                .increment_keyset_counter(&keyset, count)
                .await
                .unwrap()
        }
    };
    let used = counter(0).await;
    for _ in 0..2 {
        let restored = home.restore(&mint.url).await.unwrap();
        let expected = Restored {
            known_sat: 100,
            spent_sat: restored.spent_sat,
            ..Restored::default()
        };
        assert_eq!(restored, expected);
        assert_eq!(home.balances().await.unwrap(), before);
        assert_eq!(purse.sent().await.unwrap(), sent);
        assert_eq!(counter(0).await, used, "no gap is torn");
    }
    assert_eq!(purse.take_back(&sent[0].id).await.unwrap(), 30);
    assert_eq!(purse.balance_sat().await.unwrap(), 100);
}

#[tokio::test]
async fn cut_off_at_any_request_it_is_done_again() {
    let mint = TestMint::start(Options::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let (home, purse) = mint.open(dir.path()).await;
    let key = OwnerKey::generate();
    mint.quote(&key, 77).await;
    sweep(&purse, &key).await;
    let words = words(dir.path());
    drop((home, purse));
    for number in 0..8 {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open_with_words(&dir.path().join("wallet"), &words)
            .await
            .unwrap();
        mint.fault(Fault::Before(number));
        let cut = home.restore(&mint.url).await;
        assert!(cut.is_err(), "request {number}");
        mint.fault(Fault::None);
        let restored = home.restore(&mint.url).await.unwrap();
        assert_eq!(
            (restored.restored_sat, restored.known_sat),
            (77, 0),
            "{number}"
        );
    }
}

#[tokio::test]
async fn words_are_not_mixed_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wallet");
    assert!(!Home::is_there(&path));
    let opened = Home::open_with_words(&path, "twelve words that are none").await;
    assert!(matches!(opened.map(drop), Err(HomeError::NoMnemonic(_))));
    drop(Home::open(&path).await.unwrap());
    assert!(Home::is_there(&path));
    let own = words(dir.path());
    drop(Home::open_with_words(&path, &own).await.unwrap());
    let others = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
                  abandon about";
    let opened = Home::open_with_words(&path, others).await.map(drop);
    assert!(
        matches!(opened, Err(HomeError::OtherWords(_))),
        "{opened:?}"
    );
    std::fs::remove_file(path.join("mnemonic")).unwrap();
    let opened = Home::open_with_words(&path, others).await.map(drop);
    assert!(
        matches!(opened, Err(HomeError::WordsGone { .. })),
        "{opened:?}"
    );
}
