//! What the mint refuses, with the NUTs' codes, and that nothing is issued then.

use cdk::wallet::MintConnector;
use cdk_common::amount::{FeeAndAmounts, SplitTarget};
use cdk_common::nuts::{BatchMintRequest, MintRequest, PreMintSecrets, SecretKey};
use cdk_common::{Amount, CurrencyUnit};
use serde_json::json;

use super::support::{Owner, Pool, row_sums};
use crate::quote::method;

pub(super) fn outputs(pool: &Pool, sat: u64) -> PreMintSecrets {
    let keyset = pool.mint.cdk().get_active_keysets()[&CurrencyUnit::Sat];
    let amounts: FeeAndAmounts = (0, (0..32).map(|bit| 1 << bit).collect::<Vec<u64>>()).into();
    PreMintSecrets::random(keyset, Amount::from(sat), &SplitTarget::None, &amounts).expect("splits")
}

pub(super) fn request(
    pool: &Pool,
    quote: &str,
    sat: u64,
    key: Option<&SecretKey>,
) -> MintRequest<String> {
    let outputs = outputs(pool, sat).blinded_messages();
    let mut request = MintRequest {
        quote: quote.to_owned(),
        outputs,
        signature: None,
    };
    if let Some(key) = key {
        request.sign(key).expect("signs");
    }
    request
}

