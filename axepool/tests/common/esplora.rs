//! A chain behind Esplora's HTTP API, as far as a node without channels asks it. Only what
//! is in a block is told.

#![allow(dead_code, unreachable_pub)]

use std::net::SocketAddr;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::{Block, BlockHash, OutPoint, Transaction, TxOut};
use serde_json::{Value, json};
use simnet::chain::{Chain, SharedChain};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Serves `chain` until `stop`.
pub async fn serve(chain: SharedChain, stop: CancellationToken) -> SocketAddr {
    let router = Router::new()
        .route("/api/blocks", get(blocks))
        .route("/api/blocks/tip/height", get(tip_height))
        .route("/api/blocks/tip/hash", get(tip_hash))
        .route("/api/block-height/{height}", get(hash_at))
        .route("/api/block/{hash}/header", get(header))
        .route("/api/block/{hash}/status", get(block_status))
        .route("/api/scripthash/{hash}/txs", get(transactions))
        .route("/api/scripthash/{hash}/utxo", get(unspent))
        .route(
            "/api/fee-estimates",
            get(async || Json(json!({"1": 1.0, "144": 1.0}))),
        )
        .with_state(chain);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let serving = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
    tokio::spawn(async move { serving.await.unwrap() });
    at
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "not there").into_response()
}

async fn tip_height(State(chain): State<SharedChain>) -> String {
    chain.lock().height().to_string()
}

async fn tip_hash(State(chain): State<SharedChain>) -> String {
    chain.lock().tip().to_string()
}

async fn hash_at(State(chain): State<SharedChain>, Path(height): Path<u32>) -> Response {
    match chain.lock().block(height) {
        Some(block) => block.block_hash().to_string().into_response(),
        None => not_found(),
    }
}

async fn header(State(chain): State<SharedChain>, Path(hash): Path<BlockHash>) -> Response {
    let chain = chain.lock();
    match chain
        .height_of(&hash)
        .and_then(|height| chain.block(height))
    {
        Some(block) => serialize_hex(&block.header).into_response(),
        None => not_found(),
    }
}

async fn block_status(
    State(chain): State<SharedChain>,
    Path(hash): Path<BlockHash>,
) -> Json<Value> {
    let chain = chain.lock();
    let height = chain.height_of(&hash);
    let next = height.and_then(|height| chain.block(height + 1));
    Json(json!({
        "in_best_chain": height.is_some(),
        "height": height,
        "next_best": next.map(Block::block_hash),
    }))
}

async fn blocks(State(chain): State<SharedChain>) -> Json<Value> {
    let chain = chain.lock();
    let heights = (0..=chain.height()).rev().take(10);
    let summary = |height: u32| {
        let block = chain.block(height).unwrap();
        let before = height.checked_sub(1).and_then(|before| chain.block(before));
        json!({
            "id": block.block_hash(),
            "height": height,
            "version": block.header.version.to_consensus(),
            "timestamp": block.header.time,
            "tx_count": block.txdata.len(),
            "size": block.total_size(),
            "weight": block.weight().to_wu(),
            "merkle_root": block.header.merkle_root,
            "previousblockhash": before.map(Block::block_hash),
            "mediantime": block.header.time,
            "nonce": block.header.nonce,
            "bits": block.header.bits.to_consensus(),
            "difficulty": 1.0,
        })
    };
    Json(heights.map(summary).collect())
}

/// Each transaction in a block, with its height.
fn all(chain: &Chain) -> Vec<(u32, Transaction)> {
    let heights = 0..=chain.height();
    let blocks = heights.filter_map(|height| Some((height, chain.block(height)?)));
    blocks
        .flat_map(|(height, block)| block.txdata.iter().map(move |one| (height, one.clone())))
        .collect()
}

fn is_of(output: &TxOut, hash: &str) -> bool {
    sha256::Hash::hash(output.script_pubkey.as_bytes()).to_string() == hash
}

fn status(chain: &Chain, height: u32) -> Value {
    let block = chain.block(height).unwrap();
    json!({
        "confirmed": true,
        "block_height": height,
        "block_hash": block.block_hash(),
        "block_time": block.header.time,
    })
}

async fn transactions(State(chain): State<SharedChain>, Path(hash): Path<String>) -> Json<Value> {
    let chain = chain.lock();
    let all = all(&chain);
    let spent_by = |outpoint: &OutPoint| -> Option<TxOut> {
        let of = all
            .iter()
            .find(|(_, one)| one.compute_txid() == outpoint.txid);
        of.map(|(_, one)| one.output[outpoint.vout as usize].clone())
    };
    let ours = all.iter().filter(|(_, one)| {
        let pays = one.output.iter().any(|output| is_of(output, &hash));
        let mut inputs = one.input.iter();
        pays || inputs.any(|input| {
            spent_by(&input.previous_output).is_some_and(|output| is_of(&output, &hash))
        })
    });
    let out = |output: &TxOut| json!({"value": output.value.to_sat(), "scriptpubkey": output.script_pubkey});
    let shown = ours.map(|(height, one)| {
        let input = one.input.iter().map(|input| {
            json!({
                "txid": input.previous_output.txid,
                "vout": input.previous_output.vout,
                "prevout": spent_by(&input.previous_output).as_ref().map(out),
                "scriptsig": input.script_sig,
                "witness": input.witness.iter().map(hex).collect::<Vec<_>>(),
                "sequence": input.sequence.0,
                "is_coinbase": one.is_coinbase(),
            })
        });
        json!({
            "txid": one.compute_txid(),
            "version": one.version.0,
            "locktime": one.lock_time.to_consensus_u32(),
            "vin": input.collect::<Vec<_>>(),
            "vout": one.output.iter().map(out).collect::<Vec<_>>(),
            "size": one.total_size(),
            "weight": one.weight().to_wu(),
            "fee": 0,
            "status": status(&chain, *height),
        })
    });
    Json(shown.collect())
}

async fn unspent(State(chain): State<SharedChain>, Path(hash): Path<String>) -> Json<Value> {
    let chain = chain.lock();
    let all = all(&chain);
    let is_spent = |outpoint: OutPoint| {
        let mut inputs = all.iter().flat_map(|(_, one)| &one.input);
        inputs.any(|input| input.previous_output == outpoint)
    };
    let mut found = Vec::new();
    for (height, one) in &all {
        let txid = one.compute_txid();
        for (output, vout) in one.output.iter().zip(0_u32..) {
            if is_of(output, &hash) && !is_spent(OutPoint::new(txid, vout)) {
                let status = status(&chain, *height);
                found.push(json!({"txid": txid, "vout": vout, "value": output.value.to_sat(), "status": status}));
            }
        }
    }
    Json(Value::Array(found))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
