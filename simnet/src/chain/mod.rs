//! A regtest chain of our own: real headers, proof of work, merkle roots, BIP34
//! heights and witness commitments, a set of unspent outputs and a mempool. No script
//! is run: whoever spends here is one of ours.
//!
//! No package registry ships bitcoind, and the offline demo must not need one. What is
//! kept here is what a lightning node looks at: [`rpc`] answers its calls and [`serve`]
//! puts them on a socket. [`ChainSource`] lets the simulated OCEAN mine on it.

mod assemble;
mod coins;
mod mempool;
pub mod rpc;
mod server;
mod source;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bitcoin::constants::genesis_block;
use bitcoin::script::PushBytes;
use bitcoin::{
    Address, Amount, Block, BlockHash, Network, ScriptBuf, Transaction, TxOut, Txid, Work,
};
use thiserror::Error;

use assemble::faucet_script;
pub use assemble::subsidy;
use coins::Coins;
use mempool::Mempool;
pub use server::{Fees, Mood, SharedMood, serve, serve_in, serve_on};
pub use source::ChainSource;

/// How many blocks a coinbase must be deep to be spent, its own counted (consensus).
pub const COINBASE_MATURITY: u32 = 100;

/// Why the chain refuses a block or a transaction. The texts are Bitcoin Core's where
/// it has one, since nodes match on them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChainError {
    /// An input that is not there, or spent.
    #[error("bad-txns-inputs-missingorspent")]
    MissingOrSpent,
    /// A coinbase that is not deep enough.
    #[error("bad-txns-premature-spend-of-coinbase")]
    PrematureCoinbaseSpend,
    /// More goes out than comes in.
    #[error("bad-txns-in-belowout")]
    InBelowOut,
    /// A replacement that does not pay more than what it replaces.
    #[error("insufficient fee, rejecting replacement {0}")]
    InsufficientFee(Txid),
    /// A block that does not stand on the tip.
    #[error("the block stands on {0}, which is not the tip")]
    NotOnTip(BlockHash),
    /// A block without its proof of work, merkle root or witness commitment.
    #[error("bad block: {0}")]
    BadBlock(&'static str),
    /// The faucet has no single coin as large as that.
    #[error("the faucet has no coin of {0}: mine to it and let it mature")]
    FaucetEmpty(Amount),
}

/// The chain and its mempool. Time is handed in, in unix seconds.
#[derive(Debug)]
pub struct Chain {
    blocks: Vec<Placed>,
    heights: HashMap<BlockHash, u32>,
    coins: Coins,
    transactions: HashMap<Txid, Transaction>,
    mempool: Mempool,
    /// How often blocks were taken off: goes into the coinbases, so that what comes in
    /// their place has other hashes.
    reorganisations: u32,
    is_syncing: bool,
}

#[derive(Debug)]
struct Placed {
    block: Block,
    hash: BlockHash,
    /// The chain's work up to and with this block.
    work: Work,
}

/// A chain that several look at.
#[derive(Clone, Debug)]
pub struct SharedChain(Arc<Mutex<Chain>>);

impl SharedChain {
    /// Shares a chain.
    pub fn new(chain: Chain) -> SharedChain {
        SharedChain(Arc::new(Mutex::new(chain)))
    }

    /// The chain, for as long as the guard lives: never across an await.
    pub fn lock(&self) -> MutexGuard<'_, Chain> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

impl Chain {
    /// Regtest's genesis block and nothing on it.
    pub fn new() -> Chain {
        let genesis = genesis_block(Network::Regtest);
        let hash = genesis.block_hash();
        Chain {
            heights: HashMap::from([(hash, 0)]),
            blocks: vec![Placed {
                work: genesis.header.work(),
                hash,
                block: genesis,
            }],
            coins: Coins::default(),
            transactions: HashMap::new(),
            mempool: Mempool::default(),
            reorganisations: 0,
            is_syncing: false,
        }
    }

    /// Whether it says from now on that it is still loading the chain.
    pub fn pretend_to_sync(&mut self, is_syncing: bool) {
        self.is_syncing = is_syncing;
    }

    /// A chain whose faucet can pay: its first coinbase is mature.
    pub fn with_faucet(now_secs: u32) -> Chain {
        Self::grown(COINBASE_MATURITY + 1, now_secs)
    }

