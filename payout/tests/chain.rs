//! What is unspent and what is sent, by bitcoind's RPC and by Esplora: with the answers that
//! they give (Bitcoin Core's `scantxoutset` and `sendrawtransaction`, Esplora's API.md).

// A test's helpers may stop it, as its own body may.
#![allow(clippy::unwrap_used)]

use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use bitcoin::absolute::LockTime;
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Transaction, TxOut, Txid};
use payout::ChainSource;
use payout::chain::{ChainClient, ChainError, Tip, Unspent};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const TXID: &str = "e8c7d21e4a8e3f0e5f7b0bb1e8c9d5a1b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0";

/// SHA-256 of the byte 0x51, as `sha256sum` has it.
const HASH: &str = "4ae81572f06e1b88fd5ced7a1a000945432e83e1551e6f721ee9c00b8cc33260";

fn script() -> ScriptBuf {
    ScriptBuf::from_bytes(vec![0x51])
}

fn unspent(vout: u32, sat: u64) -> Unspent {
    Unspent {
        outpoint: OutPoint::new(TXID.parse().unwrap(), vout),
        output: TxOut {
            value: Amount::from_sat(sat),
            script_pubkey: script(),
        },
        height: 840_000,
        may_be_coinbase: false,
    }
}

fn transaction() -> Transaction {
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: Vec::new(),
        output: vec![unspent(0, 7).output],
    }
}

async fn core(Json(asked): Json<Value>) -> (StatusCode, Json<Value>) {
    let refused = |code: i32, message: &str| {
        let error = json!({"code": code, "message": message});
        let answer = json!({"result": null, "error": error, "id": "axepool"});
        (StatusCode::INTERNAL_SERVER_ERROR, Json(answer))
    };
    let result = match asked["method"].as_str().unwrap() {
        "scantxoutset" if asked["params"] == json!(["start", ["raw(51)", "raw(52)"]]) => {
            let one = |vout: u32, amount: f64| {
                json!({
                    "txid": TXID, "vout": vout, "scriptPubKey": "51", "desc": "raw(51)#8lvh9jxk",
                    "amount": amount, "coinbase": false, "height": 840_000,
                })
            };
            // The least, one that no binary fraction is, and nearly all there will ever be.
            let unspents = [one(0, 1e-8), one(1, 0.29), one(2, 20_999_999.576_9)];
            json!({"success": true, "txouts": 9, "height": 840_001, "unspents": unspents})
        }
        "scantxoutset" => {
            return refused(
                -8,
                "Scan already in progress, use action \"abort\" or \"status\"",
            );
        }
        "sendrawtransaction" if asked["params"] == json!([serialize_hex(&transaction())]) => {
            json!(TXID)
        }
        _ => return refused(-26, "min relay fee not met, 1 < 110"),
    };
    let answer = json!({"result": result, "error": null, "id": "axepool"});
    (StatusCode::OK, Json(answer))
}

async fn utxo(Path(hash): Path<String>) -> Json<Value> {
    if hash != HASH {
        return Json(json!([]));
    }
    let one = |vout: u32, sat: u64, confirmed: bool| {
        let status = json!({"confirmed": confirmed, "block_height": 840_000});
        json!({"txid": TXID, "vout": vout, "value": sat, "status": status})
    };
    Json(json!([
        one(0, 1, true),
        one(3, 5_000, false),
        one(1, 29_000_000, true),
        one(2, 2_099_999_957_690_000, true),
    ]))
}

async fn tx(body: String) -> (StatusCode, String) {
    if body == serialize_hex(&transaction()) {
        return (StatusCode::OK, TXID.to_owned());
    }
    let why = "sendrawtransaction RPC error: {\"code\":-26,\"message\":\"min relay fee not met\"}";
    (StatusCode::BAD_REQUEST, why.to_owned())
}

