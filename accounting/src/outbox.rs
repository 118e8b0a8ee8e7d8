//! The ledger's orders to the mint.

use serde::{Deserialize, Serialize};

use crate::settle::PayoutKey;
use crate::{EpochId, KeyPrefix, MinerId, OutboxId, Sat, ShareId};

/// Something to be done by another room. Made once, safe to do again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OutboxKind {
    /// The mint shall make the quote of this miner for this epoch.
    CreateQuote {
        /// To whose key it is locked.
        miner: MinerId,
        /// For which epoch.
        epoch: EpochId,
        /// For which share of it; none: for all work that has no quote of its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        share: Option<ShareId>,
        /// The spelling of the key that it is locked to: that of the share which made the
        /// order. None where no share did, or the key was typed as an npub: the spelling of
        /// before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        typed: Option<KeyPrefix>,
    },
    /// The mint shall pay this quote, once per payout; it makes it if it is not there.
    PayQuote {
        /// What the money came with.
        payout: PayoutKey,
        /// Whose quote.
        miner: MinerId,
        /// For which epoch.
        epoch: EpochId,
        /// For which share of it, as in [`OutboxKind::CreateQuote`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        share: Option<ShareId>,
        /// How much, at least one.
        sats: Sat,
    },
    /// The epoch has its money: what a quote of it did not get is in carry.
    SettleEpoch {
        /// Which.
        epoch: EpochId,
    },
    /// The epoch's block was orphaned: its work counts in another one.
    MergeEpoch {
        /// Which.
        epoch: EpochId,
        /// Where its work went.
        into: EpochId,
    },
}

/// A row of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxRow {
    /// Its number.
    pub id: OutboxId,
    /// What is to be done.
    #[serde(flatten)]
    pub kind: OutboxKind,
}

/// A quote that was ordered, with all that it was paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderedQuote {
    /// Of which epoch.
    pub epoch: EpochId,
    /// Whose.
    pub miner: MinerId,
    /// For which share; none: for all work that has no quote of its own.
    pub share: Option<ShareId>,
    /// By payout in the order of their arrival, each once.
    pub payments: Vec<(PayoutKey, Sat)>,
}
