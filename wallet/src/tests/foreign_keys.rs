//! A mint that lies: it publishes the keys of another mint, and says that it has signed all
//! that it is asked for.

use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::Uri;
use axum::{Json, Router};
use cdk_common::mint_url::MintUrl;
use cdk_common::nuts::CurrencyUnit;
use serde_json::{Value, json};

use super::mint::{Options, TestMint};
use crate::{Home, OwnerKey, WalletError};

/// A mint that answers as `true_one` does, and has signed every output that anybody asks for;
/// `own` keysets stand in its list, too.
async fn liar(true_one: &MintUrl, own: Option<&MintUrl>) -> (MintUrl, Arc<Mutex<u64>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let searched = Arc::new(Mutex::new(0));
    let (from, more) = (true_one.to_string(), own.map(MintUrl::to_string));
    let count = Arc::clone(&searched);
    let answer = move |request: Request<Body>| {
        let (from, more, count) = (from.clone(), more.clone(), Arc::clone(&count));
        async move {
            let (head, body) = request.into_parts();
            let body = to_bytes(body, 1 << 20).await.unwrap();
            if head.uri.path() == "/v1/restore" {
                *count.lock().unwrap() += 1;
                return Json(signed(&body));
            }
            let mut honest = fetched(&from, &head.uri, body.to_vec()).await;
            if let (Some(more), "/v1/keys" | "/v1/keysets") = (more, head.uri.path()) {
                let other = fetched(&more, &head.uri, Vec::new()).await;
                let others = other["keysets"].as_array().unwrap().clone();
                let listed = honest["keysets"].as_array_mut().unwrap();
                // cdk passes over an entry that it cannot read.
                listed.push(json!({ "id": 7 }));
                listed.extend(others);
            }
            Json(honest)
        }
    };
    let router = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url.parse().unwrap(), searched)
}

async fn fetched(from: &str, uri: &Uri, body: Vec<u8>) -> Value {
    let client = reqwest::Client::new();
    let url = format!("{from}{}", uri.path());
    let request = match body.is_empty() {
        true => client.get(url),
        false => client
            .post(url)
            .header("content-type", "application/json")
            .body(body),
    };
    request.send().await.unwrap().json().await.unwrap()
}

/// Signatures of nothing, for all outputs that are asked about.
fn signed(asked: &[u8]) -> Value {
    let asked: Value = serde_json::from_slice(asked).unwrap();
    let outputs = asked["outputs"].as_array().unwrap();
    let signatures = outputs
        .iter()
        .map(|output| json!({ "amount": 1, "id": output["id"], "C_": output["B_"] }));
    json!({ "outputs": outputs, "signatures": signatures.collect::<Vec<_>>() })
}

async fn counter(home: &Home, mint: &TestMint) -> u32 {
    let purse = home.purse(&mint.url).unwrap();
    let keyset = mint.cdk.get_active_keysets()[&CurrencyUnit::Sat];
    let store = &purse.wallet.localstore;
    store.increment_keyset_counter(&keyset, 0).await.unwrap()
}

#[track_caller]
fn is_refused<T: std::fmt::Debug>(result: Result<T, WalletError>, other: &MintUrl) {
    let error = result.unwrap_err();
    assert!(
        matches!(error, WalletError::ForeignKeys { .. }),
        "{error:?}"
    );
    let said = error.to_string();
    assert!(
        said.contains(&format!("this wallet has from {other}")),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_mint_moves_the_numbers_of_another() {
    let mint = TestMint::start(Options::default()).await;
    let second = TestMint::start(Options {
        seed: 9,
        ..Options::default()
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let (home, purse) = mint.open(dir.path()).await;
    let key = OwnerKey::generate();
    mint.quote(&key, 45).await;
    purse.sweep(&key, &mut |_| {}).await.unwrap();
    let before = counter(&home, &mint).await;
    assert!(before > 0);
    // All that it publishes is another's, or one keyset of several is.
    for own in [None, Some(&second.url)] {
        let true_one = own.map_or(&mint.url, |_| &second.url);
        let more = own.map(|_| &mint.url);
        let (lies, searched) = liar(true_one, more).await;
        is_refused(home.restore(&lies).await, &mint.url);
        let other = home.purse(&lies).unwrap();
        is_refused(other.sweep(&key, &mut |_| {}).await, &mint.url);
        assert_eq!(*searched.lock().unwrap(), 0, "it was asked for ecash");
        assert_eq!(counter(&home, &mint).await, before);
    }
    // The honest one goes on, and the words find everything.
    mint.quote(&key, 8).await;
    let purse = home.purse(&mint.url).unwrap();
    purse.sweep(&key, &mut |_| {}).await.unwrap();
    assert_eq!(purse.balance_sat().await.unwrap(), 53);
    let words = std::fs::read_to_string(dir.path().join("wallet/mnemonic")).unwrap();
    let anew = tempfile::tempdir().unwrap();
    let again = Home::open_with_words(&anew.path().join("wallet"), &words)
        .await
        .unwrap();
    let restored = again.restore(&mint.url).await.unwrap();
    assert_eq!(restored.restored_sat, 53);
}

/// Keys that follow from nothing are refused by cdk, before any search.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_liar_that_came_first_is_named() {
    let mint = TestMint::start(Options::default()).await;
    let (lies, _) = liar(&mint.url, None).await;
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(&dir.path().join("wallet")).await.unwrap();
    // It shows what looks like keys of its own: nobody can know better yet.
    let other = home.purse(&lies).unwrap();
    let key = OwnerKey::generate();
    let swept = other.sweep(&key, &mut |_| {}).await;
    println!("the liar's sweep: {swept:?}");
    mint.quote(&key, 5).await;
    let purse = home.purse(&mint.url).unwrap();
    is_refused(purse.sweep(&key, &mut |_| {}).await, &lies);
}
