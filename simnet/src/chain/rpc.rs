//! Bitcoin Core's JSON-RPC as far as a lightning node and our chain client call it:
//! method names, answers and error codes are Core's.

use std::collections::HashSet;

use bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use bitcoin::hashes::Hash as _;
use bitcoin::{Amount, BlockHash, OutPoint, Transaction, Txid};
use serde_json::{Value, json};
use thiserror::Error;

use super::{Chain, Mood};

/// An error as Bitcoin Core gives it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message} ({code})")]
pub struct RpcError {
    /// Core's number (`src/rpc/protocol.h`).
    pub code: i32,
    /// The text.
    pub message: String,
}

const MISC_ERROR: i32 = -1;
const IN_WARMUP: i32 = -28;
const INVALID_ADDRESS_OR_KEY: i32 = -5;
const INVALID_PARAMETER: i32 = -8;
const DESERIALIZATION_ERROR: i32 = -22;
const VERIFY_REJECTED: i32 = -26;
const METHOD_NOT_FOUND: i32 = -32601;

fn error(code: i32, message: impl Into<String>) -> RpcError {
    RpcError {
        code,
        message: message.into(),
    }
}

/// Answers one call.
///
/// # Errors
/// As Core does: unknown methods, blocks and transactions, refused transactions.
pub fn call(
    chain: &mut Chain,
    method: &str,
    params: &[Value],
    now_secs: u32,
) -> Result<Value, RpcError> {
    match method {
        "getblockchaininfo" => Ok(chain_info(chain)),
        "getnetworkinfo" => Ok(json!({"version": 300_200, "subversion": "/Satoshi:30.2.0/"})),
        "getblockcount" => Ok(json!(chain.height())),
        "getbestblockhash" => Ok(json!(chain.tip())),
        "getblockhash" => block_hash(chain, params),
        "getblockheader" => header(chain, params),
        "getblock" => {
            let height = block_height(chain, params)?;
            // Verbosity 0 alone is served: the block in hex.
            Ok(json!(serialize_hex(&chain.blocks[height as usize].block)))
        }
        "gettxout" => unspent(chain, params),
        "scantxoutset" => scan(chain, params),
        "getrawmempool" => Ok(json!(chain.mempool())),
        "getmempoolentry" => mempool_entry(chain, params),
        "getrawtransaction" => raw_transaction(chain, params),
        "sendrawtransaction" => send(chain, params, now_secs),
        "estimatesmartfee" => Ok(json!({"feerate": 0.00001, "blocks": params.first()})),
        "getmempoolinfo" => Ok(json!({
            "loaded": true,
            "size": chain.mempool().len(),
            "mempoolminfee": 0.00001,
            "minrelaytxfee": 0.00001,
        })),
        _ => Err(error(
            METHOD_NOT_FOUND,
            format!("Method not found: {method}"),
        )),
    }
}

/// Core's refusal of a call for its mood alone.
pub(super) fn refused(
    chain: &Chain,
    mood: &Mood,
    method: &str,
    params: &[Value],
) -> Option<RpcError> {
    if let Some(said) = &mood.warm_up {
        return Some(error(IN_WARMUP, said));
    }
    let height = match method {
        "getblock" => block_height(chain, params).ok()?,
        _ => return None,
    };
    (height < mood.pruned_below).then(|| error(MISC_ERROR, "Block not available (pruned data)"))
}

/// Changes an answer as the mood is.
pub(super) fn colour(answer: &mut Value, mood: &Mood, method: &str) {
    match method {
        "getblockchaininfo" => {
            if let Some(chain) = mood.says {
                answer["chain"] = json!(chain);
            }
            answer["pruned"] = json!(mood.pruned_below > 0);
            if mood.pruned_below > 0 {
                answer["pruneheight"] = json!(mood.pruned_below);
            }
            if mood.is_syncing {
                answer["initialblockdownload"] = json!(true);
                answer["headers"] = json!(900_000);
            }
        }
        "estimatesmartfee" if mood.has_no_fees => {
            *answer = json!({"errors": ["Insufficient data or no feerate found"], "blocks": 2});
        }
        "estimatesmartfee" => {
            // Of 1,000 vbytes, in bitcoins.
            let rate = Amount::from_sat(mood.fees.sat_per_vbyte.saturating_mul(1_000));
            answer["feerate"] = json!(rate.to_btc());
        }
        _ => {}
    }
}

fn chain_info(chain: &Chain) -> Value {
    let times = chain.blocks.iter().rev().take(11);
    let mut times: Vec<u32> = times.map(|placed| placed.block.header.time).collect();
    let newest = times.first().copied();
    times.sort_unstable();
    json!({
        "time": newest,
        "mediantime": times.get(times.len() / 2),
        "chain": "regtest",
        "blocks": chain.height(),
        "headers": chain.height(),
        "bestblockhash": chain.tip(),
        "initialblockdownload": chain.is_syncing,
    })
}

