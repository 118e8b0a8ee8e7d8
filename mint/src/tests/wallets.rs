//! What a wallet can do: find, check, batch-mint and spend its quotes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use cdk::amount::SplitTarget;
use cdk::wallet::{ReceiveOptions, SendOptions, Wallet};
use cdk_common::nuts::nut00::ProofsMethods;
use cdk_common::{Amount, CurrencyUnit};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::support::{Owner, Pool, row_sums};
use crate::quote::method;

pub(super) async fn look_up(pool: &Pool, owner: &Owner) -> (u16, Value) {
    let key = owner.secret.public_key().to_hex();
    let text = format!("Cashu_MintQuoteLookup_v1{}{key}", pool.mint.key().to_hex());
    let signature = owner
        .secret
        .sign(text.as_bytes())
        .expect("signs")
        .to_string();
    let body = json!({ "pubkeys": [key], "pubkey_signatures": [signature] });
    pool.post("/v1/mint/quote/axepool/pubkey", body).await
}

/// Mints all that `quote` of `owner` has.
pub(crate) async fn minted(wallet: &Wallet, owner: &Owner, quote: &str) {
    let fetched = wallet.fetch_mint_quote(quote, Some(method())).await;
    let mut known = fetched.expect("known");
    known.secret_key = Some(owner.secret.clone());
    let store = &wallet.localstore;
    store.add_mint_quote(known).await.expect("kept");
    let minted = wallet.mint(quote, SplitTarget::default(), None).await;
    minted.expect("mints");
}

/// Swaps all ecash of the wallet for proofs of `sat` and less, which it keeps.
pub(crate) async fn swapped(wallet: &Wallet, sat: u64) -> Result<(), cdk::Error> {
    let proofs = wallet.get_unspent_proofs().await?;
    let split = SplitTarget::Value(Amount::from(sat));
    let swap = wallet.swap(None, split, proofs, None, false, false);
    swap.await.map(|_| ())
}

