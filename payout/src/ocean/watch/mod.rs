//! Which blocks are OCEAN's: from what the chain and OCEAN's API show, in whatever order
//! and however late, to what the books are told. Pure: observations in, verdicts out.
//!
//! - A block is OCEAN's when the API lists it and it is in our chain. Its coinbase's tag
//!   is a hint that anybody can forge (at the price of a block): it counts alone when the
//!   API is not asked, or has been silent for some time.
//! - While our chain source is silent, or known to follow another chain or to stand still,
//!   the API is believed alone: for one block at each height, and for none above what the
//!   upstream mines on. A block that it invented dissolves later, as an orphan does.
//! - Nothing dissolves unless our chain source answers and agrees with the other witnesses.
//! - A listed block far above all that another witness knows of is ignored.
//! - An empty list is no word of the API: it does not keep a tagged block from counting.
//! - Verdicts come lowest block first, and each once. A block that is still undecided
//!   holds back those above it, for [`GIVE_UP_DEPTH`] blocks at most.
//! - Blocks from before the watch began are nobody's business.

mod verdict;

use std::collections::BTreeMap;

use accounting::settle::Block;
use bitcoin::BlockHash;
use serde::{Deserialize, Serialize};

pub use verdict::{ChainWord, Verdict};

/// Blocks on top of one that the API, silent since, has not spoken about: about an hour.
pub const SILENT_DEPTH: u32 = 6;

/// The same when the API answered meanwhile, but too early to be sure.
pub const GIVE_UP_DEPTH: u32 = 12;

/// How deep another block must be where ours was before ours counts as orphaned.
pub const ORPHAN_DEPTH: u32 = 6;

/// How many blocks OCEAN may list at one height: two were found at once, or one is wrong.
const AT_ONE_HEIGHT: usize = 4;

/// How many blocks of the chain are remembered: more than any reorganisation has.
pub const REMEMBERED: u32 = 300;

/// The watch, as it is kept over restarts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Only blocks above it count: the chain's height when the watch began.
    began_at: u32,
    /// The API is asked.
    asks_api: bool,
    /// Our chain's newest blocks, by height, without gaps.
    chain: BTreeMap<u32, Seen>,
    /// Blocks that are or may be OCEAN's.
    candidates: BTreeMap<u32, Vec<Candidate>>,
    /// Our chain's height when the API answered last.
    api_heard_at: Option<u32>,
    /// The same for an answer that listed any block.
    #[serde(default)]
    list_heard_at: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    #[serde(with = "accounting::as_text")]
    hash: BlockHash,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Candidate {
    #[serde(with = "accounting::as_text")]
    hash: BlockHash,
    is_tagged: bool,
    is_listed: bool,
    told: Told,
}

/// What the books were told of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Told {
    Nothing,
    Found,
    Orphaned,
}

impl Watch {
    /// A watch that begins with the block after `began_at`.
    pub fn new(began_at: u32, asks_api: bool) -> Self {
        Watch {
            began_at,
            asks_api,
            chain: BTreeMap::new(),
            candidates: BTreeMap::new(),
            api_heard_at: None,
            list_heard_at: None,
        }
    }

    /// From now on the API is asked, or not: the settings' word, after a restart.
    pub fn set_asks_api(&mut self, asks_api: bool) {
        self.asks_api = asks_api;
    }

    /// Our chain's tip; `None` before its first block was seen.
    pub fn tip(&self) -> Option<Block> {
        let (&height, seen) = self.chain.last_key_value()?;
        Some(Block {
            hash: seen.hash,
            height,
        })
    }

    /// The block of our chain at a height, while it is remembered.
    pub fn at(&self, height: u32) -> Option<BlockHash> {
        self.chain.get(&height).map(|seen| seen.hash)
    }

    /// True when the books were told that this block is OCEAN's.
    pub fn was_found(&self, hash: &BlockHash) -> bool {
        self.candidates
            .values()
            .flatten()
            .any(|candidate| candidate.hash == *hash && candidate.told == Told::Found)
    }

    /// True while OCEAN's API may still explain what the block at `height` brought: it is
    /// asked, has not answered since the block was [`SILENT_DEPTH`] deep, and the block is
    /// not `patience` blocks deep.
    pub(super) fn may_still_explain(&self, height: u32, patience: u32) -> bool {
        let depth_at = |tip: u32| tip.saturating_sub(height);
        let heard = self
            .api_heard_at
            .is_some_and(|at| depth_at(at) >= SILENT_DEPTH);
        let tip = self.tip().map_or(0, |tip| tip.height);
        self.asks_api && !heard && depth_at(tip) < patience
    }

    /// Where the chain is to be read on from.
    pub fn next_height(&self) -> u32 {
        self.tip()
            .map_or(self.began_at, |tip| tip.height)
            .saturating_add(1)
    }

