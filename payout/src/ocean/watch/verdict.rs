//! The verdict of a round of the watch: the events for the books.

use accounting::settle::Block;
use bitcoin::BlockHash;

use super::{Candidate, GIVE_UP_DEPTH, ORPHAN_DEPTH, SILENT_DEPTH, Told, Watch};

/// Something that the books are to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// OCEAN found this block: it closes the open epoch.
    Found(Block),
    /// This block, of which the books were told, is no longer in the chain.
    Orphaned(Block),
}

/// What our own chain source's word is worth now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainWord {
    /// It answers.
    Heard,
    /// It answers, and the upstream contradicts it: only what OCEAN's list says as well counts,
    /// and nothing dissolves.
    Contradicted,
    /// It has not answered for so long that it is not waited for. OCEAN's list alone counts,
    /// up to what the upstream mines on.
    Silent {
        /// The highest block of which another witness knows; `None`: no other one tells.
        up_to: Option<u32>,
    },
    /// It follows another chain than the other witnesses, or stands still: nothing of it
    /// counts above the highest block that it shared with the upstream.
    Doubted {
        /// That block's height.
        shared: Option<u32>,
        /// The highest block of which another witness knows; `None`: no other one tells.
        up_to: Option<u32>,
    },
}

/// How a candidate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// OCEAN's.
    Ours,
    /// Not OCEAN's, or not in the chain, as far as is known.
    No,
    /// Too early to say: what is above waits.
    Open,
}

impl Watch {
    /// What is to be told next, `None` when nothing is. Told, it is acknowledged with
    /// [`Watch::was_told`], and the next one may be asked for.
    pub fn next(&self, chain: ChainWord) -> Option<Verdict> {
        let all = || {
            self.candidates.iter().flat_map(|(&height, candidates)| {
                candidates.iter().map(move |candidate| (height, *candidate))
            })
        };
        let block = |height, candidate: Candidate| Block {
            hash: candidate.hash,
            height,
        };
        // What is gone dissolves before anything new is closed.
        let orphan = all().find(|(height, candidate)| {
            candidate.told == Told::Found
                && chain == ChainWord::Heard
                && self.is_replaced(*height, candidate.hash)
        });
        if let Some((height, candidate)) = orphan {
            return Some(Verdict::Orphaned(block(height, candidate)));
        }
        for (height, candidate) in all().filter(|(_, candidate)| candidate.told != Told::Found) {
            match self.standing(height, &candidate, chain) {
                Standing::Ours => return Some(Verdict::Found(block(height, candidate))),
                Standing::No => {}
                Standing::Open => return None,
            }
        }
        None
    }

    /// The books have it.
    pub fn was_told(&mut self, verdict: Verdict) {
        let (block, told) = match verdict {
            Verdict::Found(block) => (block, Told::Found),
            Verdict::Orphaned(block) => (block, Told::Orphaned),
        };
        if let Some(candidate) = self.candidate(block) {
            candidate.told = told;
        }
    }

    fn standing(&self, height: u32, candidate: &Candidate, chain: ChainWord) -> Standing {
        let list_counts = match chain {
            ChainWord::Heard | ChainWord::Contradicted => false,
            ChainWord::Silent { up_to } => self.list_counts(height, candidate, up_to),
            ChainWord::Doubted { shared, up_to } => {
                // Up to there our chain was the upstream's as well.
                let is_other = shared >= Some(height)
                    && self.at(height).is_some_and(|hash| hash != candidate.hash);
                let counts = !is_other && self.list_counts(height, candidate, up_to);
                return if counts { Standing::Ours } else { Standing::No };
            }
        };
        let depth = self.tip().and_then(|tip| tip.height.checked_sub(height));
        match (self.at(height), depth) {
            (Some(hash), Some(depth)) if hash == candidate.hash => {
                let standing = self.in_chain(depth, height, candidate);
                let is_backed = candidate.is_listed || chain != ChainWord::Contradicted;
                match standing {
                    Standing::Ours if !is_backed => Standing::Open,
                    standing => standing,
                }
            }
            (Some(_), _) => Standing::No,
            // Told before, and not seen again: it stays orphaned.
            (None, _) if candidate.told == Told::Orphaned => Standing::No,
            // Not seen in the chain: only the API's word, which counts while the chain is
            // silent. Before the first block of the chain, and above its tip, it waits.
            (None, None) if list_counts => Standing::Ours,
            (None, None) if candidate.is_listed => Standing::Open,
            // Below what is remembered it was in the chain in its time, and counted then,
            // or it was not.
            (None, _) => Standing::No,
        }
    }

    /// Whether OCEAN's list alone makes a block OCEAN's: one block for each height, none above
    /// what another witness knows of, and none that was told as orphaned before.
    fn list_counts(&self, height: u32, candidate: &Candidate, up_to: Option<u32>) -> bool {
        let mut there = self.candidates.get(&height).into_iter().flatten();
        let is_taken = there.any(|other| other.told == Told::Found);
        let is_known = up_to.is_none_or(|up_to| height <= up_to);
        candidate.is_listed && candidate.told != Told::Orphaned && is_known && !is_taken
    }

    fn in_chain(&self, depth: u32, height: u32, candidate: &Candidate) -> Standing {
        if candidate.is_listed || (candidate.is_tagged && !self.asks_api) {
            return Standing::Ours;
        }
        if !candidate.is_tagged {
            return Standing::No;
        }
        // Only the tag speaks for it. What did the API see of it?
        let heard_depth = self
            .list_heard_at
            .and_then(|heard_at| heard_at.checked_sub(height));
        match heard_depth {
            Some(heard) if heard >= SILENT_DEPTH => Standing::No,
            Some(_) if depth >= GIVE_UP_DEPTH => Standing::Ours,
            None if depth >= SILENT_DEPTH => Standing::Ours,
            _ => Standing::Open,
        }
    }

    fn is_replaced(&self, height: u32, hash: BlockHash) -> bool {
        let Some(tip) = self.tip() else { return false };
        let deep = tip.height.saturating_sub(height) >= ORPHAN_DEPTH;
        deep && self.at(height).is_some_and(|now| now != hash)
    }
}
