//! The simulated OCEAN's templates from the regtest chain, and its blocks onto it.

use bitcoin::hashes::Hash as _;
use bitcoin::script::PushBytes;
use bitcoin::{Block, BlockHash};

use super::assemble::{self, coinbase_witness, faucet_script};
use super::server::unix_secs;
use super::{Chain, ChainError, SharedChain};
use crate::pool::{FoundBlock, Template, TemplateSource};

/// How many templates can still be solved; a pool's jobs live for minutes.
const KEPT: usize = 64;

/// Templates from a shared chain.
#[derive(Debug)]
pub struct ChainSource {
    chain: SharedChain,
    handed_out: u64,
    kept: std::collections::VecDeque<(u64, Block)>,
}

impl ChainSource {
    /// A source of templates on `chain`.
    pub fn new(chain: SharedChain) -> ChainSource {
        ChainSource {
            chain,
            handed_out: 0,
            kept: std::collections::VecDeque::new(),
        }
    }

    /// Puts a block onto the chain: the template that it solves, with the coinbase and
    /// the header that were hashed.
    ///
    /// # Errors
    /// If the template is long gone, or the chain refuses the block.
    pub fn submit(&mut self, found: &FoundBlock) -> Result<BlockHash, ChainError> {
        let (_, block) = self
            .kept
            .iter()
            .find(|(id, _)| *id == found.template)
            .ok_or(ChainError::BadBlock("its template is long gone"))?;
        let mut block = block.clone();
        block.header = found.header;
        block.txdata[0] = found.coinbase.clone();
        block.txdata[0].input[0].witness = coinbase_witness();
        self.chain.lock().submit(block)
    }
}

impl TemplateSource for ChainSource {
    fn template(&mut self, empty: bool) -> Template {
        let (mut block, height, min_time) = {
            let chain = self.chain.lock();
            let block = chain.assemble(&faucet_script(), <&PushBytes>::from(&[]), unix_secs());
            (block, chain.height() + 1, chain.next_time(0))
        };
        if empty {
            block = emptied(block, height);
        }
        self.handed_out += 1;
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        let coinbase = &block.txdata[0];
        let template = Template {
            id: self.handed_out,
            height,
            prev_hash: block.header.prev_blockhash.to_byte_array(),
            version: block.header.version.to_consensus().cast_unsigned(),
            bits: block.header.bits.to_consensus(),
            min_time,
            coinbase_value: coinbase.output[0].value,
            payouts: Vec::new(),
            witness_commitment: coinbase.output.last().map(|out| out.script_pubkey.clone()),
            txids: block.txdata[1..]
                .iter()
                .map(|transaction| transaction.compute_txid().to_byte_array())
                .collect(),
        };
        self.kept.push_back((self.handed_out, block));
        template
    }

    fn block_found(&mut self, found: &FoundBlock) {
        match self.submit(found) {
            Ok(hash) => tracing::info!(%hash, height = found.height, "block found"),
            // Somebody was faster.
            Err(error) => tracing::warn!(%error, height = found.height, "block lost"),
        }
    }

    fn network_block(&mut self) {
        self.chain.lock().mine_to_faucet(1, unix_secs());
    }
}

/// The same block with its coinbase alone.
fn emptied(mut block: Block, height: u32) -> Block {
    block.txdata.truncate(1);
    let output = &mut block.txdata[0].output;
    output.truncate(1);
    output[0].value = assemble::subsidy(height);
    let script_pubkey = assemble::commitment(&block);
    block.txdata[0].output.push(bitcoin::TxOut {
        value: bitcoin::Amount::ZERO,
        script_pubkey,
    });
    block
}

impl Chain {
    /// The heights whose coinbase's scriptSig carries `tag`: the blocks of that pool.
    pub fn tagged(&self, tag: &[u8]) -> Vec<u32> {
        let carries = |block: &Block| {
            let script = &block.txdata[0].input[0].script_sig;
            script
                .as_bytes()
                .windows(tag.len().max(1))
                .any(|window| window == tag)
        };
        (0..)
            .zip(&self.blocks)
            .filter(|(_, placed)| carries(&placed.block))
            .map(|(h, _)| h)
            .collect()
    }
}
