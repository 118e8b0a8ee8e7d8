//! Bitcoin Core's JSON-RPC.

use std::fmt;
use std::time::Duration;

use bitcoin::hex::FromHex as _;
use bitcoin::{Amount, BlockHash, Network, OutPoint, ScriptBuf, TxOut, Txid};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::client::{ChainInfo, Unspent};
use super::http::{self, ChainError, MAX_ANSWER_BYTES, MAX_BLOCK_BYTES};
use super::tip::Told;
use crate::settings::RpcLogin;

/// "Block height out of range" (Core's `RPC_INVALID_PARAMETER`).
const INVALID_PARAMETER: i64 = -8;

/// What Core answers to every call while it starts (`RPC_IN_WARMUP`).
const IN_WARMUP: i64 = -28;

/// In how many blocks the node's transactions are to be confirmed (`ldk-node`'s
/// `get_num_block_defaults_for_target`).
pub(super) const NODES_TARGETS: [u16; 5] = [1, 6, 12, 144, 1008];

/// How long Core may take to go through all that is unspent: minutes on a slow disk.
const SCAN_TIMEOUT: Duration = Duration::from_secs(1800);

#[derive(Clone)]
pub(super) struct Bitcoind {
    http: Client,
    url: String,
    login: RpcLogin,
}

/// Never shows the password.
impl fmt::Debug for Bitcoind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bitcoind({})", self.url)
    }
}

#[derive(Deserialize)]
struct Answer<T> {
    result: Option<T>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: i64,
    message: String,
}

#[derive(Deserialize)]
struct Info {
    chain: String,
    blocks: u32,
    bestblockhash: BlockHash,
    #[serde(default)]
    initialblockdownload: bool,
    /// Told by Core 23 and later: of the newest block, seconds since 1970.
    time: Option<u64>,
    mediantime: Option<u64>,
    /// The longest chain of headers.
    headers: Option<u32>,
    /// The first block that a pruned one still has.
    pruneheight: Option<u32>,
}

/// The answer to `getnetworkinfo`.
#[derive(Deserialize)]
struct NetworkInfo {
    subversion: String,
}

/// The answer to `scantxoutset`.
#[derive(Deserialize)]
struct Scan {
    success: bool,
    unspents: Vec<Scanned>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Scanned {
    txid: Txid,
    vout: u32,
    script_pub_key: ScriptBuf,
    height: u32,
    /// Older Cores do not tell.
    coinbase: Option<bool>,
    #[serde(with = "bitcoin::amount::serde::as_btc")]
    amount: Amount,
}

/// The answer to `estimatesmartfee`; without a rate there are its reasons.
#[derive(Deserialize)]
struct Estimate {
    #[serde(default, with = "bitcoin::amount::serde::as_btc::opt")]
    feerate: Option<Amount>,
}

/// What a call came to: an answer, or Core's refusal.
type Called<T> = Result<Result<T, (i64, String)>, ChainError>;

impl Bitcoind {
    pub(super) fn new(host: &str, port: u16, login: &RpcLogin) -> Result<Self, ChainError> {
        Ok(Bitcoind {
            http: http::client()?,
            url: format!("http://{host}:{port}/"),
            login: login.clone(),
        })
    }

    pub(super) async fn info(&self) -> Result<ChainInfo, ChainError> {
        let info: Info = self.must("getblockchaininfo", json!([])).await?;
        Ok(ChainInfo {
            network: Network::from_core_arg(&info.chain).ok(),
            height: info.blocks,
            tip: info.bestblockhash,
            tip_secs: info.time,
            is_syncing: info.initialblockdownload,
            headers: info.headers.unwrap_or(info.blocks).max(info.blocks),
            pruned_below: info.pruneheight.filter(|height| *height > 0),
        })
    }

    pub(super) async fn software(&self) -> Result<String, ChainError> {
        let info: NetworkInfo = self.must("getnetworkinfo", json!([])).await?;
        Ok(http::shown(&info.subversion))
    }

    pub(super) async fn tip(&self) -> Result<Told, ChainError> {
        let info: Info = self.must("getblockchaininfo", json!([])).await?;
        Ok(Told {
            network: Network::from_core_arg(&info.chain).ok(),
            height: info.blocks,
            hash: info.bestblockhash,
            headers: info.headers,
            is_syncing: info.initialblockdownload,
            time_secs: info.time,
            median_secs: info.mediantime,
        })
    }

    pub(super) async fn hash_at(&self, height: u32) -> Result<Option<BlockHash>, ChainError> {
        let params = json!([height]);
        match self.call("getblockhash", params, MAX_ANSWER_BYTES).await? {
            Ok(hash) => Ok(Some(hash)),
            Err((INVALID_PARAMETER, _)) => Ok(None),
            Err(refusal) => Err(refused(refusal)),
        }
    }

