//! Whether the three witnesses of the chain agree: the upstream (the block that its jobs
//! build on), OCEAN's list of blocks, and our own chain source. Pure: observations with
//! their times in, a [`Doubt`] out.
//!
//! - Two chains may differ in their newest [`ORDINARY_FORK`] blocks: that happens.
//! - A witness stands still when its tip is older than [`STANDS_STILL_SECS`] while another
//!   one moved. OCEAN's list alone never does: OCEAN finds a block a day.
//! - Where each chain is somebody's own (regtest), an upstream is a witness once it and our
//!   own source have had one block both.
//! - A doubt ends when the two witnesses that contradicted each other are compared again and
//!   agree, not when one of them falls silent: not compared is not agreed.
//! - An orphan that OCEAN still lists counts until OCEAN's next block: only the newest
//!   listed block that is deep enough is compared.

mod judge;

use std::collections::BTreeMap;

use accounting::settle::Block;
use bitcoin::BlockHash;
use serde::{Deserialize, Serialize};

/// Blocks by which two chains may differ without a doubt.
pub const ORDINARY_FORK: u32 = 2;

/// A tip that is older is no moving witness's, while another one moves. Blocks that far
/// apart come once in three years.
pub const STANDS_STILL_SECS: u64 = 2 * 3600;

/// Another witness has moved when its change came so much later.
const LATER_SECS: u64 = 600;

/// How long a witness may take to hear of a block that another one has.
const HEARD_WITHIN_SECS: u64 = 180;

/// How many of the blocks that the upstream mined on are remembered.
const REMEMBERED: usize = 300;

/// Who tells something of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Witness {
    /// The upstream, by the block that its jobs build on.
    Upstream,
    /// OCEAN's list of its blocks.
    List,
    /// Our own chain source.
    Own,
}

impl Witness {
    /// All of them.
    pub const ALL: [Witness; 3] = [Witness::Upstream, Witness::List, Witness::Own];

    /// The metric's label.
    pub fn label(self) -> &'static str {
        match self {
            Witness::Upstream => "upstream",
            Witness::List => "list",
            Witness::Own => "own",
        }
    }

    /// Its name in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Witness::Upstream => "the upstream",
            Witness::List => "OCEAN's list of blocks",
            Witness::Own => "our chain source",
        }
    }
}

/// The block that the upstream's newest job builds on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamTip {
    /// That block.
    pub hash: BlockHash,
    /// Its height, where the job's coinbase tells it (BIP34).
    pub height: Option<u32>,
}

/// The tip of our own chain source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnTip {
    /// That block.
    pub block: Block,
    /// The time in its header, seconds since 1970, where the source tells it.
    pub made_secs: Option<u64>,
}

/// The time of an observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Seconds of a clock that never steps.
    pub steady_secs: u64,
    /// Seconds since 1970.
    pub unix_secs: u64,
}

/// The witnesses do not agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    /// Who differs from the others; `None` where that cannot be told.
    pub differs: Option<Witness>,
    /// In what, in words.
    pub said: String,
    /// Since when it has been the same difference, seconds since 1970.
    pub since_secs: u64,
    what: What,
    sides: Sides,
}

impl Doubt {
    /// True when `other` is this doubt, as seen at another moment.
    pub fn is_same(&self, other: &Doubt) -> bool {
        (self.differs, self.what) == (other.differs, other.what)
    }

    /// True when nobody may act on what our own source says.
    pub fn is_of_own_source(&self) -> bool {
        self.differs == Some(Witness::Own)
    }

    /// True when nothing of blocks may be concluded at all: our own source and OCEAN's
    /// list contradict each other, and it is not our source that is known to be wrong.
    pub fn holds_everything(&self) -> bool {
        matches!(self.differs, None | Some(Witness::List))
    }
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Doubt { said, differs, .. } = self;
        match differs {
            Some(witness) => write!(f, "{} differs from the others: {said}", witness.name()),
            None => write!(f, "the witnesses contradict each other: {said}"),
        }
    }
}

/// The kind of a difference: it is the same doubt as long as this stays the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Behind,
    OtherChain,
    StandsStill,
}

