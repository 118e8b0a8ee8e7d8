//! The money's side of an epoch and of a miner: rows of the ledger.

use bitcoin::BlockHash;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{EpochId, EpochTerms, Msat, Sat, Work};
use crate::{as_text, schema};

/// A confirmed OCEAN block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Block {
    /// Its hash.
    #[serde(with = "as_text")]
    #[schemars(with = "schema::Hash")]
    pub hash: BlockHash,
    /// The height at which it was found.
    pub height: u32,
}

/// What OCEAN's API (`/earnpay`) says about the pool's part of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Earnings {
    /// `satoshis_net_earned`.
    pub net: Sat,
    /// `shares_in_window`, our own, in units of 2^32 hashes.
    pub shares_in_window: Option<u64>,
}

/// The stage of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It takes shares.
    Open,
    /// It takes no more; `block` is the one that closed it, none by command.
    Closed {
        /// The OCEAN block.
        block: Option<Block>,
    },
    /// Its block was orphaned before half of its money came: its work counts in `into`.
    Merged {
        /// The epoch that has its work now.
        into: EpochId,
        /// The orphaned block.
        block: Block,
    },
}

/// The money's side of an epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EpochAccount {
    /// The number of the epoch.
    pub epoch: EpochId,
    /// Its terms, fixed when it opened.
    pub terms: EpochTerms,
    /// Whether it is open, closed or merged.
    pub stage: Stage,
    /// Epochs dissolved into this one, directly or through another.
    pub absorbed: Vec<EpochId>,
    /// All its miners' work, that of the absorbed epochs included. While it is open: of
    /// these alone.
    pub work: Work,
    /// Its miners, those of absorbed epochs added (who is in both is counted twice).
    /// Zero where that was not kept yet.
    #[serde(default)]
    pub miners: u64,
    /// What the API says that its block earned; whether that is believed is judged when
    /// it is used.
    pub earnings: Option<Earnings>,
    /// What the API said last and is not used, so that it alarms once.
    pub earnings_refused: Option<Earnings>,
    /// The money that came for it, gifts included.
    pub received: Msat,
    /// At least half of what was expected has come. Once true it stays, unless the API
    /// tells the earnings for the first time later. While nothing is known of any
    /// earnings it is a mark only: each payment measures all epochs by itself.
    pub covered: bool,
    /// Money was split over its work: its own, or another epoch's through a window.
    pub paid_over: bool,
    /// Its block was orphaned after at least half of its money had come: it stays,
    /// expects nothing more, and someone should look.
    pub orphaned: bool,
}

impl EpochAccount {
    /// A new open epoch.
    pub fn opened(epoch: EpochId, terms: EpochTerms) -> Self {
        EpochAccount {
            epoch,
            terms,
            stage: Stage::Open,
            absorbed: Vec::new(),
            work: Work::ZERO,
            miners: 0,
            earnings: None,
            earnings_refused: None,
            received: Msat::ZERO,
            covered: false,
            paid_over: false,
            orphaned: false,
        }
    }

    /// The block that closed it, while that counts.
    pub fn block(&self) -> Option<Block> {
        match self.stage {
            Stage::Closed { block } => block,
            Stage::Open | Stage::Merged { .. } => None,
        }
    }

    /// The block that closed it, whether or not that still counts.
    pub fn closed_by(&self) -> Option<Block> {
        match self.stage {
            Stage::Closed { block } => block,
            Stage::Merged { block, .. } => Some(block),
            Stage::Open => None,
        }
    }

    /// Closed and not dissolved.
    pub fn is_closed(&self) -> bool {
        matches!(self.stage, Stage::Closed { .. })
    }

    /// No money came for it nor was split over its work: what may take in what
    /// dissolves, since files that were published list the work of all others.
    pub fn is_unpaid(&self) -> bool {
        self.received.is_zero() && !self.paid_over
    }
}

/// A miner's account: `allocated = 1000 x paid + carry`, always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MinerAccount {
    /// All that payouts gave the miner so far.
    pub allocated: Msat,
    /// What went to the miner's quotes.
    pub paid: Sat,
    /// The rest, below 1 sat after every settlement.
    #[schemars(extend("maximum" = 999))]
    pub carry: Msat,
}