    /// The same, so many blocks high: regtest halves the subsidy every 150 blocks, so that
    /// at height 1,800 a block creates 1,220,703 satoshis. The faucet's first coins stay
    /// as large as they were.
    pub fn grown(height: u32, now_secs: u32) -> Chain {
        let mut chain = Chain::new();
        let height = height.max(COINBASE_MATURITY + 1);
        // One a second, the last of them now.
        let first = now_secs.saturating_sub(height);
        chain.mine(height, &faucet_script(), first);
        chain
    }

    /// The last block's height.
    pub fn height(&self) -> u32 {
        u32::try_from(self.blocks.len() - 1).expect("a simulated chain is short")
    }

    /// The last block's hash.
    pub fn tip(&self) -> BlockHash {
        self.placed_tip().hash
    }

    /// The block at a height.
    pub fn block(&self, height: u32) -> Option<&Block> {
        self.blocks.get(height as usize).map(|placed| &placed.block)
    }

    /// The height of a block of the chain; an orphaned block has none.
    pub fn height_of(&self, hash: &BlockHash) -> Option<u32> {
        self.heights.get(hash).copied()
    }

    /// The ids that wait in the mempool, in the order of their arrival.
    pub fn mempool(&self) -> Vec<Txid> {
        self.mempool.ids().collect()
    }

    /// What a transaction pays that waits for a block.
    pub fn fee_of(&self, txid: &Txid) -> Option<Amount> {
        self.mempool.get(txid).map(|waiting| waiting.fee)
    }

    /// Mines `count` blocks that pay `script`, with all that waits in the mempool.
    pub fn mine(&mut self, count: u32, script: &ScriptBuf, now_secs: u32) {
        for _ in 0..count {
            self.mine_one(script, <&PushBytes>::from(&[]), now_secs);
        }
    }

    /// Mines a block to the faucet with a pool's `tag` in its coinbase, as its finder
    /// would; its hash.
    pub fn mine_tagged(&mut self, tag: &PushBytes, now_secs: u32) -> BlockHash {
        self.mine_one(&faucet_script(), tag, now_secs)
    }

    fn mine_one(&mut self, script: &ScriptBuf, tag: &PushBytes, now_secs: u32) -> BlockHash {
        let mut block = self.assemble(script, tag, now_secs);
        assemble::solve(&mut block);
        self.submit(block)
            .expect("our own block stands on our own tip")
    }

    /// Mines `count` blocks to the faucet.
    pub fn mine_to_faucet(&mut self, count: u32, now_secs: u32) {
        self.mine(count, &faucet_script(), now_secs);
    }

    /// Takes a block that stands on the tip.
    ///
    /// # Errors
    /// If it does not, or lacks proof of work, its merkle root or its commitment.
    pub fn submit(&mut self, block: Block) -> Result<BlockHash, ChainError> {
        if block.header.prev_blockhash != self.tip() {
            return Err(ChainError::NotOnTip(block.header.prev_blockhash));
        }
        block
            .header
            .validate_pow(block.header.target())
            .map_err(|_| ChainError::BadBlock("its hash is above its target"))?;
        if !block.check_merkle_root() {
            return Err(ChainError::BadBlock("its merkle root is another's"));
        }
        if !block.check_witness_commitment() {
            return Err(ChainError::BadBlock("its witness commitment is another's"));
        }
        let (hash, height) = (block.block_hash(), self.height() + 1);
        self.coins.connect(&block, height)?;
        for transaction in &block.txdata {
            let id = transaction.compute_txid();
            self.mempool.remove(&id);
            self.transactions.insert(id, transaction.clone());
        }
        let work = self.placed_tip().work + block.header.work();
        self.heights.insert(hash, height);
        self.blocks.push(Placed { block, hash, work });
        Ok(hash)
    }

    /// Takes the last `count` blocks off (never the genesis block), as a reorganisation
    /// does before it brings others. Their transactions go back to the mempool, their
    /// coinbases are gone.
    pub fn orphan(&mut self, count: u32, now_secs: u32) -> Vec<BlockHash> {
        self.reorganisations += 1;
        let keep = self.blocks.len().saturating_sub(count as usize).max(1);
        let orphaned = self.blocks.split_off(keep);
        let waiting: Vec<Txid> = self.mempool.take();
        // Short chains: what is unspent is found again from the first block on.
        self.coins = Coins::default();
        for (placed, height) in self.blocks.iter().zip(0..).skip(1) {
            self.coins
                .connect(&placed.block, height)
                .expect("it was connected before");
        }
        let mut again: Vec<Txid> = Vec::new();
        for placed in &orphaned {
            self.heights.remove(&placed.hash);
            let ids = placed.block.txdata.iter().map(Transaction::compute_txid);
            again.extend(ids.skip(1));
            self.transactions
                .remove(&placed.block.txdata[0].compute_txid());
        }
        again.extend(waiting);
        for id in again {
            // What spent an orphaned coinbase is not valid any more, and dropped.
            if let Some(transaction) = self.transactions.remove(&id) {
                let _dropped = self.accept(transaction, now_secs);
            }
        }
        orphaned.into_iter().map(|placed| placed.hash).collect()
    }