fn text(params: &[Value], index: usize) -> &str {
    params
        .get(index)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn block_hash(chain: &Chain, params: &[Value]) -> Result<Value, RpcError> {
    let height = params
        .first()
        .and_then(Value::as_u64)
        .and_then(|n| usize::try_from(n).ok());
    height
        .and_then(|height| chain.blocks.get(height))
        .map(|placed| json!(placed.hash))
        .ok_or_else(|| error(INVALID_PARAMETER, "Block height out of range"))
}

fn block_height(chain: &Chain, params: &[Value]) -> Result<u32, RpcError> {
    let hash: BlockHash = text(params, 0).parse().map_err(|_| {
        error(
            INVALID_PARAMETER,
            "blockhash must be of length 64 and hexadecimal",
        )
    })?;
    chain
        .height_of(&hash)
        .ok_or_else(|| error(INVALID_ADDRESS_OR_KEY, "Block not found"))
}

fn header(chain: &Chain, params: &[Value]) -> Result<Value, RpcError> {
    let height = block_height(chain, params)?;
    let placed = &chain.blocks[height as usize];
    let header = &placed.block.header;
    let work: String = placed
        .work
        .to_be_bytes()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let mut answer = json!({
        "hash": placed.hash,
        "height": height,
        "confirmations": chain.height() - height + 1,
        "version": header.version.to_consensus(),
        "merkleroot": header.merkle_root,
        "time": header.time,
        "nonce": header.nonce,
        "bits": format!("{:08x}", header.bits.to_consensus()),
        "chainwork": work,
    });
    if header.prev_blockhash != BlockHash::all_zeros() {
        answer["previousblockhash"] = json!(header.prev_blockhash);
    }
    Ok(answer)
}

fn txid(params: &[Value]) -> Result<Txid, RpcError> {
    text(params, 0).parse().map_err(|_| {
        error(
            INVALID_PARAMETER,
            "txid must be of length 64 and hexadecimal",
        )
    })
}

fn unspent(chain: &Chain, params: &[Value]) -> Result<Value, RpcError> {
    let vout = params
        .get(1)
        .and_then(Value::as_u64)
        .and_then(|n| u32::try_from(n).ok());
    let vout = vout.ok_or_else(|| error(INVALID_PARAMETER, "vout must be a number"))?;
    Ok(chain
        .coins
        .get(&OutPoint::new(txid(params)?, vout))
        .map_or(Value::Null, |coin| {
            json!({
                "confirmations": chain.height() + 1 - coin.height,
                "value": coin.output.value.to_btc(),
                "scriptPubKey": {"hex": coin.output.script_pubkey.to_hex_string()},
                "coinbase": coin.coinbase,
            })
        }))
}

/// Descriptors of the form `raw(SCRIPT)` alone are known.
fn scan(chain: &Chain, params: &[Value]) -> Result<Value, RpcError> {
    let descriptors = params.get(1).and_then(Value::as_array);
    let scripts: Option<HashSet<&str>> = descriptors
        .filter(|_| text(params, 0) == "start")
        .and_then(|descriptors| {
            let scripts = descriptors.iter().map(|one| {
                let raw = one.as_str()?.strip_prefix("raw(")?;
                raw.strip_suffix(')')
            });
            scripts.collect()
        });
    let scripts = scripts.ok_or_else(|| error(INVALID_PARAMETER, "start and raw() only"))?;
    let unspents = chain.coins.iter().filter_map(|(outpoint, coin)| {
        let script = coin.output.script_pubkey.to_hex_string();
        scripts.contains(script.as_str()).then(|| {
            json!({
                "txid": outpoint.txid,
                "vout": outpoint.vout,
                "scriptPubKey": script,
                "desc": format!("raw({script})"),
                "amount": coin.output.value.to_btc(),
                "coinbase": coin.coinbase,
                "height": coin.height,
            })
        })
    });
    let unspents: Vec<Value> = unspents.collect();
    Ok(json!({
        "success": true,
        "height": chain.height(),
        "bestblock": chain.tip(),
        "unspents": unspents,
    }))
}

fn mempool_entry(chain: &Chain, params: &[Value]) -> Result<Value, RpcError> {
    let waiting = chain
        .mempool
        .get(&txid(params)?)
        .ok_or_else(|| error(INVALID_ADDRESS_OR_KEY, "Transaction not in mempool"))?;
    Ok(json!({
        "time": waiting.time,
        "height": waiting.height,
        "fees": {"base": waiting.fee.to_btc()},
    }))
}

fn raw_transaction(chain: &Chain, params: &[Value]) -> Result<Value, RpcError> {
    chain
        .transactions
        .get(&txid(params)?)
        .map(|transaction| json!(serialize_hex(transaction)))
        .ok_or_else(|| {
            error(
                INVALID_ADDRESS_OR_KEY,
                "No such mempool or blockchain transaction",
            )
        })
}

fn send(chain: &mut Chain, params: &[Value], now_secs: u32) -> Result<Value, RpcError> {
    let transaction: Transaction = deserialize_hex(text(params, 0))
        .map_err(|why| error(DESERIALIZATION_ERROR, format!("TX decode failed: {why}")))?;
    chain
        .accept(transaction, now_secs)
        .map(|id| json!(id))
        .map_err(|why| error(VERIFY_REJECTED, why.to_string()))
}
