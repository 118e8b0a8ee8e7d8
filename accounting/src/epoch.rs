//! Epochs: the spans of shares between two closes, and the terms they are paid by.

use bitcoin::BlockHash;
use serde::{Deserialize, Serialize};

use crate::{EpochId, Work};

/// Over which work a payout is split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// The work of the epochs that the payout covers.
    #[default]
    Epoch,
    /// The last `shares_in_window` of our own work, as OCEAN's TIDES pays us.
    Tides,
}

/// For what a mint quote is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotePer {
    /// One quote per miner and epoch.
    #[default]
    Epoch,
    /// One quote per accepted share, see [`EpochTerms::max_share_quotes`].
    Share,
}

/// What an epoch is paid by. Recorded when it opens: a later change of the config
/// changes nothing about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochTerms {
    /// The operator's fee in basis points (1/100 of a percent), at most
    /// [`Self::MAX_FEE_BPS`].
    pub fee_bps: u16,
    /// Over which work a payout is split.
    pub split: Split,
    /// For what a mint quote is made.
    pub quote_per: QuotePer,
    /// A miner's work in the epoch from which on the quote is made; below it, at
    /// settlement. Zero: with the first share.
    pub quote_min_work: Work,
    /// With [`QuotePer::Share`]: so many shares of the epoch, its first ones, have a
    /// quote of their own. All other work is the miner's quote of the epoch.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub max_share_quotes: u32,
}

impl EpochTerms {
    /// All of it.
    pub const MAX_FEE_BPS: u16 = 10_000;

    /// Whether the share that follows on `before` others of the epoch has a quote of
    /// its own.
    pub fn quotes_share(&self, before: u64) -> bool {
        self.quote_per == QuotePer::Share && before < u64::from(self.max_share_quotes)
    }
}

/// Published with the terms only where there are such quotes.
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Default for EpochTerms {
    fn default() -> Self {
        EpochTerms {
            fee_bps: 0,
            split: Split::Epoch,
            quote_per: QuotePer::Epoch,
            quote_min_work: Work::ZERO,
            max_share_quotes: 0,
        }
    }
}

/// Why an epoch was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseCause {
    /// The operator's command.
    Command,
    /// A confirmed block that OCEAN's miners found. The same block closes once: told
    /// of it again, the ledger answers with the epoch that it closed.
    OceanBlock {
        /// Its hash.
        #[serde(with = "crate::as_text")]
        hash: BlockHash,
        /// Its height.
        height: u32,
    },
}

/// Where an epoch is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochTotals {
    /// Credited work.
    pub work: Work,
    /// Credited shares.
    pub shares: u64,
    /// Miners with at least one share.
    pub miners: u64,
    /// Shares that met the upstream's target.
    pub upstream_found: u64,
    /// Forwarded shares that the upstream took.
    pub upstream_accepted: u64,
    /// Their work, of the upstream's target: what the pool above credits us with.
    pub upstream_accepted_work: Work,
    /// Forwarded shares that the upstream refused.
    pub upstream_refused: u64,
    /// Their work, of the upstream's target.
    pub upstream_refused_work: Work,
    /// Blocks found.
    pub blocks: u64,
}

/// An epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// Its number.
    pub id: EpochId,
    /// When it opened, milliseconds since 1970.
    pub opened_ms: u64,
    /// What it is paid by.
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
