//! The source of the pool's templates. The synthetic chain here needs nothing; a chain of
//! real blocks can take its place.

use bitcoin::block::Header;
use bitcoin::{Amount, ScriptBuf, Transaction, TxOut};
use sha2::{Digest as _, Sha256};

use super::ShareEntry;
use crate::stratum::{Hash, Target, sha256d};

/// A block to be: all of it but the coinbase.
#[derive(Clone, Debug)]
pub struct Template {
    /// The source's own number for it, given back with a block found on it.
    pub id: u64,
    /// The height of the block to be.
    pub height: u32,
    /// The hash of the block before, in the header's byte order.
    pub prev_hash: Hash,
    /// The header's version before rolling.
    pub version: u32,
    /// The network's target, compact.
    pub bits: u32,
    /// The least time that the header may carry, in unix seconds.
    pub min_time: u32,
    /// What the coinbase may pay out.
    pub coinbase_value: Amount,
    /// What the coinbase must pay of it, before the pool's own payouts take the rest. At
    /// most [`Template::coinbase_value`] together.
    pub payouts: Vec<TxOut>,
    /// The output script of BIP141's witness commitment, if the block has witnesses.
    pub witness_commitment: Option<ScriptBuf>,
    /// The ids of the other transactions, in the block's order, as they are hashed.
    pub txids: Vec<Hash>,
}

/// A share that met the network's target.
#[derive(Clone, Debug)]
pub struct FoundBlock {
    /// The template that it solves.
    pub template: u64,
    /// The block's height.
    pub height: u32,
    /// The block's hash, in the header's byte order.
    pub hash: Hash,
    /// The header.
    pub header: Header,
    /// The coinbase as it was hashed: without its witness, which the source adds if the
    /// template has a commitment.
    pub coinbase: Transaction,
    /// Who found it: the username of the submit.
    pub username: String,
}

/// Gives templates and takes blocks. Called while the pool holds its lock: a source
/// that talks to a node keeps the last template at hand.
pub trait TemplateSource: Send {
    /// The template to work on now. `empty` asks for one without transactions, as pools
    /// send them in the first moment after a block.
    fn template(&mut self, empty: bool) -> Template;
    /// A share was accepted. One that is a block comes here first.
    fn share_accepted(&mut self, _share: &ShareEntry) {}
    /// One of the pool's miners found a block.
    fn block_found(&mut self, block: &FoundBlock);
    /// Somebody else found one.
    fn network_block(&mut self);
}

/// A chain that exists in its heights and hashes alone; the same for the same seed.
#[derive(Clone, Debug)]
pub struct SyntheticChain {
    /// The height of the last block.
    pub tip_height: u32,
    /// The last block's hash, in the header's byte order.
    pub tip: Hash,
    /// The network's target, compact.
    pub bits: u32,
    /// The version of its templates.
    pub version: u32,
    /// How many transactions a template has besides the coinbase.
    pub transactions: usize,
    templates: u64,
}

impl SyntheticChain {
    /// A chain at the height of 2026, with the network's target that belongs to
    /// `network_difficulty` (1 is 2^32 hashes: as good as never found in a simulation).
    ///
    /// # Panics
    /// If the difficulty is not a finite number above 0.
    pub fn new(seed: u64, network_difficulty: f64) -> SyntheticChain {
        let target = Target::of_difficulty(network_difficulty)
            .expect("a network's difficulty is a finite number above 0");
        let mut tip: Hash = Sha256::digest(seed.to_be_bytes()).into();
        // As if it met a real network's target.
        tip[22..].fill(0);
        SyntheticChain {
            tip_height: 930_000,
            tip,
            bits: target.to_bits(),
            version: 0x2000_0000,
            transactions: 3_000,
            templates: 0,
        }
    }

    fn advance(&mut self, hash: Hash) {
        self.tip = hash;
        self.tip_height += 1;
    }
}

impl TemplateSource for SyntheticChain {
    fn template(&mut self, empty: bool) -> Template {
        self.templates += 1;
        let count = if empty { 0 } else { self.transactions };
        let txids = (0..count)
            .map(|index| sha256d(&[&self.templates.to_be_bytes(), &index.to_be_bytes()]))
            .collect();
        Template {
            id: self.templates,
            height: self.tip_height + 1,
            prev_hash: self.tip,
            version: self.version,
            bits: self.bits,
            min_time: 0,
            coinbase_value: Amount::from_sat(312_500_000 + 1_000 * count as u64),
            payouts: Vec::new(),
            witness_commitment: None,
            txids,
        }
    }

    fn block_found(&mut self, block: &FoundBlock) {
        self.advance(block.hash);
    }

    fn network_block(&mut self) {
        let mut next = sha256d(&[&self.tip, b"network block"]);
        next[22..].fill(0);
        self.advance(next);
    }
}
