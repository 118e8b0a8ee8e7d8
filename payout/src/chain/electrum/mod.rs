//! An Electrum server, as far as the pool asks one: its newest block, blocks by their height,
//! fees, what is unspent at a script. It has no whole blocks.

mod line;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use basics::mask;
use bitcoin::block::Header;
use bitcoin::consensus::encode::deserialize_hex;
use bitcoin::constants::genesis_block;
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::{Amount, BlockHash, Network, OutPoint, ScriptBuf, SignedAmount, TxOut, Txid};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::bitcoind::NODES_TARGETS;
use super::client::{ChainInfo, Unspent};
use super::http::ChainError;
use super::tip::Told;
use line::{Line, Place};

/// How long a question may take, the connection included.
const PATIENCE: Duration = Duration::from_secs(10);

/// The chains that a first block is known of.
const NETWORKS: [Network; 5] = [
    Network::Bitcoin,
    Network::Testnet,
    Network::Testnet4,
    Network::Signet,
    Network::Regtest,
];

/// One question at a time: the protocol's answers may come in any order, ours never do.
#[derive(Clone)]
pub(super) struct Electrum {
    place: Arc<Place>,
    /// The connection, while there is one: servers count how often somebody comes.
    line: Arc<Mutex<Option<Line>>>,
    patience: Duration,
}

impl fmt::Debug for Electrum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Electrum({})", mask::url(&self.place.to_string()))
    }
}

/// The answer to `blockchain.headers.subscribe`, and the notification that follows it.
#[derive(Deserialize)]
struct Newest {
    height: u32,
    hex: String,
}

/// An entry of `blockchain.scripthash.listunspent`.
#[derive(Deserialize)]
struct Found {
    tx_hash: Txid,
    tx_pos: u32,
    /// Satoshis.
    value: u64,
    /// 0 or below: in no block.
    height: i64,
}