async fn code(pool: &Pool, request: &MintRequest<String>) -> Option<u64> {
    let body = serde_json::to_value(request).expect("json");
    let (status, answer) = pool.post("/v1/mint/axepool", body).await;
    assert_eq!(status == 200, answer["code"].is_null(), "{answer}");
    answer["code"].as_u64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_key_mints_and_only_once() {
    let pool = Pool::start().await;
    let owner = Owner::new();
    pool.paid(&owner, &[(1, 12), (2, 0)]).await;
    let (paid, unpaid) = (pool.id(&owner, 1), pool.id(&owner, 2));
    let key = Some(&owner.secret);

    assert_eq!(
        code(&pool, &request(&pool, &paid, 12, None)).await,
        Some(20008),
        "unsigned"
    );
    let stranger = Owner::new();
    assert_eq!(
        code(&pool, &request(&pool, &paid, 12, Some(&stranger.secret))).await,
        Some(20008),
        "signed by another key"
    );
    assert_eq!(
        code(&pool, &request(&pool, &paid, 13, key)).await,
        Some(11005),
        "over-issue"
    );
    assert_eq!(
        code(&pool, &request(&pool, &unpaid, 1, key)).await,
        Some(20001),
        "unpaid"
    );
    let unknown = "f7b0e94b-f2f0-8a92-9c12-3c8c0a5a4a5a";
    assert_eq!(
        code(&pool, &request(&pool, unknown, 1, key)).await,
        Some(50000),
        "unknown"
    );
    assert_eq!(row_sums(&pool.mint).await, (12, 0));

    let good = request(&pool, &paid, 12, key);
    assert_eq!(code(&pool, &good).await, None);
    // The same request again is answered from the cache (NUT-19), another one is not.
    assert_eq!(code(&pool, &good).await, None);
    assert_eq!(
        code(&pool, &request(&pool, &paid, 12, key)).await,
        Some(20002),
        "double mint"
    );
    assert_eq!(row_sums(&pool.mint).await, (12, 12));

    // Outputs that were signed before are refused on another quote as well.
    pool.paid(&owner, &[(3, 12)]).await;
    let mut reused = MintRequest {
        quote: pool.id(&owner, 3),
        outputs: good.outputs.clone(),
        signature: None,
    };
    reused.sign(&owner.secret).expect("signs");
    assert_eq!(code(&pool, &reused).await, Some(11003), "outputs twice");
    assert_eq!(row_sums(&pool.mint).await, (24, 12));
    let owed = pool.mint.liabilities().await.expect("reads");
    assert_eq!(
        (owed.outstanding_sat.get(), owed.paid_unissued_sat.get()),
        (12, 12)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_with_one_bad_quote_issues_nothing() {
    let pool = Pool::start().await;
    let (owner, other) = (Owner::new(), Owner::new());
    pool.paid(&owner, &[(1, 4), (2, 4), (3, 0)]).await;
    pool.paid(&other, &[(1, 4)]).await;
    let good = [pool.id(&owner, 1), pool.id(&owner, 2)];
    let bad = [
        pool.id(&owner, 3),
        pool.id(&other, 1),
        "f7b0e94b-f2f0-8a92-9c12-3c8c0a5a4a5a".into(),
    ];
    let batch = |ids: Vec<String>| {
        let total = 4 * ids.len() as u64;
        let mut request = BatchMintRequest {
            quote_amounts: Some(ids.iter().map(|_| Amount::from(4)).collect()),
            outputs: outputs(&pool, total).blinded_messages(),
            signatures: None,
            quotes: ids,
        };
        let sign = |id: &String| request.sign_quote(id, &owner.secret).map(Some);
        let signatures = request.quotes.iter().map(sign).collect::<Result<_, _>>();
        request.signatures = Some(signatures.expect("signs"));
        request
    };
    for bad in bad {
        let ids = vec![good[0].clone(), bad.clone(), good[1].clone()];
        let refused = pool.client().post_batch_mint(&method(), batch(ids)).await;
        assert!(refused.is_err(), "{bad}");
        assert_eq!(row_sums(&pool.mint).await, (12, 0), "{bad}");
    }
    let twice = vec![good[0].clone(), good[0].clone()];
    assert!(
        pool.client()
            .post_batch_mint(&method(), batch(twice))
            .await
            .is_err()
    );
    let many = vec![good[0].clone(); 101];
    assert!(
        pool.client()
            .post_batch_mint(&method(), batch(many))
            .await
            .is_err()
    );
    let all = batch(good.to_vec());
    pool.client()
        .post_batch_mint(&method(), all)
        .await
        .expect("the good ones alone");
    assert_eq!(row_sums(&pool.mint).await, (12, 8));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_makes_quotes_or_melts_over_http() {
    let pool = Pool::start().await;
    let owner = Owner::new();
    let asked = json!({ "amount": 5, "unit": "sat", "pubkey": owner.miner });
    let (status, answer) = pool.post("/v1/mint/quote/axepool", asked).await;
    assert_eq!(status, 400, "{answer}");
    let melt = json!({ "request": "axepool:x", "unit": "sat", "method": "axepool" });
    let (status, answer) = pool.post("/v1/melt/quote/axepool", melt).await;
    assert_eq!(status, 400, "{answer}");
    assert_eq!(row_sums(&pool.mint).await, (0, 0));
    assert!(
        pool.mint
            .store()
            .get_mint_quotes()
            .await
            .expect("reads")
            .is_empty()
    );

    let huge = format!("{{\"quotes\":[\"{}\"]}}", "x".repeat(2 << 20));
    let (status, _) = pool
        .send("POST", "/v1/mint/quote/axepool/check", &huge)
        .await;
    assert_eq!(status, 413);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn web_wallets_of_any_origin_are_answered() {
    let pool = Pool::start().await;
    let owner = Owner::new();
    let token = format!("/api/miners/{}/token", owner.miner);
    for path in [
        "/v1/info",
        "/v1/mint/quote/axepool/pubkey",
        "/v1/mint/axepool/batch",
        &token,
    ] {
        let (status, head, _) = pool.send_raw("OPTIONS", path, "").await;
        assert_eq!(status, 200, "{path}");
        assert_eq!(
            head.matches("access-control-allow-origin: *").count(),
            1,
            "{path}: {head}"
        );
    }
    let (_, head, _) = pool.send_raw("POST", &token, "{}").await;
    assert_eq!(
        head.matches("access-control-allow-origin: *").count(),
        1,
        "{head}"
    );
}
