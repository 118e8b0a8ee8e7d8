//! An Esplora server's HTTP API.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use basics::mask;
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::{Amount, BlockHash, OutPoint, ScriptBuf, TxOut, Txid};
use reqwest::{Client, StatusCode};
use serde::Deserialize;

use super::client::{ChainInfo, Unspent};
use super::http::{self, ChainError, MAX_ANSWER_BYTES, MAX_BLOCK_BYTES};
use super::tip::Told;

#[derive(Clone)]
pub(super) struct Esplora {
    http: Client,
    url: String,
}

/// A part of its path may be a key.
impl fmt::Debug for Esplora {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Esplora({})", mask::url(&self.url))
    }
}

/// An entry of `/scripthash/{hash}/utxo`.
#[derive(Deserialize)]
struct Found {
    txid: Txid,
    vout: u32,
    /// Satoshis.
    value: u64,
    status: Status,
}

/// The answer to `/block/{hash}`.
#[derive(Deserialize)]
struct Placed {
    /// Seconds since 1970.
    timestamp: u64,
    mediantime: Option<u64>,
}

#[derive(Deserialize)]
struct Status {
    confirmed: bool,
    #[serde(default)]
    block_height: u32,
}

impl Esplora {
    pub(super) fn new(url: &str) -> Result<Self, ChainError> {
        Ok(Esplora {
            http: http::client()?,
            url: url.trim_end_matches('/').to_owned(),
        })
    }

    pub(super) async fn info(&self) -> Result<ChainInfo, ChainError> {
        let height: u32 = self.text("/blocks/tip/height").await?;
        // Height first, then the block at it: a block that comes between changes nothing.
        let tip = self.hash_at(height).await?;
        Ok(ChainInfo {
            network: None,
            height,
            tip: tip
                .ok_or_else(|| ChainError::Nonsense(format!("no block at its tip {height}")))?,
            tip_secs: None,
            is_syncing: false,
            headers: height,
            pruned_below: None,
        })
    }

    pub(super) async fn tip(&self) -> Result<Told, ChainError> {
        let info = self.info().await?;
        let request = self.http.get(format!("{}/block/{}", self.url, info.tip));
        let body = http::fetch(request, MAX_ANSWER_BYTES).await?;
        let block: Placed = serde_json::from_slice(&body).map_err(ChainError::nonsense)?;
        Ok(Told {
            network: None,
            height: info.height,
            hash: info.tip,
            headers: None,
            is_syncing: false,
            time_secs: Some(block.timestamp),
            median_secs: block.mediantime,
        })
    }

    pub(super) async fn hash_at(&self, height: u32) -> Result<Option<BlockHash>, ChainError> {
        let request = self.http.get(format!("{}/block-height/{height}", self.url));
        match http::send(request, MAX_ANSWER_BYTES).await? {
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, body) if status.is_success() => parsed(&body).map(Some),
            (status, body) => Err(ChainError::Refused {
                status: status.as_u16(),
                said: http::shown(&String::from_utf8_lossy(&body)),
            }),
        }
    }

    pub(super) async fn block(&self, hash: &BlockHash) -> Result<Vec<u8>, ChainError> {
        let request = self.http.get(format!("{}/block/{hash}/raw", self.url));
        http::fetch(request, MAX_BLOCK_BYTES).await
    }

    pub(super) async fn unspent(
        &self,
        scripts: &[ScriptBuf],
        mut told: impl FnMut(usize),
    ) -> Result<Vec<Unspent>, ChainError> {
        let mut unspent = Vec::new();
        for (done, script) in scripts.iter().enumerate() {
            told(done);
            let hash = sha256::Hash::hash(script.as_bytes());
            let request = self
                .http
                .get(format!("{}/scripthash/{hash}/utxo", self.url));
            let body = http::fetch(request, MAX_ANSWER_BYTES).await?;
            let found: Vec<Found> = serde_json::from_slice(&body).map_err(ChainError::nonsense)?;
            let found = found.into_iter().filter(|one| one.status.confirmed);
            unspent.extend(found.map(|one| Unspent {
                outpoint: OutPoint::new(one.txid, one.vout),
                output: TxOut {
                    value: Amount::from_sat(one.value),
                    script_pubkey: script.clone(),
                },
                height: one.status.block_height,
                may_be_coinbase: true,
            }));
        }
        told(scripts.len());
        Ok(unspent)
    }

    /// Its estimates are numbers with a fraction, by how many blocks may pass.
    pub(super) async fn fee_rate(&self, blocks: u16) -> Result<Option<u32>, ChainError> {
        let rates = self.rates().await?;
        let Some(rate) = rates.get(&blocks.to_string()) else {
            return Ok(None);
        };
        let text = rate.to_string();
        let whole = text.split('.').next().unwrap_or_default();
        let whole: u32 = whole.parse().map_err(ChainError::nonsense)?;
        Ok(Some(whole.saturating_add(u32::from(text.contains('.')))))
    }

    pub(super) async fn has_fees(&self) -> Result<bool, ChainError> {
        Ok(!self.rates().await?.is_empty())
    }

    async fn rates(&self) -> Result<BTreeMap<String, serde_json::Number>, ChainError> {
        let request = self.http.get(format!("{}/fee-estimates", self.url));
        let body = http::fetch(request, MAX_ANSWER_BYTES).await?;
        serde_json::from_slice(&body).map_err(ChainError::nonsense)
    }

    pub(super) async fn send(&self, hex: String) -> Result<Txid, ChainError> {
        let request = self.http.post(format!("{}/tx", self.url)).body(hex);
        parsed(&http::fetch(request, MAX_ANSWER_BYTES).await?)
    }

    async fn text<T>(&self, path: &str) -> Result<T, ChainError>
    where
        T: FromStr,
        T::Err: ToString,
    {
        let request = self.http.get(format!("{}{path}", self.url));
        parsed(&http::fetch(request, MAX_ANSWER_BYTES).await?)
    }
}

fn parsed<T>(body: &[u8]) -> Result<T, ChainError>
where
    T: FromStr,
    T::Err: ToString,
{
    let text = std::str::from_utf8(body).map_err(ChainError::nonsense)?;
    text.trim().parse().map_err(ChainError::nonsense)
}
