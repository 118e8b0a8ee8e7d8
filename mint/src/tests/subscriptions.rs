//! Subscriptions (NUT-17): the state at once, and payloads of the standard's form.

use std::time::Duration;

use cdk_common::nuts::SecretKey;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::support::{Owner, Pool};

const PATIENCE: Duration = Duration::from_secs(20);

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn open(pool: &Pool) -> Socket {
        let url = format!("{}/v1/ws", pool.url.replacen("http", "ws", 1));
        Socket(connect_async(url).await.expect("upgrades").0)
    }

    async fn next(&mut self) -> Value {
        loop {
            let message = timeout(PATIENCE, self.0.next()).await.expect("a message");
            match message.expect("open").expect("a frame") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                _ => continue,
            }
        }
    }

    async fn subscribe(&mut self, kind: &str, filters: &[String]) {
        let asked = json!({ "jsonrpc": "2.0", "id": 3, "method": "subscribe", "params": {
            "kind": kind, "filters": filters, "subId": "a" } });
        let text = Message::Text(asked.to_string().into());
        self.0.send(text).await.expect("sends");
        let answer = json!({ "jsonrpc": "2.0", "id": 3,
            "result": { "status": "OK", "subId": "a" } });
        assert_eq!(self.next().await, answer);
    }

    /// The payload of the next notification, whose envelope is as it should be.
    async fn told(&mut self) -> Value {
        let news = self.next().await;
        let payload = news["params"]["payload"].clone();
        let whole = json!({ "jsonrpc": "2.0", "method": "subscribe",
            "params": { "subId": "a", "payload": payload } });
        assert_eq!(news, whole);
        payload
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_state_of_quotes_is_told_at_once_and_when_it_changes() {
    let pool = Pool::start().await;
    let owner = Owner::new();
    pool.paid(&owner, &[(1, 0), (2, 7)]).await;
    let ids = [1, 2].map(|epoch| pool.id(&owner, epoch));
    let state = async |id: &str| {
        let (status, quote) = pool.get(&format!("/v1/mint/quote/axepool/{id}")).await;
        assert_eq!(status, 200, "{quote}");
        quote
    };
    let mut socket = Socket::open(&pool).await;
    let unknown = "f7b0e94b-f2f0-8a92-9c12-3c8c0a5a4a5a".to_owned();
    let filters = [ids[0].clone(), unknown, ids[1].clone(), ids[0].clone()];
    socket.subscribe("axepool_mint_quote", &filters).await;
    // Each quote once, in the order of the filters, and nothing of what is not there.
    for id in &ids {
        let told = socket.told().await;
        assert_eq!(told, state(id).await);
        assert_eq!(told.get("expiry"), Some(&Value::Null));
    }
    pool.ledger.pay(owner.quote(1), "a-payout", 5);
    pool.work().await;
    let told = socket.told().await;
    assert_eq!(
        (&told["quote"], &told["amount_paid"]),
        (&json!(ids[0]), &json!(5))
    );
    assert_eq!(told, state(&ids[0]).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ecash_that_nobody_spent_is_told_as_such() {
    let pool = Pool::start().await;
    let owner = Owner::new();
    pool.paid(&owner, &[(1, 8)]).await;
    let wallet = pool.wallet().await;
    let claim = pool.claim(&owner, false).await;
    let options = cdk::wallet::ReceiveOptions {
        p2pk_signing_keys: vec![owner.secret.clone()],
        ..Default::default()
    };
    let token = claim["token"].as_str().expect("a token");
    wallet.receive(token, options).await.expect("receives");
    let proofs = wallet.get_unspent_proofs().await.expect("reads");
    let ours = proofs[0].y().expect("a point").to_hex();
    let never = SecretKey::generate().public_key().to_hex();

    let mut socket = Socket::open(&pool).await;
    let filters = [ours.clone(), never.clone(), ours.clone()];
    socket.subscribe("proof_state", &filters).await;
    for y in [&ours, &never] {
        let told = socket.told().await;
        assert_eq!(told, json!({ "Y": y, "state": "UNSPENT", "witness": null }));
    }
    let split = cdk::amount::SplitTarget::default();
    let swapped = wallet.swap(None, split, proofs, None, false, false).await;
    swapped.expect("swaps");
    // Pending first, then spent; the last word is the one that counts.
    let last = loop {
        let told = socket.told().await;
        assert_eq!(told["Y"], *ours);
        if told["state"] != "PENDING" {
            break told;
        }
    };
    assert_eq!(last["state"], "SPENT");
}