    /// Our chain has `block`, which stands on the remembered one below it; all that was
    /// at its height or above is gone. `is_tagged`: its coinbase carries OCEAN's tag.
    pub fn chain_has(&mut self, block: Block, is_tagged: bool) {
        self.chain.split_off(&block.height);
        // A gap makes what is below it useless: nothing says that it belongs together.
        if self
            .tip()
            .is_some_and(|tip| tip.height.checked_add(1) != Some(block.height))
        {
            self.chain.clear();
        }
        self.chain.insert(block.height, Seen { hash: block.hash });
        if is_tagged && let Some(candidate) = self.candidate(block) {
            candidate.is_tagged = true;
        }
        self.forget(block.height);
    }

    /// Our chain's blocks from `height` on are not its any more.
    pub fn chain_lost(&mut self, height: u32) {
        self.chain.split_off(&height);
    }

    /// The API's list. It is whole for its span: a block that it had and has not any more
    /// is not listed any more.
    ///
    /// `up_to`: the highest block of which the upstream knows; `None`: it tells none. Blocks
    /// far above that and above our own chain are left out: nothing confirms them.
    pub fn api_lists(&mut self, blocks: &[Block], up_to: Option<u32>) {
        let own = self.tip().map_or(self.began_at, |tip| tip.height);
        let known = own.max(up_to.unwrap_or(0)).saturating_add(GIVE_UP_DEPTH);
        let is_bounded = up_to.is_some() || self.tip().is_some();
        let is_plausible = |block: &&Block| !is_bounded || block.height <= known;
        let plausible: Vec<Block> = blocks.iter().filter(is_plausible).copied().collect();
        let blocks = plausible.as_slice();
        self.begin_above(blocks, up_to);
        if let Some(lowest) = blocks.iter().map(|block| block.height).min() {
            for candidate in self.candidates.range_mut(lowest..).flat_map(|(_, all)| all) {
                candidate.is_listed = false;
            }
        }
        for block in blocks {
            let there = self.candidates.get(&block.height).map_or(0, Vec::len);
            if (there < AT_ONE_HEIGHT || self.knows(block))
                && let Some(candidate) = self.candidate(*block)
            {
                candidate.is_listed = true;
            }
        }
        // Whoever lists other blocks each time fills neither the memory nor the file.
        for all in self.candidates.values_mut() {
            all.retain(|one| one.is_listed || one.is_tagged || one.told != Told::Nothing);
        }
        self.candidates.retain(|_, all| !all.is_empty());
        let tip = self.tip().map(|tip| tip.height);
        self.api_heard_at = tip.or(self.api_heard_at);
        if !blocks.is_empty() {
            self.list_heard_at = tip.or(self.list_heard_at).or(Some(self.began_at));
        }
    }

    /// A watch that began at the tip of a source that stood still would take what OCEAN
    /// found before for new. Only what the upstream knows of moves it.
    fn begin_above(&mut self, blocks: &[Block], up_to: Option<u32>) {
        let confirmed = blocks.iter().map(|block| block.height);
        let confirmed = confirmed.filter(|height| up_to.is_some_and(|up_to| *height <= up_to));
        let Some(newest) = confirmed.max() else {
            return;
        };
        let tip = self.tip().map_or(self.began_at, |tip| tip.height);
        if self.list_heard_at.is_none() && newest > tip.saturating_add(GIVE_UP_DEPTH) {
            self.began_at = newest;
            self.chain.clear();
            self.candidates.clear();
        }
    }

    /// Mends a beginning that no chain has reached: from it on, no block would ever count.
    /// `known` is the highest block of the witnesses, which agree. Returns what it was.
    pub fn begin_within(&mut self, known: u32) -> Option<u32> {
        let is_beyond = self.began_at > known.saturating_add(GIVE_UP_DEPTH);
        (is_beyond && self.tip().is_none()).then(|| std::mem::replace(&mut self.began_at, known))
    }

    fn knows(&self, block: &Block) -> bool {
        let mut there = self.candidates.get(&block.height).into_iter().flatten();
        there.any(|one| one.hash == block.hash)
    }

    /// The candidate of that block, made if need be; `None` for one from before the watch.
    fn candidate(&mut self, block: Block) -> Option<&mut Candidate> {
        if block.height <= self.began_at {
            return None;
        }
        let all = self.candidates.entry(block.height).or_default();
        let at = all.iter().position(|known| known.hash == block.hash);
        let at = at.unwrap_or_else(|| {
            all.push(Candidate {
                hash: block.hash,
                is_tagged: false,
                is_listed: false,
                told: Told::Nothing,
            });
            all.len().saturating_sub(1)
        });
        all.get_mut(at)
    }

    fn forget(&mut self, tip: u32) {
        let keep_from = tip.saturating_sub(REMEMBERED);
        self.chain = self.chain.split_off(&keep_from);
        // What was told is remembered longest: told again it must not be.
        let keep_from = tip.saturating_sub(REMEMBERED.saturating_mul(10));
        self.candidates = self.candidates.split_off(&keep_from);
    }
}

#[cfg(test)]
mod tests;