fn found(answer: &Value) -> Vec<String> {
    let quotes = answer["quotes"].as_array().expect("quotes");
    quotes
        .iter()
        .map(|quote| quote["quote"].as_str().expect("an id").to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wallet_finds_batch_mints_and_spends() {
    let pool = Pool::start().await;
    let (owner, other) = (Owner::new(), Owner::new());
    pool.paid(&owner, &[(1, 40), (2, 5), (3, 0), (4, 0)]).await;
    pool.paid(&other, &[(1, 7)]).await;
    pool.ledger.settle(3);
    pool.work().await;

    let (status, answer) = look_up(&pool, &owner).await;
    assert_eq!(status, 200, "{answer}");
    // Epoch 3 is settled with nothing for it; epoch 4 is still open.
    let expected: Vec<String> = [2, 1, 4]
        .iter()
        .map(|&epoch| pool.id(&owner, epoch))
        .collect();
    assert_eq!(found(&answer), expected);
    assert_eq!(answer["quotes"][1]["amount_paid"], 40);
    assert_eq!(answer["quotes"][1]["epoch"], 1);

    let wallet = pool.wallet().await;
    let mut keys = HashMap::new();
    for id in &expected[..2] {
        let quote = wallet
            .fetch_mint_quote(id, Some(method()))
            .await
            .expect("known");
        assert_eq!(u64::from(quote.amount_issued), 0);
        keys.insert(id.clone(), owner.secret.clone());
    }
    let ids: Vec<&str> = expected[..2].iter().map(String::as_str).collect();
    let proofs = wallet
        .batch_mint(&ids, SplitTarget::default(), None, Some(keys))
        .await
        .expect("mints");
    assert_eq!(u64::from(proofs.total_amount().expect("sums")), 45);
    assert_eq!(row_sums(&pool.mint).await, (52, 45));

    let friend = pool.wallet().await;
    let sending = wallet
        .prepare_send(Amount::from(30), SendOptions::default())
        .await
        .expect("sends");
    let token = sending.confirm(None).await.expect("a token").to_string();
    let received = friend
        .receive(&token, ReceiveOptions::default())
        .await
        .expect("receives");
    assert_eq!(u64::from(received), 30);
    let owed = pool.mint.liabilities().await.expect("reads");
    assert_eq!(
        (owed.outstanding_sat.get(), owed.paid_unissued_sat.get()),
        (45, 7)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quote_can_be_paid_and_minted_again() {
    let pool = Pool::start().await;
    let owner = Owner::new();
    let wallet = pool.wallet().await;
    let id = {
        pool.paid(&owner, &[(1, 3)]).await;
        pool.id(&owner, 1)
    };
    for (round, sat) in [(1, 3), (2, 9)] {
        if round == 2 {
            pool.ledger.pay(owner.quote(1), "a-second-payout", sat);
            pool.work().await;
        }
        let mut quote = wallet
            .fetch_mint_quote(&id, Some(method()))
            .await
            .expect("known");
        quote.secret_key = Some(owner.secret.clone());
        wallet
            .localstore
            .add_mint_quote(quote)
            .await
            .expect("keeps the key");
        let proofs = wallet
            .mint(&id, SplitTarget::default(), None)
            .await
            .expect("mints");
        assert_eq!(
            u64::from(proofs.total_amount().expect("sums")),
            sat,
            "round {round}"
        );
    }
    assert_eq!(u64::from(wallet.total_balance().await.expect("sums")), 12);
}

/// A wallet of cdk that was told of a quote, with a key for it or without.
async fn told_of(pool: &Pool, id: &str, key: Option<&Owner>) -> Wallet {
    let wallet = pool.wallet().await;
    let mut quote = wallet
        .fetch_mint_quote(id, Some(method()))
        .await
        .expect("known");
    quote.secret_key = key.map(|owner| owner.secret.clone());
    let store = &wallet.localstore;
    store.add_mint_quote(quote).await.expect("kept");
    wallet
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wallet_of_cdk_gets_nothing_that_is_not_its_own() {
    let pool = Pool::start().await;
    let (owner, stranger) = (Owner::new(), Owner::new());
    pool.paid(&owner, &[(1, 9), (2, 5)]).await;
    pool.paid(&stranger, &[(1, 4)]).await;
    let (first, second) = (pool.id(&owner, 1), pool.id(&owner, 2));
    let whole = SplitTarget::default;

    for key in [None, Some(&stranger)] {
        let wallet = told_of(&pool, &first, key).await;
        let error = wallet
            .mint(&first, whole(), None)
            .await
            .expect_err("locked");
        let told = matches!(error, cdk::Error::SignatureMissingOrInvalid);
        assert!(told || key.is_none(), "{error}");
    }
    let unknown = "f7b0e94b-f2f0-8a92-9c12-3c8c0a5a4a5a";
    let wallet = pool.wallet().await;
    let fetched = wallet.fetch_mint_quote(unknown, Some(method())).await;
    assert!(fetched.is_err(), "an unknown quote");

    // One bad quote in a batch: nothing is issued for the others either.
    let wallet = told_of(&pool, &first, Some(&owner)).await;
    let bad = pool.id(&stranger, 1);
    let mut keys = HashMap::new();
    for id in [&first, &bad] {
        wallet
            .fetch_mint_quote(id, Some(method()))
            .await
            .expect("known");
        keys.insert(id.clone(), owner.secret.clone());
    }
    let ids = [first.as_str(), bad.as_str()];
    let batch = wallet.batch_mint(&ids, whole(), None, Some(keys)).await;
    let error = batch.expect_err("one of them is another's");
    assert!(
        matches!(error, cdk::Error::SignatureMissingOrInvalid),
        "{error}"
    );
    assert_eq!(row_sums(&pool.mint).await, (18, 0));

    // Two wallets with the key: one of them gets it, and gets it once.
    let one = told_of(&pool, &second, Some(&owner)).await;
    let other = told_of(&pool, &second, Some(&owner)).await;
    let (one, other) = tokio::join!(
        one.mint(&second, whole(), None),
        other.mint(&second, whole(), None)
    );
    assert_eq!(
        [one.is_ok(), other.is_ok()]
            .iter()
            .filter(|ok| **ok)
            .count(),
        1
    );
    let refused = one.err().or(other.err()).expect("one is refused");
    assert!(matches!(refused, cdk::Error::IssuedQuote), "{refused}");
    assert_eq!(row_sums(&pool.mint).await, (18, 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ecash_of_a_rotated_keyset_keeps_its_worth() {
    let pool = Pool::start().await;
    let owner = Owner::new();
    pool.paid(&owner, &[(1, 21)]).await;
    let claim = pool.claim(&owner, false).await;
    let amounts = (0..32).map(|bit| 1 << bit).collect();
    let old = pool.mint.cdk().get_active_keysets()[&CurrencyUnit::Sat];
    pool.mint
        .cdk()
        .rotate_keyset(CurrencyUnit::Sat, amounts, 0, true, None)
        .await
        .expect("rotates");
    assert_ne!(
        pool.mint.cdk().get_active_keysets()[&CurrencyUnit::Sat],
        old
    );

    let wallet = pool.wallet().await;
    let options = ReceiveOptions {
        p2pk_signing_keys: vec![owner.secret.clone()],
        ..ReceiveOptions::default()
    };
    let token = claim["token"].as_str().expect("a token");
    assert_eq!(
        u64::from(wallet.receive(token, options).await.expect("receives")),
        21
    );
    let owed = pool.mint.liabilities().await.expect("reads");
    assert_eq!(
        (owed.outstanding_sat.get(), owed.paid_unissued_sat.get()),
        (21, 0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_up_needs_the_key() {
    let pool = Pool::start().await;
    let owner = Owner::new();
    pool.paid(&owner, &[(1, 3)]).await;
    let key = owner.miner.to_string();
    let wrong = Owner::new()
        .secret
        .sign(b"anything")
        .expect("signs")
        .to_string();
    let path = "/v1/mint/quote/axepool/pubkey";
    let (status, answer) = pool
        .post(
            path,
            json!({ "pubkeys": [key], "pubkey_signatures": [wrong] }),
        )
        .await;
    assert_eq!(
        (status, answer["code"].as_u64()),
        (400, Some(20008)),
        "{answer}"
    );
    for body in ["", "{}", "[]", "{\"pubkeys\":[],\"pubkey_signatures\":[]}"] {
        let (status, _) = pool.send("POST", path, body).await;
        assert_eq!(status, 400, "{body}");
    }
    let (status, _) = pool.post("/v1/mint/quote/bolt11/pubkey", json!({})).await;
    assert_eq!(status, 400);
    // cdk's routes beside ours still answer.
    let check = json!({ "quotes": [pool.id(&owner, 1)] });
    let (status, answer) = pool.post("/v1/mint/quote/axepool/check", check).await;
    assert_eq!(
        (status, &answer[0]["amount_paid"]),
        (200, &json!(3)),
        "{answer}"
    );
}

/// A wallet that is cut off in the middle of a swap, at any moment, finds its ecash spent
/// or unspent afterwards, and never pending: nothing would decide that until a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_leaves_no_ecash_pending() {
    const TIMES: u32 = 40;
    let pool = Pool::start().await;
    let owner = Owner::new();
    pool.paid(&owner, &[(1, 500)]).await;
    let wallet = pool.wallet().await;
    let id = pool.id(&owner, 1);
    wallet
        .fetch_mint_quote(&id, Some(method()))
        .await
        .expect("known");
    let keys = HashMap::from([(id.clone(), owner.secret.clone())]);
    wallet
        .batch_mint(&[&id], SplitTarget::default(), None, Some(keys))
        .await
        .expect("mints");

    let friend = pool.wallet().await;
    let mut whole = Duration::ZERO;
    for time in 0..=TIMES {
        let sending = wallet
            .prepare_send(Amount::from(3), SendOptions::default())
            .await
            .expect("sends");
        let token = sending.confirm(None).await.expect("a token").to_string();
        let receiving = friend.receive(&token, ReceiveOptions::default());
        if time == 0 {
            // How long an undisturbed one takes.
            let begun = Instant::now();
            receiving.await.expect("receives");
            whole = begun.elapsed();
        } else {
            // Dropped at the end of the time, and its connection with it.
            let _ = timeout(whole * time / TIMES, receiving).await;
        }
    }
    let sent = wallet.get_pending_spent_proofs().await.expect("kept");
    assert!(sent.len() > 40, "{}", sent.len());
    let ys = sent.ys().expect("points");
    let begun = Instant::now();
    loop {
        let request = json!({ "Ys": ys });
        let (status, answer) = pool.post("/v1/checkstate", request).await;
        assert_eq!(status, 200, "{answer}");
        let states = answer["states"].as_array().expect("states");
        let pending = states.iter().filter(|state| state["state"] == "PENDING");
        let pending = pending.count();
        if pending == 0 {
            let spent = states.iter().filter(|state| state["state"] == "SPENT");
            assert!(spent.count() > 3, "{answer}");
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "{pending} of {} proofs stay pending",
            ys.len()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
