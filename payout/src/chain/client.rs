//! One client for whatever the chain is read from.

use std::collections::BTreeSet;

use bitcoin::{Amount, Block, BlockHash, Network, OutPoint, ScriptBuf, Transaction, TxOut, Txid};

use super::bitcoind::Bitcoind;
use super::electrum::Electrum;
use super::esplora::Esplora;
use super::http::ChainError;
use super::tip::Told;
use crate::settings::ChainSource;

/// Reads the chain from bitcoind, an Esplora server or an Electrum server.
#[derive(Clone, Debug)]
pub struct ChainClient(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Bitcoind(Bitcoind),
    Esplora(Esplora),
    Electrum(Electrum),
}

/// What a source says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainInfo {
    /// Which chain, where it says so (Esplora does not).
    pub network: Option<Network>,
    /// The last block's height.
    pub height: u32,
    /// The last block.
    pub tip: BlockHash,
    /// The time in the last block's header, seconds since 1970, where it says so (Esplora
    /// does not).
    pub tip_secs: Option<u64>,
    /// It is still loading the chain.
    pub is_syncing: bool,
    /// The blocks that it knows by their headers; as `height` where it does not say.
    pub headers: u32,
    /// It has deleted every block below this height; none where it has all, or does not say.
    pub pruned_below: Option<u32>,
}

impl ChainInfo {
    /// # Errors
    /// While it is still loading the chain.
    pub fn is_loaded(&self) -> Result<(), ChainError> {
        if !self.is_syncing {
            return Ok(());
        }
        Err(ChainError::Syncing {
            height: self.height,
            headers: self.headers,
        })
    }
}

/// An output in a block that nobody has spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unspent {
    /// Which.
    pub outpoint: OutPoint,
    /// What it pays, and to whom.
    pub output: TxOut,
    /// The block that it is in.
    pub height: u32,
    /// Of a coinbase, or the source does not tell.
    pub may_be_coinbase: bool,
}

impl ChainClient {
    /// A client for `source`.
    ///
    /// # Errors
    /// If no client can be made.
    pub fn new(source: &ChainSource) -> Result<ChainClient, ChainError> {
        let kind = match source {
            ChainSource::Bitcoind { host, port, login } => {
                Kind::Bitcoind(Bitcoind::new(host, *port, login)?)
            }
            ChainSource::Esplora(url) => Kind::Esplora(Esplora::new(url)?),
            ChainSource::Electrum(url) => Kind::Electrum(Electrum::new(url)?),
        };
        Ok(ChainClient(kind))
    }