/// Which witnesses contradict each other: both are to be compared again before it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Sides {
    OwnAndList,
    OwnAndUpstream,
    UpstreamAndList,
    /// Our own source shows one chain when it is read and another when it is compared.
    OwnAndItself,
    /// One of them stands still.
    Still(Witness),
}

impl Sides {
    fn has(self, witness: Witness) -> bool {
        match self {
            Sides::OwnAndList => witness != Witness::Upstream,
            Sides::OwnAndUpstream => witness != Witness::List,
            Sides::UpstreamAndList => witness != Witness::Own,
            Sides::OwnAndItself => witness == Witness::Own,
            Sides::Still(still) => witness == still,
        }
    }
}

/// An observation, and when it last changed.
#[derive(Clone, Copy, Debug)]
struct Moving<T> {
    is: T,
    changed_secs: u64,
    /// False for the first observation, which says nothing of movement.
    has_moved: bool,
}

impl<T: PartialEq> Moving<T> {
    fn see(slot: &mut Option<Moving<T>>, is: T, now: Now) {
        match slot {
            Some(moving) if moving.is == is => {}
            known => {
                *known = Some(Moving {
                    is,
                    changed_secs: now.steady_secs,
                    has_moved: known.is_some(),
                });
            }
        }
    }

    fn moved_at(&self) -> Option<u64> {
        self.has_moved.then_some(self.changed_secs)
    }
}

/// What the witnesses said.
#[derive(Clone, Debug, Default)]
pub struct Witnesses {
    upstream: Option<Moving<UpstreamTip>>,
    /// The upstream has work now; without it, its last word is no witness.
    upstream_is_there: bool,
    /// Chains of this network are somebody's own, and the upstream need not mine on ours.
    are_own_chains: bool,
    /// The upstream mined on a block of our own source's chain, beside the first one.
    has_met: bool,
    own: Option<Moving<Block>>,
    own_is_there: bool,
    own_made_secs: Option<u64>,
    /// Blocks of our own source's chain, as of its last answer.
    own_at: BTreeMap<u32, BlockHash>,
    /// OCEAN's newest blocks, as listed last.
    listed: BTreeMap<u32, BlockHash>,
    newest_listed: Option<Moving<u32>>,
    /// What the upstream mined on, by height.
    mined_on: BTreeMap<u32, BlockHash>,
    /// The highest block that the upstream and our own source had both.
    shared: Option<u32>,
    /// Stands in for `shared` before there is one: below it they may agree.
    assumed: Option<u32>,
    /// How our own source contradicts itself, while it does.
    own_contradiction: Option<String>,
    /// Each contradiction that was not compared away since; the newest last.
    open: Vec<Doubt>,
}

impl Witnesses {
    /// Witnesses of a network on which each chain is somebody's own: see the module.
    pub fn of_own_chains(are_own_chains: bool) -> Witnesses {
        Witnesses {
            are_own_chains,
            ..Witnesses::default()
        }
    }

    /// Takes up the doubts that were open before a restart, but for those of witnesses that
    /// are `configured` no more. On networks of one's own an upstream is no witness until it
    /// was met again.
    pub fn restore(&mut self, open: Vec<Doubt>, configured: &[Witness]) {
        let is_there = |witness: Witness| {
            let is_met = witness != Witness::Upstream || !self.are_own_chains;
            is_met && configured.contains(&witness)
        };
        let still_compared = |doubt: &Doubt| {
            let mut sides = Witness::ALL.into_iter();
            sides.all(|witness| !doubt.sides.has(witness) || is_there(witness))
        };
        self.open = open.into_iter().filter(still_compared).collect();
    }

    /// The doubts that are open, to be kept over a restart.
    pub fn open(&self) -> &[Doubt] {
        &self.open
    }

    /// The highest block that the upstream mined on since the start: OCEAN's list alone
    /// proves nothing above it. `None` where the upstream bounds nothing, since it tells no
    /// heights or mines on a chain of its own.
    pub fn upstream_reach(&self) -> Option<u32> {
        if !self.upstream_counts() {
            return None;
        }
        match (self.mined_on.last_key_value(), self.upstream) {
            (Some((&height, _)), _) => Some(height),
            (None, Some(_)) => None,
            (None, None) => Some(0),
        }
    }