    pub(super) async fn block(&self, hash: &BlockHash) -> Result<Vec<u8>, ChainError> {
        let params = json!([hash, 0]);
        let called = self.call("getblock", params, MAX_BLOCK_BYTES).await?;
        let hex: String = called.map_err(refused)?;
        Vec::from_hex(&hex).map_err(ChainError::nonsense)
    }

    pub(super) async fn unspent(&self, scripts: &[ScriptBuf]) -> Result<Vec<Unspent>, ChainError> {
        let raw = scripts.iter().map(|script| format!("raw({script:x})"));
        let params = json!(["start", raw.collect::<Vec<_>>()]);
        let request = self.request("scantxoutset", params)?;
        let request = request.timeout(SCAN_TIMEOUT);
        let scan: Scan = self
            .answer("scantxoutset", request, MAX_ANSWER_BYTES)
            .await?
            .map_err(refused)?;
        if !scan.success {
            return Err(ChainError::Nonsense("the scan was broken off".to_owned()));
        }
        let unspent = scan.unspents.into_iter().map(|one| Unspent {
            outpoint: OutPoint::new(one.txid, one.vout),
            output: TxOut {
                value: one.amount,
                script_pubkey: one.script_pub_key,
            },
            height: one.height,
            may_be_coinbase: one.coinbase.unwrap_or(true),
        });
        Ok(unspent.collect())
    }

    pub(super) async fn fee_rate(&self, blocks: u16) -> Result<Option<u32>, ChainError> {
        let estimate: Estimate = self.must("estimatesmartfee", json!([blocks])).await?;
        // For 1,000 vbytes.
        let rate = estimate.feerate.map(|rate| rate.to_sat().div_ceil(1000));
        Ok(rate.map(|rate| u32::try_from(rate).unwrap_or(u32::MAX)))
    }

    pub(super) async fn has_fees(&self) -> Result<bool, ChainError> {
        for blocks in NODES_TARGETS {
            if self.fee_rate(blocks).await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) async fn send(&self, hex: &str) -> Result<Txid, ChainError> {
        self.must("sendrawtransaction", json!([hex])).await
    }

    async fn must<T: DeserializeOwned>(
        &self,
        method: &str,
        params: Value,
    ) -> Result<T, ChainError> {
        let called = self.call(method, params, MAX_ANSWER_BYTES).await?;
        called.map_err(refused)
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        params: Value,
        max_bytes: usize,
    ) -> Called<T> {
        self.answer(method, self.request(method, params)?, max_bytes)
            .await
    }

    /// A call with user and password as they are now: the cookie is another one after each
    /// start of bitcoind.
    fn request(&self, method: &str, params: Value) -> Result<RequestBuilder, ChainError> {
        let login = self.login.read();
        let login = login.map_err(|error| ChainError::NoCookie(error.to_string()))?;
        let request =
            json!({"jsonrpc": "1.0", "id": "axepool", "method": method, "params": params});
        Ok(self
            .http
            .post(&self.url)
            .basic_auth(login.user, Some(login.password))
            .json(&request))
    }

    /// What Core answers to the call of `method`.
    async fn answer<T: DeserializeOwned>(
        &self,
        method: &str,
        request: RequestBuilder,
        max_bytes: usize,
    ) -> Called<T> {
        let (status, body) = http::send(request, max_bytes).await?;
        // Core refuses with 500 and a JSON body; 401 and 403 come without one.
        match status {
            StatusCode::UNAUTHORIZED => return Err(self.unknown()),
            StatusCode::FORBIDDEN => return Err(ChainError::Forbidden(method.to_owned())),
            _ => {}
        }
        let answer: Answer<T> = serde_json::from_slice(&body).map_err(|error| {
            if status.is_success() {
                ChainError::nonsense(error)
            } else {
                ChainError::Refused {
                    status: status.as_u16(),
                    said: http::shown(&String::from_utf8_lossy(&body)),
                }
            }
        })?;
        match (answer.result, answer.error) {
            (_, Some(Refusal { code, message })) if code == IN_WARMUP => {
                Err(ChainError::WarmUp(http::shown(&message)))
            }
            (_, Some(refusal)) => Ok(Err((refusal.code, http::shown(&refusal.message)))),
            (Some(result), None) => Ok(Ok(result)),
            (None, None) => Err(ChainError::Nonsense(format!("nothing to {method}"))),
        }
    }

    fn unknown(&self) -> ChainError {
        match &self.login {
            RpcLogin::Password { .. } => ChainError::WrongPassword,
            RpcLogin::Cookie(cookie) => ChainError::WrongCookie(cookie.words()),
        }
    }
}

fn refused((code, message): (i64, String)) -> ChainError {
    // Core's words for a block that it has not: "(pruned data)", and else "(not fully
    // downloaded)".
    if message.contains("pruned data") {
        return ChainError::Pruned(message);
    }
    ChainError::Rpc { code, message }
}
