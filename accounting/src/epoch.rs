//! Epochs: the spans of shares between two closes.

use bitcoin::BlockHash;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{EpochId, EpochTerms, Work};

/// The reason for which an epoch was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CloseCause {
    /// The operator's command.
    Command,
    /// A confirmed block that OCEAN's miners found. The same block closes once: told
    /// of it again, the ledger answers with the epoch that it closed.
    OceanBlock {
        /// Its hash.
        #[serde(with = "crate::as_text")]
        #[schemars(with = "crate::schema::Hash")]
        hash: BlockHash,
        /// Its height.
        height: u32,
    },
}

/// The state of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EpochState {
    /// It takes the shares.
    Open,
    /// It takes no more shares; its tallies are final.
    Closed {
        /// When, milliseconds since 1970.
        at_ms: u64,
        /// Why.
        cause: CloseCause,
    },
}

/// Sums over all miners of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EpochTotals {
    /// Credited work.
    pub work: Work,
    /// Credited shares.
    pub shares: u64,
    /// Miners with at least one share.
    pub miners: u64,
    /// Shares that met the upstream's target.
    pub upstream_found: u64,
    /// Forwarded shares that the upstream accepted.
    pub upstream_accepted: u64,
    /// Their work, of the upstream's target: what the pool above credits us with.
    pub upstream_accepted_work: Work,
    /// Forwarded shares that the upstream refused.
    pub upstream_refused: u64,
    /// Their work, of the upstream's target.
    pub upstream_refused_work: Work,
    /// Blocks found by the pool's own miners.
    pub blocks: u64,
}

/// An epoch: the span of shares between two closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "OpenEpoch")]
pub struct Epoch {
    /// Its number.
    pub id: EpochId,
    /// When it opened, milliseconds since 1970.
    pub opened_ms: u64,
    /// The terms by which it is paid.
    pub terms: EpochTerms,
    /// Open or closed.
    pub state: EpochState,
    /// Its sums.
    pub totals: EpochTotals,
}

impl Epoch {
    /// An epoch that opens.
    pub fn open(id: EpochId, opened_ms: u64, terms: EpochTerms) -> Self {
        let totals = EpochTotals::default();
        Epoch {
            id,
            opened_ms,
            terms,
            state: EpochState::Open,
            totals,
        }
    }

    /// True while it takes the shares.
    pub fn is_open(&self) -> bool {
        self.state == EpochState::Open
    }

    /// When it was closed, milliseconds since 1970.
    pub fn closed_ms(&self) -> Option<u64> {
        match self.state {
            EpochState::Open => None,
            EpochState::Closed { at_ms, .. } => Some(at_ms),
        }
    }
}
