use super::mint::{Options, TestMint};
use super::network::Fault;
use crate::{Home, OwnerKey, Progress, Purse, Swept, WalletError};

async fn sweep(purse: &Purse, key: &OwnerKey) -> Swept {
    purse.sweep(key, &mut |_| {}).await.unwrap()
}

/// Everything that was paid is in the wallet, once, and the mint takes it for good.
async fn everything_is_there(mint: &TestMint, purse: &Purse) {
    let (issued, paid) = mint.issued_and_paid().await;
    assert_eq!((issued, purse.balance_sat().await.unwrap()), (paid, paid));
    let proofs = purse.wallet.get_unspent_proofs().await.unwrap();
    let states = purse.wallet.check_proofs_spent(proofs).await.unwrap();
    assert!(
        states
            .iter()
            .all(|state| state.state == cdk_common::nuts::State::Unspent)
    );
}

#[tokio::test]
async fn a_sweep_brings_everything_in_and_a_second_one_nothing() {
    let mint = TestMint::start(Options::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let (home, purse) = mint.open(dir.path()).await;
    let key = OwnerKey::generate();
    for sat in [45, 1, 1_000_000, 0, 7] {
        mint.quote(&key, sat).await;
    }
    mint.quote(&OwnerKey::generate(), 0).await;
    let mut steps = Vec::new();
    let swept = purse
        .sweep(&key, &mut |step| steps.push(step))
        .await
        .unwrap();
    assert_eq!((swept.quotes, swept.quotes_sat), (4, 1_000_053));
    assert_eq!(
        (swept.received_sat, swept.balance_sat),
        (1_000_053, 1_000_053)
    );
    assert_eq!(
        (swept.known_quotes, swept.unpaid_quotes, swept.left.len()),
        (5, 1, 0)
    );
    let last = Progress::Quotes {
        done: 4,
        of: 4,
        sat: 1_000_053,
    };
    assert_eq!(steps, [last]);
    everything_is_there(&mint, &purse).await;

    let again = sweep(&purse, &key).await;
    assert_eq!((again.received_sat, again.quotes), (0, 0));
    assert!(
        again
            .why_nothing()
            .unwrap()
            .contains("wait for their payment")
    );
    // The key's secret does not stay in the store once there is nothing to open with it.
    assert!(
        purse
            .wallet
            .localstore
            .get_mint_quotes()
            .await
            .unwrap()
            .is_empty()
    );
    let balances = home.balances().await.unwrap();
    assert_eq!(balances[&mint.url.to_string()].spendable_sat, 1_000_053);
}

#[tokio::test]
async fn a_quote_that_is_paid_again_is_swept_again() {
    let mint = TestMint::start(Options::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let (_home, purse) = mint.open(dir.path()).await;
    let key = OwnerKey::generate();
    let id = mint.quote(&key, 5).await;
    assert_eq!(sweep(&purse, &key).await.received_sat, 5);
    mint.pay(&id, 9).await;
    assert_eq!(sweep(&purse, &key).await.received_sat, 9);
    everything_is_there(&mint, &purse).await;
}

#[tokio::test]
async fn many_quotes_go_in_batches_of_what_the_mint_takes() {
    for (batch, max_outputs, requests) in [(Some(20), 500, 3), (Some(100), 30, 4), (None, 500, 50)]
    {
        let mint = TestMint::start(Options {
            batch,
            max_outputs,
            ..Options::default()
        })
        .await;
        let dir = tempfile::tempdir().unwrap();
        let (_home, purse) = mint.open(dir.path()).await;
        let key = OwnerKey::generate();
        for _ in 0..50 {
            mint.quote(&key, 2).await;
        }
        mint.fault(Fault::None);
        let mut steps = 0;
        let swept = purse.sweep(&key, &mut |_| steps += 1).await.unwrap();
        assert_eq!(swept.quotes_sat, 100, "{batch:?}");
        let minted = if max_outputs == 30 { steps - 1 } else { steps };
        assert!(
            minted >= 1 && minted <= requests,
            "{batch:?}: {minted} of {requests}"
        );
        everything_is_there(&mint, &purse).await;
    }
}

#[tokio::test]
async fn one_bad_quote_keeps_only_itself() {
    let mint = TestMint::start(Options::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let (_home, purse) = mint.open(dir.path()).await;
    let (key, other) = (OwnerKey::generate(), OwnerKey::generate());
    mint.quote(&key, 3).await;
    // The mint takes it for this key's and does not say that it is not: the batch of all
    // three is refused for it.
    let bad = mint.locked_quote(&key, &other.public_hex(), 100).await;
    mint.hide_lock(&bad);
    mint.quote(&key, 4).await;
    for (quotes_sat, balance_sat) in [(7, 7), (0, 7)] {
        let swept = sweep(&purse, &key).await;
        assert_eq!(
            (swept.quotes_sat, swept.balance_sat, swept.known_quotes),
            (quotes_sat, balance_sat, 3)
        );
        let [left] = swept.left.as_slice() else {
            panic!("one is left: {:?}", swept.left);
        };
        assert_eq!(
            (left.what.as_str(), left.sat),
            (bad.to_string().as_str(), Some(100))
        );
        assert!(
            left.why.to_lowercase().contains("signature"),
            "{}",
            left.why
        );
        assert!(
            purse.sagas().await.unwrap().is_empty(),
            "nothing stays open"
        );
    }
    assert_eq!(mint.issued_and_paid().await, (7, 107));
}

#[tokio::test]
async fn a_quote_that_is_told_to_be_anothers_is_not_tried() {
    let mint = TestMint::start(Options::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let (_home, purse) = mint.open(dir.path()).await;
    let (key, other) = (OwnerKey::generate(), OwnerKey::generate());
    mint.quote(&key, 3).await;
    mint.locked_quote(&key, &other.public_hex(), 100).await;
    let swept = sweep(&purse, &key).await;
    assert_eq!((swept.quotes_sat, swept.known_quotes), (3, 1));
    assert_eq!(swept.left, []);
}

#[tokio::test]
async fn tokens_of_the_key_are_taken_in_whatever_address_they_name() {
    let mint = TestMint::start(Options::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let (_home, purse) = mint.open(dir.path()).await;
    let key = OwnerKey::generate();
    let (here, elsewhere) = (mint.quote(&key, 45).await, mint.quote(&key, 6).await);
    mint.quote(&key, 100).await;
    mint.claim(&key, &here, &mint.url.to_string()).await;
    mint.claim(&key, &elsewhere, "https://pool.example").await;
    let swept = sweep(&purse, &key).await;
    assert_eq!((swept.tokens, swept.tokens_sat), (2, 51));
    assert_eq!(
        (swept.quotes_sat, swept.received_sat, swept.left.len()),
        (100, 151, 0)
    );
    let again = sweep(&purse, &key).await;
    assert_eq!(
        (again.tokens, again.received_sat, again.left.len()),
        (0, 0, 0)
    );
    everything_is_there(&mint, &purse).await;
}

#[tokio::test]
async fn a_token_goes_from_wallet_to_wallet_and_only_once() {
    let mint = TestMint::start(Options::default()).await;
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_h1, ours) = mint.open(one.path()).await;
    let (_h2, theirs) = mint.open(two.path()).await;
    let key = OwnerKey::generate();
    mint.quote(&key, 100).await;
    sweep(&ours, &key).await;
    let too_much = ours.send(101).await;
    assert!(matches!(
        too_much,
        Err(WalletError::Insufficient {
            need: 101,
            have: 100,
            ..
        })
    ));
    let token = ours.send(30).await.unwrap();
    assert_eq!(ours.balance_sat().await.unwrap(), 70);
    assert_eq!(
        ours.sent().await.unwrap()[0].token.as_deref(),
        Some(token.as_str())
    );
    assert_eq!(Purse::mint_of(&token).unwrap(), mint.url);
    assert_eq!(theirs.receive(&token, &[]).await.unwrap(), 30);
    let again = theirs.receive(&token, &[]).await;
    assert!(again.unwrap_err().to_string().contains("taken already"));
    let id = ours.sent().await.unwrap()[0].id.clone();
    assert!(ours.take_back(&id).await.is_err());

    ours.send(20).await.unwrap();
    let waiting = ours.sent().await.unwrap();
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    assert_eq!(ours.take_back(&waiting[0].id).await.unwrap(), 20);
    assert_eq!(ours.balance_sat().await.unwrap(), 70);
}

#[tokio::test]
async fn a_locked_token_needs_its_key() {
    let mint = TestMint::start(Options::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let (_home, purse) = mint.open(dir.path()).await;
    let key = OwnerKey::generate();
    let id = mint.quote(&key, 9).await;
    let token = mint
        .claim(&key, &id, &mint.url.to_string())
        .await
        .to_string();
    for keys in [&[][..], &[OwnerKey::generate()]] {
        let refused = purse.receive(&token, keys).await.unwrap_err();
        assert!(refused.to_string().contains("--key"), "{refused}");
    }
    assert_eq!(purse.receive(&token, &[key]).await.unwrap(), 9);
    everything_is_there(&mint, &purse).await;
}

#[tokio::test]
async fn what_is_no_pool_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(&dir.path().join("wallet")).await.unwrap();
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let purse = home
        .purse(&format!("http://{address}").parse().unwrap())
        .unwrap();
    let error = purse
        .sweep(&OwnerKey::generate(), &mut |_| {})
        .await
        .unwrap_err();
    assert!(matches!(error, WalletError::Unreachable { .. }), "{error}");

    let mint = TestMint::start(Options::default()).await;
    let purse = home.purse(&mint.url).unwrap();
    let nothing = sweep(&purse, &OwnerKey::generate()).await;
    assert!(
        nothing
            .why_nothing()
            .unwrap()
            .contains("no quote for this key")
    );
}