/// Bitcoins for 1,000 vbytes; below 0: the server has no estimate.
#[derive(Deserialize)]
#[serde(transparent)]
struct Rate(#[serde(with = "bitcoin::amount::serde::as_btc")] SignedAmount);

impl Electrum {
    /// A client of the server at `url`, `tcp://host:port` or `ssl://host:port`. Certificates
    /// have to be of a public authority, as the lightning node wants them, too.
    pub(super) fn new(url: &str) -> Result<Self, ChainError> {
        let tls = match url.starts_with("ssl://") {
            true => Some(line::public_authorities()?),
            false => None,
        };
        Electrum::at(url, tls, PATIENCE)
    }

    fn at(url: &str, tls: Option<TlsConnector>, patience: Duration) -> Result<Self, ChainError> {
        Ok(Electrum {
            place: Arc::new(Place::new(url, tls)?),
            line: Arc::default(),
            patience,
        })
    }

    pub(super) async fn info(&self) -> Result<ChainInfo, ChainError> {
        let network = self.network().await?;
        let (height, header) = self.newest().await?;
        Ok(ChainInfo {
            network: Some(network),
            height,
            tip: header.block_hash(),
            tip_secs: Some(header.time.into()),
            is_syncing: false,
            headers: height,
            pruned_below: None,
        })
    }

    pub(super) async fn tip(&self) -> Result<Told, ChainError> {
        let info = self.info().await?;
        Ok(Told {
            network: info.network,
            height: info.height,
            hash: info.tip,
            headers: None,
            is_syncing: false,
            time_secs: info.tip_secs,
            median_secs: None,
        })
    }

    pub(super) async fn hash_at(&self, height: u32) -> Result<Option<BlockHash>, ChainError> {
        let (newest, header) = self.newest().await?;
        match height.cmp(&newest) {
            std::cmp::Ordering::Greater => Ok(None),
            std::cmp::Ordering::Equal => Ok(Some(header.block_hash())),
            std::cmp::Ordering::Less => {
                let header = self.header(height).await?;
                Ok(Some(header.block_hash()))
            }
        }
    }

    pub(super) async fn unspent(
        &self,
        scripts: &[ScriptBuf],
        mut told: impl FnMut(usize),
    ) -> Result<Vec<Unspent>, ChainError> {
        let mut unspent = Vec::new();
        for (done, script) in scripts.iter().enumerate() {
            told(done);
            // The protocol's name of a script is its hash, last byte first.
            let mut hash = sha256::Hash::hash(script.as_bytes()).to_byte_array();
            hash.reverse();
            let hash = bitcoin::hex::DisplayHex::to_lower_hex_string(&hash[..]);
            let found: Vec<Found> = self
                .ask("blockchain.scripthash.listunspent", json!([hash]))
                .await?;
            for one in found {
                let height = u32::try_from(one.height).unwrap_or(0);
                if height == 0 {
                    continue;
                }
                unspent.push(Unspent {
                    outpoint: OutPoint::new(one.tx_hash, one.tx_pos),
                    output: TxOut {
                        value: Amount::from_sat(one.value),
                        script_pubkey: script.clone(),
                    },
                    height,
                    may_be_coinbase: true,
                });
            }
        }
        told(scripts.len());
        Ok(unspent)
    }

    pub(super) async fn fee_rate(&self, blocks: u16) -> Result<Option<u32>, ChainError> {
        let rate: Option<Rate> = self.ask("blockchain.estimatefee", json!([blocks])).await?;
        let sat = rate.and_then(|Rate(rate)| u64::try_from(rate.to_sat()).ok());
        let sat = sat.filter(|sat| *sat > 0);
        Ok(sat.map(|sat| u32::try_from(sat.div_ceil(1000)).unwrap_or(u32::MAX)))
    }

    /// The node would take the least rate where the server has no estimate.
    pub(super) async fn has_fees(&self) -> Result<bool, ChainError> {
        for blocks in NODES_TARGETS {
            if self.fee_rate(blocks).await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) async fn send(&self, hex: &str) -> Result<Txid, ChainError> {
        let mut slot = self.line.lock().await;
        // On a new connection: an order is not repeated because an old one was dead.
        *slot = None;
        self.ask_within(&mut slot, "blockchain.transaction.broadcast", json!([hex]))
            .await
    }

    /// The chain that it is on, which its first block tells.
    async fn network(&self) -> Result<Network, ChainError> {
        let first = self.header(0).await?.block_hash();
        let is_its = |network: &Network| genesis_block(*network).block_hash() == first;
        let network = NETWORKS.into_iter().find(is_its);
        network.ok_or_else(|| {
            ChainError::Nonsense(format!("its first block {first} is of no known chain"))
        })
    }

    async fn newest(&self) -> Result<(u32, Header), ChainError> {
        let newest: Newest = self.ask("blockchain.headers.subscribe", json!([])).await?;
        Ok((newest.height, header(&newest.hex)?))
    }

    async fn header(&self, height: u32) -> Result<Header, ChainError> {
        let hex: String = self.ask("blockchain.block.header", json!([height])).await?;
        header(&hex)
    }

    async fn ask<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, ChainError> {
        let mut slot = self.line.lock().await;
        self.ask_within(&mut slot, method, params).await
    }

    async fn ask_within<T: DeserializeOwned>(
        &self,
        slot: &mut Option<Line>,
        method: &str,
        params: Value,
    ) -> Result<T, ChainError> {
        let asked = timeout(self.patience, self.ask_on(slot, method, &params)).await;
        let answer = asked.unwrap_or_else(|_| {
            let secs = self.patience.as_secs_f32();
            Err(ChainError::Silent(format!("not within {secs} s")))
        });
        serde_json::from_value(answer?).map_err(ChainError::nonsense)
    }

    /// Asks on the connection in `slot`, or on a new one. One that fails, or that is given
    /// up in the middle, is not put back.
    async fn ask_on(
        &self,
        slot: &mut Option<Line>,
        method: &str,
        params: &Value,
    ) -> Result<Value, ChainError> {
        if let Some(mut line) = slot.take() {
            match line.ask(method, params).await {
                // It was open for a while, and the server may have closed it since.
                Err(ChainError::Silent(_)) => {}
                answer => {
                    *slot = line.if_usable();
                    return answer;
                }
            }
        }
        let mut line = Line::open(&self.place).await?;
        let answer = line.ask(method, params).await;
        *slot = line.if_usable();
        answer
    }
}

fn header(hex: &str) -> Result<Header, ChainError> {
    deserialize_hex(hex).map_err(ChainError::nonsense)
}

#[cfg(test)]
mod tests;