    /// What the source says of itself.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn info(&self) -> Result<ChainInfo, ChainError> {
        match &self.0 {
            Kind::Bitcoind(client) => client.info().await,
            Kind::Esplora(client) => client.info().await,
            Kind::Electrum(client) => client.info().await,
        }
    }

    /// Whether it estimates fees for every time that the node asks for.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn has_fees(&self) -> Result<bool, ChainError> {
        match &self.0 {
            Kind::Bitcoind(client) => client.has_fees().await,
            Kind::Esplora(client) => client.has_fees().await,
            Kind::Electrum(client) => client.has_fees().await,
        }
    }

    /// What software the source is, in its own words, such as `/Satoshi:29.0.0/`; `None`
    /// where it does not say so (Esplora, Electrum).
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn software(&self) -> Result<Option<String>, ChainError> {
        match &self.0 {
            Kind::Bitcoind(client) => client.software().await.map(Some),
            Kind::Esplora(_) | Kind::Electrum(_) => Ok(None),
        }
    }

    /// What it says of its newest block.
    pub(super) async fn told_of_tip(&self) -> Result<Told, ChainError> {
        match &self.0 {
            Kind::Bitcoind(client) => client.tip().await,
            Kind::Esplora(client) => client.tip().await,
            Kind::Electrum(client) => client.tip().await,
        }
    }

    /// The block at a height of the source's best chain; `None` above its tip.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn hash_at(&self, height: u32) -> Result<Option<BlockHash>, ChainError> {
        match &self.0 {
            Kind::Bitcoind(client) => client.hash_at(height).await,
            Kind::Esplora(client) => client.hash_at(height).await,
            Kind::Electrum(client) => client.hash_at(height).await,
        }
    }

    /// What is unspent in blocks at any of `scripts`. It takes minutes: bitcoind goes
    /// through all that is unspent, the others are asked for each script. `told` hears how many
    /// of them are done.
    ///
    /// # Errors
    /// If it does not answer, or with what cannot be.
    pub async fn unspent(
        &self,
        scripts: &[ScriptBuf],
        told: impl FnMut(usize),
    ) -> Result<Vec<Unspent>, ChainError> {
        let unspent = match &self.0 {
            Kind::Bitcoind(client) => client.unspent(scripts).await?,
            Kind::Esplora(client) => client.unspent(scripts, told).await?,
            Kind::Electrum(client) => client.unspent(scripts, told).await?,
        };
        if !can_be(&unspent) {
            let why = "more coins than there are, or one of them twice";
            return Err(ChainError::Nonsense(why.to_owned()));
        }
        Ok(unspent)
    }

    /// What the source thinks a transaction should pay to be in one of the next `blocks`,
    /// in satoshis per vbyte, rounded up; `None` when it has seen too little.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn fee_rate(&self, blocks: u16) -> Result<Option<u32>, ChainError> {
        match &self.0 {
            Kind::Bitcoind(client) => client.fee_rate(blocks).await,
            Kind::Esplora(client) => client.fee_rate(blocks).await,
            Kind::Electrum(client) => client.fee_rate(blocks).await,
        }
    }

    /// Hands a transaction to the network.
    ///
    /// # Errors
    /// If it is refused, or it is not known whether it was taken.
    pub async fn broadcast(&self, transaction: &Transaction) -> Result<Txid, ChainError> {
        let hex = bitcoin::consensus::encode::serialize_hex(transaction);
        match &self.0 {
            Kind::Bitcoind(client) => client.send(&hex).await,
            Kind::Esplora(client) => client.send(hex).await,
            Kind::Electrum(client) => client.send(&hex).await,
        }
    }

    /// A whole block. What comes is checked: it has that hash and its transactions are
    /// the header's, whatever the source.
    ///
    /// # Errors
    /// If it does not answer, or with something else; an Electrum server has no blocks.
    pub async fn block(&self, hash: &BlockHash) -> Result<Block, ChainError> {
        let bytes = match &self.0 {
            Kind::Bitcoind(client) => client.block(hash).await?,
            Kind::Esplora(client) => client.block(hash).await?,
            Kind::Electrum(_) => return Err(ChainError::NoBlocks),
        };
        let block: Block = bitcoin::consensus::deserialize(&bytes).map_err(ChainError::nonsense)?;
        let is_asked = block.block_hash() == *hash;
        if !is_asked || !block.check_merkle_root() || block.txdata.is_empty() {
            return Err(ChainError::Nonsense(format!("not the block {hash}")));
        }
        Ok(block)
    }
}

/// Whether all of it can be unspent at once: whoever adds the amounts up need not fear an
/// overflow, whatever the source said.
fn can_be(unspent: &[Unspent]) -> bool {
    let outpoints: BTreeSet<_> = unspent.iter().map(|one| one.outpoint).collect();
    let sum = unspent.iter().try_fold(Amount::ZERO, |sum, one| {
        let sum = sum.checked_add(one.output.value)?;
        (sum <= Amount::MAX_MONEY).then_some(sum)
    });
    sum.is_some() && outpoints.len() == unspent.len()
}

#[cfg(test)]
mod tests {
    use bitcoin::hashes::Hash as _;

    use super::*;

    #[track_caller]
    fn case(coins: &[(u32, u64)], expected: bool) {
        let coins = coins.iter().map(|(vout, sat)| Unspent {
            outpoint: OutPoint::new(Txid::all_zeros(), *vout),
            output: TxOut {
                value: Amount::from_sat(*sat),
                script_pubkey: ScriptBuf::new(),
            },
            height: 1,
            may_be_coinbase: false,
        });
        assert_eq!(can_be(&coins.collect::<Vec<_>>()), expected);
    }

    #[test]
    fn a_source_cannot_make_coins() {
        let all = Amount::MAX_MONEY.to_sat();
        case(&[], true);
        case(&[(0, 1), (1, all - 1)], true);
        case(&[(0, 1), (1, all)], false);
        case(&[(0, u64::MAX), (1, u64::MAX)], false);
        case(&[(0, 1), (0, 1)], false);
    }
}