    /// Takes a transaction into the mempool; one that is known already changes nothing.
    ///
    /// # Errors
    /// If an input is missing, spent or immature, or it pays out more than it takes, or
    /// replaces another without paying more.
    pub fn accept(&mut self, transaction: Transaction, now_secs: u32) -> Result<Txid, ChainError> {
        let id = transaction.compute_txid();
        if self.transactions.contains_key(&id) {
            return Ok(id);
        }
        let fee = self.fee(&transaction)?;
        for replaced in self.mempool.conflicts(&transaction, &self.transactions) {
            if self.mempool.fee(&replaced).is_some_and(|old| old >= fee) {
                return Err(ChainError::InsufficientFee(replaced));
            }
            self.mempool.remove(&replaced);
            self.transactions.remove(&replaced);
        }
        self.mempool.insert(id, fee, self.height(), now_secs);
        self.transactions.insert(id, transaction);
        Ok(id)
    }

    /// Pays `amount` to `to` from the faucet; it waits in the mempool for the next block.
    ///
    /// # Errors
    /// If no mature coin of the faucet is large enough.
    pub fn faucet(
        &mut self,
        to: &Address,
        amount: Amount,
        now_secs: u32,
    ) -> Result<Txid, ChainError> {
        let script_pubkey = to.script_pubkey();
        let output = TxOut {
            value: amount,
            script_pubkey,
        };
        self.faucet_batch(vec![output], now_secs)
    }

    /// Pays several from the faucet in one transaction, in this order of outputs; it
    /// waits in the mempool for the next block.
    ///
    /// # Errors
    /// If no mature coin of the faucet is large enough.
    pub fn faucet_batch(&mut self, outputs: Vec<TxOut>, now_secs: u32) -> Result<Txid, ChainError> {
        let amount: Amount = outputs.iter().map(|output| output.value).sum();
        let fee = Amount::from_sat(1_000);
        let spent = self.mempool.spends(&self.transactions);
        let next = self.height() + 1;
        let (outpoint, value) = self
            .coins
            .of_script(&faucet_script())
            .filter(|(outpoint, coin)| coin.is_mature(next) && !spent.contains(outpoint))
            .map(|(outpoint, coin)| (*outpoint, coin.output.value))
            .find(|(_, value)| *value > amount + fee)
            .ok_or(ChainError::FaucetEmpty(amount))?;
        let transaction = assemble::faucet_payment(outpoint, value - amount - fee, outputs);
        self.accept(transaction, now_secs)
    }

    fn fee(&self, transaction: &Transaction) -> Result<Amount, ChainError> {
        let mut total = Amount::ZERO;
        for input in &transaction.input {
            let from = &input.previous_output;
            let value = match self.coins.get(from) {
                Some(coin) if !coin.is_mature(self.height() + 1) => {
                    return Err(ChainError::PrematureCoinbaseSpend);
                }
                Some(coin) => coin.output.value,
                None => self.unconfirmed(from).ok_or(ChainError::MissingOrSpent)?,
            };
            total = total.checked_add(value).ok_or(ChainError::InBelowOut)?;
        }
        let out = transaction
            .output
            .iter()
            .try_fold(Amount::ZERO, |sum, output| sum.checked_add(output.value));
        out.and_then(|out| total.checked_sub(out))
            .ok_or(ChainError::InBelowOut)
    }

    fn unconfirmed(&self, outpoint: &bitcoin::OutPoint) -> Option<Amount> {
        self.mempool.fee(&outpoint.txid)?;
        let from = self.transactions.get(&outpoint.txid)?;
        from.output
            .get(outpoint.vout as usize)
            .map(|output| output.value)
    }

    fn placed_tip(&self) -> &Placed {
        self.blocks
            .last()
            .expect("the genesis block is never taken off")
    }
}

#[cfg(test)]
mod tests;