    /// The highest block that our own source and the upstream had both.
    pub fn shared(&self) -> Option<u32> {
        self.shared
    }

    /// Our own source shows one chain when it is read and another one when it is compared;
    /// `None`: it does not.
    pub fn own_contradicts_itself(&mut self, said: Option<String>) {
        self.own_contradiction = said;
    }

    /// Whether what the upstream mines on says something of our chain, as far as is known.
    fn upstream_counts(&self) -> bool {
        self.has_met || !self.are_own_chains
    }

    /// The upstream's newest job; `None` while it gives no work.
    pub fn upstream(&mut self, tip: Option<UpstreamTip>, now: Now) {
        self.upstream_is_there = tip.is_some();
        let Some(tip) = tip else { return };
        Moving::see(&mut self.upstream, tip, now);
        if let Some(height) = tip.height {
            self.mined_on.insert(height, tip.hash);
            while self.mined_on.len() > REMEMBERED {
                self.mined_on.pop_first();
            }
        }
    }

    /// Our own source's tip; `None` while it does not answer, or still loads the chain.
    pub fn own(&mut self, tip: Option<OwnTip>, now: Now) {
        self.own_is_there = tip.is_some();
        self.own_at.clear();
        let Some(tip) = tip else { return };
        Moving::see(&mut self.own, tip.block, now);
        self.own_made_secs = tip.made_secs;
        self.own_has(tip.block.height, Some(tip.block.hash));
    }

    /// The height of our own source's tip, as it was told last.
    pub fn own_height(&self) -> Option<u32> {
        let own = self.own.filter(|_| self.own_is_there)?;
        Some(own.is.height)
    }

    /// The heights at which our own source's block is wanted, to compare it.
    pub fn asks(&self) -> Vec<u32> {
        let Some(own) = self.own.filter(|_| self.own_is_there) else {
            return Vec::new();
        };
        let mined_on = self.newest_mined_on(own.is.height);
        let listed = self.newest_listed_below(own.is.height);
        let wanted = mined_on.into_iter().chain(listed).map(|(height, _)| height);
        let mut wanted: Vec<u32> = wanted.filter(|height| *height < own.is.height).collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted
    }

    /// The answer to [`Self::asks`].
    pub fn own_has(&mut self, height: u32, hash: Option<BlockHash>) {
        let Some(hash) = hash else { return };
        self.own_at.insert(height, hash);
        self.has_met |= height > 0 && self.mined_on.get(&height) == Some(&hash);
        match self.mined_on.get(&height) {
            Some(mined_on) if *mined_on == hash => self.shared = self.shared.max(Some(height)),
            // One of them left the chain that they shared.
            Some(_) if self.shared >= Some(height) => self.shared = height.checked_sub(1),
            _ => {}
        }
    }

    /// OCEAN's list. An empty one is no list: OCEAN has had blocks since 2023.
    pub fn list(&mut self, blocks: &[Block], now: Now) {
        let Some(newest) = blocks.iter().map(|block| block.height).max() else {
            return;
        };
        self.listed = blocks
            .iter()
            .map(|block| (block.height, block.hash))
            .collect();
        Moving::see(&mut self.newest_listed, newest, now);
    }

    /// The newest block up to `height` that the upstream mined on.
    fn newest_mined_on(&self, height: u32) -> Option<(u32, BlockHash)> {
        let (height, hash) = self.mined_on.range(..=height).next_back()?;
        Some((*height, *hash))
    }

    /// The newest listed block that has enough on top of it in a chain up to `tip`.
    fn newest_listed_below(&self, tip: u32) -> Option<(u32, BlockHash)> {
        let deep = tip.checked_sub(ORDINARY_FORK)?;
        let (height, hash) = self.listed.range(..=deep).next_back()?;
        Some((*height, *hash))
    }
}

#[cfg(test)]
mod tests;
