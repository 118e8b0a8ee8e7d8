//! Token claims: what they give, to whom, and when.

use basics::clock::now_ms;
use cdk::amount::SplitTarget;
use cdk::wallet::ReceiveOptions;
use cdk_common::CurrencyUnit;
use cdk_common::nuts::{Proofs, Token};
use serde_json::{Value, json};

use super::support::{Owner, Pool, row_sums};
use crate::quote::method;
use crate::{Claim, ClaimError, Purpose, Signed, TokenState};

fn with_key(owner: &Owner) -> ReceiveOptions {
    ReceiveOptions {
        p2pk_signing_keys: vec![owner.secret.clone()],
        ..ReceiveOptions::default()
    }
}

async fn receive(pool: &Pool, owner: &Owner, claim: &Value) -> u64 {
    let token = claim["token"].as_str().expect("a token");
    u64::from(
        pool.wallet()
            .await
            .receive(token, with_key(owner))
            .await
            .expect("receives"),
    )
}

fn signed(owner: &Owner, pool: &Pool, purpose: Purpose, time_ms: u64) -> Signed {
    serde_json::from_value(owner.signed(&pool.mint, purpose, time_ms)).expect("reads")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_sums_all_and_only_the_key_spends_it() {
    let pool = Pool::start().await;
    let owner = Owner::new();
    let nothing = pool.claim(&owner, false).await;
    assert_eq!(nothing["status"], "nothing", "{nothing}");

    pool.paid(&owner, &[(1, 40), (2, 5), (3, 0)]).await;
    let claim = pool.claim(&owner, false).await;
    assert_eq!(
        (&claim["amount"], &claim["new"], &claim["waiting"]),
        (&json!(45), &json!(true), &json!(0))
    );
    assert_eq!(row_sums(&pool.mint).await, (45, 45));

    let text = claim["token"].as_str().expect("a token");
    let keys = pool.mint.cdk().keysets().keysets;
    let proofs: Proofs = text
        .parse::<Token>()
        .expect("reads")
        .proofs(&keys)
        .expect("proofs");
    assert_eq!(proofs.len(), 4);
    let active = pool.mint.cdk().get_active_keysets()[&CurrencyUnit::Sat];
    let keyset = pool.mint.cdk().keyset(&active).expect("active");
    for proof in &proofs {
        let key = keyset
            .keys
            .amount_key(proof.amount)
            .expect("a denomination");
        proof.verify_dleq(key).expect("carries its DLEQ proof");
    }

    let stranger = pool.wallet().await;
    assert!(
        stranger
            .receive(text, ReceiveOptions::default())
            .await
            .is_err(),
        "without a key"
    );
    assert!(
        stranger
            .receive(text, with_key(&Owner::new()))
            .await
            .is_err(),
        "with another key"
    );
    assert_eq!(receive(&pool, &owner, &claim).await, 45);
    assert!(
        pool.wallet()
            .await
            .receive(text, with_key(&owner))
            .await
            .is_err(),
        "twice"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unspent_token_is_given_again_until_it_is_spent() {
    let pool = Pool::start().await;
    let owner = Owner::new();
    pool.paid(&owner, &[(1, 8)]).await;
    let first = pool.claim(&owner, false).await;
    pool.paid(&owner, &[(2, 3)]).await;
    let again = pool.claim(&owner, false).await;
    assert_eq!(again["token"], first["token"]);
    assert_eq!(
        (&again["new"], &again["waiting"]),
        (&json!(false), &json!(3))
    );

    assert_eq!(receive(&pool, &owner, &first).await, 8);
    let second = pool.claim(&owner, false).await;
    assert_eq!(
        (&second["new"], &second["amount"]),
        (&json!(true), &json!(3))
    );

    let (_, list) = pool
        .get(&format!("/api/miners/{}/tokens", owner.miner))
        .await;
    let states: Vec<&Value> = list["tokens"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|token| &token["state"])
        .collect();
    assert_eq!(states, ["unspent", "spent"], "{list}");
    assert_eq!(list["tokens"][0]["token"], second["token"]);
    assert!(list["tokens"][1]["token"].is_null());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_day_new_money_gets_a_token_of_its_own() {
    const DAY_MS: u64 = 86_400_000;
    let pool = Pool::start().await;
    let owner = Owner::new();
    pool.paid(&owner, &[(1, 8)]).await;
    let now = now_ms();
    let claim = |now| pool.mint.claim(&owner.miner, None, None, now);
    let Claim::New { token: first, .. } = claim(now).await.expect("claims") else {
        panic!("new")
    };
    // A day later, but nothing new: still the same.
    assert!(
        matches!(claim(now + DAY_MS).await, Ok(Claim::Earlier { token, .. }) if token == first)
    );
    pool.paid(&owner, &[(2, 3)]).await;
    assert!(
        matches!(claim(now + DAY_MS - 1).await, Ok(Claim::Earlier { token, .. }) if token == first)
    );
    let Ok(Claim::New { token: second, .. }) = claim(now + DAY_MS).await else {
        panic!("new")
    };
    assert_eq!((second.number, second.amount.get()), (2, 3));
    let states: Vec<_> = pool.mint.tokens(&owner.miner, 10).await.expect("lists");
    assert!(
        states
            .iter()
            .all(|(_, state)| *state == TokenState::Unspent)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_claim_gets_a_new_token_at_once_and_cannot_be_replayed() {
    let pool = Pool::start().await;
    let owner = Owner::new();
    pool.paid(&owner, &[(1, 8)]).await;
    let first = pool.claim(&owner, false).await;
    pool.paid(&owner, &[(2, 3)]).await;

    let path = format!("/api/miners/{}/token", owner.miner);
    let body = owner.signed(&pool.mint, Purpose::Claim, now_ms());
    let (status, second) = pool.post(&path, body.clone()).await;
    assert_eq!(
        (status, &second["amount"], &second["new"]),
        (200, &json!(3), &json!(true)),
        "{second}"
    );
    assert_ne!(first["token"], second["token"]);

    pool.paid(&owner, &[(3, 1)]).await;
    let (status, replay) = pool.post(&path, body).await;
    assert_eq!(
        (status, replay["code"].as_u64()),
        (400, Some(20008)),
        "{replay}"
    );
    for bad in [
        owner.signed(&pool.mint, Purpose::SweepOnly, now_ms()),
        owner.signed(&pool.mint, Purpose::Claim, now_ms() - 3_600_000),
        Owner::new().signed(&pool.mint, Purpose::Claim, now_ms()),
        json!({ "time_ms": now_ms(), "signature": "00" }),
    ] {
        let (status, answer) = pool.post(&path, bad).await;
        assert_eq!(status, 400, "{answer}");
    }
    assert_eq!(row_sums(&pool.mint).await, (12, 11));
    // Half a signature is no unsigned request.
    let (status, answer) = pool.post(&path, json!({ "time_ms": now_ms() })).await;
    assert_eq!(status, 400, "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_can_ask_for_no_tokens() {
    let pool = Pool::start().await;
    let owner = Owner::new();
    pool.paid(&owner, &[(1, 8)]).await;
    let now = now_ms();
    let opt = |sweep_only, purpose, time_ms| {
        let signed = signed(&owner, &pool, purpose, time_ms);
        let (mint, miner) = (pool.mint.clone(), owner.miner);
        async move { mint.set_sweep_only(&miner, sweep_only, &signed, now).await }
    };
    assert!(
        opt(true, Purpose::AllowTokens, now).await.is_err(),
        "signed for the opposite"
    );
    opt(true, Purpose::SweepOnly, now).await.expect("opts out");
    let (status, answer) = pool
        .post(&format!("/api/miners/{}/token", owner.miner), json!({}))
        .await;
    assert_eq!(status, 403, "{answer}");
    assert!(
        matches!(
            opt(true, Purpose::SweepOnly, now).await,
            Err(ClaimError::Signed(_))
        ),
        "replay"
    );
    assert_eq!(row_sums(&pool.mint).await, (8, 0));
    opt(false, Purpose::AllowTokens, now + 1)
        .await
        .expect("opts in");
    assert_eq!(pool.claim(&owner, false).await["amount"], 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sweep_and_claims_at_once_issue_everything_once() {
    let pool = Pool::start().await;
    for round in 0..8u64 {
        let owner = Owner::new();
        pool.paid(&owner, &[(1, 40 + round), (2, 5)]).await;
        let ids = [pool.id(&owner, 1), pool.id(&owner, 2)];
        let wallet = pool.wallet().await;
        let keys = ids
            .iter()
            .map(|id| (id.clone(), owner.secret.clone()))
            .collect();
        for id in &ids {
            wallet
                .fetch_mint_quote(id, Some(method()))
                .await
                .expect("known");
        }
        let refs: Vec<&str> = ids.iter().map(String::as_str).collect();
        let sweep = wallet.batch_mint(&refs, SplitTarget::default(), None, Some(keys));
        let (swept, one, two) =
            tokio::join!(sweep, pool.claim(&owner, false), pool.claim(&owner, false));
        let swept = swept.is_ok();
        let tokens = pool.mint.tokens(&owner.miner, 10).await.expect("lists");
        if swept {
            assert_eq!(
                (&one["status"], &two["status"]),
                (&json!("nothing"), &json!("nothing"))
            );
            assert!(tokens.is_empty(), "round {round}");
        } else {
            assert_eq!(tokens.len(), 1, "round {round}");
            assert_eq!(tokens[0].0.amount.get(), 45 + round);
        }
        let (paid, issued) = row_sums(&pool.mint).await;
        assert_eq!(paid, issued, "round {round}");
    }
    let owed = pool.mint.liabilities().await.expect("reads");
    assert_eq!(owed.outstanding_sat.get(), pool.ledger.paid_sat());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mint_without_a_url_of_its_own_makes_no_tokens() {
    let why = "it has no public address";
    let pool = Pool::set(|config| config.no_tokens = Some(why.to_owned())).await;
    let owner = Owner::new();
    pool.paid(&owner, &[(1, 8)]).await;
    for body in [
        json!({}),
        owner.signed(&pool.mint, Purpose::Claim, now_ms()),
    ] {
        let path = format!("/api/miners/{}/token", owner.miner);
        let (status, answer) = pool.post(&path, body).await;
        assert_eq!(status, 403, "{answer}");
        let detail = answer["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(why), "{answer}");
    }
    assert_eq!(row_sums(&pool.mint).await, (8, 0), "a sweep still gets it");
}
