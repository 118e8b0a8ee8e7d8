//! Keys that follow from the words: the words alone find them again, and what they earned.

use std::fs;

use super::mint::{Options, TestMint};
use super::words::copy_words;
use crate::{Home, HomeError, OwnerKey, WordKey};

#[tokio::test]
async fn words_alone_bring_back_keys_and_ecash() {
    let mint = TestMint::start(Options::default()).await;
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (home, purse) = mint.open(dir.path()).await;
    let first = home.next_key().await.unwrap();
    let second = home.next_key().await.unwrap();
    let far = home.numbered_key(151).await.unwrap();
    assert_eq!((first.number, second.number, far.number), (0, 1, 151));
    mint.quote(&first.key, 45).await;
    // Another key's quotes are not these words' keys.
    mint.quote(&OwnerKey::generate(), 7).await;
    purse.sweep(&first.key, &mut |_| {}).await.unwrap();
    mint.quote(&first.key, 9).await;
    let silent = mint.quote(&far.key, 1000).await;
    mint.hide_lock(&silent);
    drop((home, purse));

    copy_words(dir.path(), other.path());
    let (home, purse) = mint.open(other.path()).await;
    assert_eq!(home.restore(&mint.url).await.unwrap().restored_sat, 45);
    // The second one has never mined: nothing is lost with it.
    let found = home.find_keys(&mint.url).await.unwrap();
    assert_eq!(found, [first.clone(), far.clone()]);
    for key in &found {
        purse.sweep(&key.key, &mut |_| {}).await.unwrap();
    }
    assert_eq!(purse.balance_sat().await.unwrap(), 45 + 9 + 1000);
    // A key that was found is not given out for a new one.
    assert_eq!(home.next_key().await.unwrap(), second);
    assert_eq!(home.next_key().await.unwrap().number, 2);
    assert_eq!(home.numbered_key(151).await.unwrap(), far);
}

#[tokio::test]
async fn a_mint_that_claims_every_key_uses_up_no_more_than_a_search_asks_for() {
    let mint = TestMint::start(Options::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let (home, _purse) = mint.open(dir.path()).await;
    for number in 0..200 {
        let key = home.numbered_key(number).await.unwrap();
        mint.quote(&key.key, 1).await;
    }
    assert_eq!(home.find_keys(&mint.url).await.unwrap().len(), 200);
    let none_left = home.next_key().await;
    assert!(
        matches!(none_left, Err(HomeError::KeysUsed { keys: 200 })),
        "{none_left:?}"
    );
}

#[tokio::test]
async fn a_key_is_told_from_those_of_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let wallet = dir.path().join("wallet");
    let random = OwnerKey::generate();
    assert_eq!(WordKey::find(&wallet, &random, None).unwrap(), None);
    assert!(!wallet.exists(), "looking made a wallet");
    let home = Home::open(&wallet).await.unwrap();
    let (near, far) = (
        home.next_key().await.unwrap(),
        home.numbered_key(70_000).await.unwrap(),
    );
    // Also while the wallet is in use.
    let find = |key: &WordKey, hint| WordKey::find(&wallet, &key.key, hint).unwrap();
    assert_eq!(find(&near, None), Some(near.clone()));
    assert_eq!(find(&near, Some(3)), Some(near.clone()));
    assert_eq!(find(&far, Some(70_000)), Some(far.clone()));
    assert_eq!(find(&far, None), None);
    assert_eq!(WordKey::find(&wallet, &random, Some(0)).unwrap(), None);
    drop(home);
    // The number is given out once, whatever process asks.
    let home = Home::open(&wallet).await.unwrap();
    assert_eq!(home.next_key().await.unwrap().number, 1);
    drop(home);
    fs::write(wallet.join("mnemonic"), "no words\n").unwrap();
    assert!(WordKey::find(&wallet, &random, None).is_err());
}