async fn clients() -> [ChainClient; 2] {
    let router = Router::new()
        .route("/", post(core))
        .route("/api/scripthash/{hash}/utxo", get(utxo))
        .route("/api/tx", post(tx));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    [format!("http://pool:pool@{at}"), format!("http://{at}/api")].map(|url| {
        let source: ChainSource = url.parse().unwrap();
        ChainClient::new(&source).unwrap()
    })
}

#[tokio::test]
async fn what_is_unspent_in_blocks_is_found_to_the_satoshi() {
    let expected = [
        unspent(0, 1),
        unspent(1, 29_000_000),
        unspent(2, 2_099_999_957_690_000),
    ];
    let scripts = [script(), ScriptBuf::from_bytes(vec![0x52])];
    for client in clients().await {
        let mut told = Vec::new();
        let found = client.unspent(&scripts, |done| told.push(done)).await;
        let found = found.unwrap().into_iter().map(|one| Unspent {
            // Esplora does not tell.
            may_be_coinbase: false,
            ..one
        });
        assert_eq!(found.collect::<Vec<_>>(), expected, "{client:?}");
        assert!(told.is_empty() || told == [0, 1, 2], "{told:?}");
    }
    let [core, _] = clients().await;
    let busy = core.unspent(&[script()], |_| {}).await.unwrap_err();
    assert!(busy.to_string().contains("already in progress"), "{busy}");
}

#[tokio::test]
async fn a_transaction_is_taken_or_refused_with_the_reason() {
    for client in clients().await {
        let taken = client.broadcast(&transaction()).await;
        assert_eq!(taken, Ok(TXID.parse::<Txid>().unwrap()), "{client:?}");
        let mut other = transaction();
        other.version = Version::ONE;
        let refused: ChainError = client.broadcast(&other).await.unwrap_err();
        assert!(refused.to_string().contains("min relay fee"), "{refused}");
    }
}

/// What Core answers to `getblockchaininfo` while it loads the chain.
async fn core_of_tip(Json(asked): Json<Value>) -> Json<Value> {
    assert_eq!(asked["method"], "getblockchaininfo");
    let info = json!({
        "chain": "main", "blocks": 840_000, "headers": 840_321, "bestblockhash": TXID,
        "difficulty": 86_388_558_925_171.02, "time": 1_713_571_767, "mediantime": 1_713_570_208,
        "verificationprogress": 0.999, "initialblockdownload": true, "pruned": false,
    });
    Json(json!({"result": info, "error": null, "id": "axepool"}))
}

#[tokio::test]
async fn the_newest_block_is_told_with_how_sure_the_source_is() {
    let router = Router::new()
        .route("/", post(core_of_tip))
        .route("/api/blocks/tip/height", get(async || "840000"))
        .route("/api/block-height/840000", get(async || TXID))
        .route(
            "/api/block/{hash}",
            get(async || {
                Json(json!({
                    "id": TXID, "height": 840_000, "version": 2, "timestamp": 1_713_571_767,
                    "mediantime": 1_713_570_208, "tx_count": 3050,
                }))
            }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let client = |url: String| {
        let source: ChainSource = url.parse().unwrap();
        ChainClient::new(&source).unwrap()
    };
    let core = client(format!("http://pool:pool@{at}"));
    let expected = Tip {
        network: Some(bitcoin::Network::Bitcoin),
        height: 840_000,
        headers: 840_321,
        is_syncing: true,
        time_secs: 1_713_571_767,
        median_secs: Some(1_713_570_208),
    };
    assert_eq!(core.tip().await.unwrap(), expected);
    let esplora = client(format!("http://{at}/api"));
    let expected = Tip {
        network: None,
        headers: 840_000,
        is_syncing: false,
        ..expected
    };
    assert_eq!(esplora.tip().await.unwrap(), expected);
    let nobody = client("http://pool:pool@127.0.0.1:1".to_owned());
    nobody.tip().await.unwrap_err();
}
