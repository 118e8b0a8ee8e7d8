//! Bitcoin Core's JSON-RPC.

use std::fmt;

use bitcoin::hex::FromHex as _;
use bitcoin::{BlockHash, Network};
use reqwest::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::client::ChainInfo;
use super::http::{self, ChainError, MAX_ANSWER_BYTES, MAX_BLOCK_BYTES};

/// "Block height out of range" (Core's `RPC_INVALID_PARAMETER`).
const INVALID_PARAMETER: i64 = -8;

#[derive(Clone)]
pub(super) struct Bitcoind {
    http: Client,
    url: String,
    user: String,
    password: String,
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
}

/// What a call came to: an answer, or Core's refusal.
type Called<T> = Result<Result<T, (i64, String)>, ChainError>;

impl Bitcoind {
    pub(super) fn new(
        host: &str,
        port: u16,
        user: &str,
        password: &str,
    ) -> Result<Self, ChainError> {
        Ok(Bitcoind {
            http: http::client()?,
            url: format!("http://{host}:{port}/"),
            user: user.to_owned(),
            password: password.to_owned(),
        })
    }

    pub(super) async fn info(&self) -> Result<ChainInfo, ChainError> {
        let info: Info = self.must("getblockchaininfo", json!([])).await?;
        Ok(ChainInfo {
            network: Network::from_core_arg(&info.chain).ok(),
            height: info.blocks,
            tip: info.bestblockhash,
            is_syncing: info.initialblockdownload,
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
        let request =
            json!({"jsonrpc": "1.0", "id": "axepool", "method": method, "params": params});
        let request = self
            .http
            .post(&self.url)
            .basic_auth(&self.user, Some(&self.password))
            .json(&request);
        let (status, body) = http::send(request, max_bytes).await?;
        // Core refuses with 500 and a JSON body; 401 and 403 come without one.
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
            (_, Some(refusal)) => Ok(Err((refusal.code, http::shown(&refusal.message)))),
            (Some(result), None) => Ok(Ok(result)),
            (None, None) => Err(ChainError::Nonsense(format!("nothing to {method}"))),
        }
    }
}

fn refused((code, message): (i64, String)) -> ChainError {
    ChainError::Nonsense(format!("{message} ({code})"))
}
