//! The repetition of a request whose answer was lost, at a mint that has closed since: its
//! store was restored, and has the request.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use cdk::wallet::Wallet;
use cdk_common::nuts::{Proof, State};
use cdk_common::secret::Secret;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::restored::{Door, open};
use super::support::{Owner, Pool};
use super::wallets::{minted, swapped};
use crate::{Mint, copy_store};

/// The routes of a mint that carries out what comes to `path` and never answers it.
async fn silent(mint: &Mint, path: &'static str, done: Arc<Notify>) -> Router {
    let layer = move |request: Request, next: Next| {
        let done = Arc::clone(&done);
        async move {
            let is_lost = request.uri().path() == path;
            let response = next.run(request).await;
            if is_lost {
                assert!(response.status().is_success(), "{response:?}");
                done.notify_one();
                std::future::pending::<()>().await;
            }
            response
        }
    };
    mint.router().await.expect("routes").layer(from_fn(layer))
}

/// The mint of a copy of the pool's store, closed as after a restore.
async fn restored(pool: &Pool, dir: &Path, url: &str) -> Mint {
    let backup = tempfile::tempdir().expect("a directory");
    assert!(copy_store(pool.dir.path(), &backup.path().join("mint.sqlite")).expect("copies"));
    let words = "mint.mnemonic";
    std::fs::copy(pool.dir.path().join(words), backup.path().join(words)).expect("copies");
    open(backup.path(), dir, url, 9).await
}

/// The wallet's proofs are unspent at the mint.
async fn is_good(wallet: &Wallet, sat: u64) {
    assert_eq!(u64::from(wallet.total_balance().await.expect("sums")), sat);
    let proofs = wallet.get_unspent_proofs().await.expect("reads");
    let states = wallet.check_proofs_spent(proofs).await.expect("answers");
    assert!(!states.is_empty());
    assert!(
        states.iter().all(|one| one.state == State::Unspent),
        "{states:?}"
    );
}

/// The client of the wallet repeats the swap by itself (NUT-19).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wallet_gives_no_spent_inputs_back() {
    let door = Door::closed().await;
    let pool = Pool::set(|config| config.public_url = door.url.clone()).await;
    let done = Arc::new(Notify::new());
    let lost = silent(&pool.mint, "/v1/swap", Arc::clone(&done)).await;
    door.leads_to_routes(lost).await;
    let owner = Owner::new();
    pool.paid(&owner, &[(1, 100)]).await;
    let wallet = door.wallet().await;
    minted(&wallet, &owner, &pool.id(&owner, 1)).await;

    let swapping = {
        let wallet = wallet.clone();
        tokio::spawn(async move { swapped(&wallet, 32).await })
    };
    done.notified().await;
    let dir = tempfile::tempdir().expect("a directory");
    let again = restored(&pool, dir.path(), &door.url).await;
    assert!(again.closed_by_restore().is_some());
    door.leads_to(&again).await;
    door.cut();
    // Its client sent the swap once more.
    swapping
        .await
        .expect("no panics")
        .expect("answered at last");
    is_good(&wallet, 100).await;
    let recovered = wallet.recover_incomplete_sagas().await;
    recovered.expect("the mint answers");
    is_good(&wallet, 100).await;
    // A new swap is refused as before, with a code that lets the wallet keep its ecash.
    let refused = swapped(&wallet, 4).await.expect_err("closed");
    assert_eq!(refused.to_string(), "Minting is disabled");
    is_good(&wallet, 100).await;
}

/// Down to the bodies: the very signatures, and a word for each half of a request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_mint_repeats_its_answer() {
    let mut pool = Pool::start().await;
    let owner = Owner::new();
    pool.paid(&owner, &[(1, 100)]).await;
    let wallet = pool.wallet().await;
    minted(&wallet, &owner, &pool.id(&owner, 1)).await;
    let inputs = wallet.get_unspent_proofs().await.expect("reads");
    let asked = swap_of(&inputs);
    let (status, first) = pool.post("/v1/swap", asked.clone()).await;
    assert_eq!(status, 200, "{first}");
    let other = swap_of(&inputs);

    let dir = tempfile::tempdir().expect("a directory");
    let door = Door::closed().await;
    let again = restored(&pool, dir.path(), &door.url).await;
    door.leads_to(&again).await;
    pool.url = door.url.clone();
    let (status, repeated) = pool.post("/v1/swap", asked.clone()).await;
    assert_eq!((status, &repeated), (200, &first));
    let code = async |body: Value| {
        let (status, answer) = pool.post("/v1/swap", body).await;
        (status, answer["code"].clone())
    };
    // Spent inputs for outputs that nobody signed.
    assert_eq!(code(other.clone()).await, (400, json!(11001)));
    // Signed outputs for inputs that the mint does not know.
    let mut unknown = asked.clone();
    for input in unknown["inputs"].as_array_mut().expect("a list") {
        input["secret"] = json!("nobody knows it");
    }
    assert_eq!(code(unknown).await, (400, json!(11003)));
    // Fewer inputs than outputs are no swap that was done.
    let mut fewer = asked.clone();
    fewer["inputs"].as_array_mut().expect("a list").pop();
    assert_eq!(code(fewer).await, (400, json!(11001)));
    let mut more = asked;
    more["outputs"][0]["amount"] = json!(1 << 20);
    assert_eq!(code(more).await, (400, json!(11001)));
    assert_eq!(
        code(json!({ "inputs": [], "outputs": [] })).await,
        (400, json!(20003))
    );
    assert_eq!(code(json!("nonsense")).await, (400, json!(20003)));
    let melt = json!({ "quote": "x", "inputs": other["inputs"] });
    let (status, answer) = pool.post("/v1/melt/bolt11", melt).await;
    assert_eq!((status, &answer["code"]), (400, &json!(11001)), "{answer}");
}

/// A swap of all of `inputs` for outputs of the same amounts.
fn swap_of(inputs: &[Proof]) -> Value {
    let keyset = inputs[0].keyset_id;
    let outputs: Vec<Value> = inputs
        .iter()
        .map(|input| {
            let secret = Secret::generate();
            let blinded = cdk::dhke::blind_message(&secret.to_bytes(), None);
            let (blinded, _) = blinded.expect("blinds");
            json!({ "amount": input.amount, "id": keyset, "B_": blinded })
        })
        .collect();
    json!({ "inputs": inputs, "outputs": outputs })
}
