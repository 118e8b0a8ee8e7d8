//! Events of the books, and their consequences.

use std::collections::BTreeMap;

use bitcoin::BlockHash;
use serde::{Deserialize, Serialize};

use super::account::{Block, Earnings, EpochAccount, MinerAccount};
use super::payment::{AllocationRow, Payment, Payout, PayoutKey, Suspense};
use super::posting::{OperatorEntry, Posting, Totals};
use crate::as_text;
use crate::{EpochId, EpochTerms, MinerId, Msat, QuotePer, Sat, Work};

/// An entry of the ledger that concerns money. Each may come again; what it did is done
/// once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The ledger's first epoch.
    EpochOpened {
        /// Its id.
        epoch: EpochId,
        /// Its terms.
        terms: EpochTerms,
    },
    /// The open epoch takes no more shares, and the next one opens. A block that has
    /// already closed an epoch closes no other.
    EpochClosed {
        /// The open epoch.
        epoch: EpochId,
        /// The confirmed OCEAN block, none by command.
        block: Option<Block>,
        /// All the work of its shares.
        work: Work,
        /// How many miners have work in it.
        miners: u64,
        /// The next epoch's id.
        next: EpochId,
        /// The next epoch's terms.
        next_terms: EpochTerms,
    },
    /// What OCEAN's API says of a block that closed an epoch; of any other: nothing
    /// happens, the API is asked again anyhow.
    EarningsKnown {
        /// The block.
        #[serde(with = "as_text")]
        block: BlockHash,
        /// What it says.
        earnings: Earnings,
        /// All that the block paid, subsidy and fees, where that is known.
        #[serde(default)]
        reward: Option<Sat>,
    },
    /// A block is no longer in the chain.
    BlockOrphaned {
        /// The block.
        #[serde(with = "as_text")]
        block: BlockHash,
    },
    /// Money arrived.
    Paid(Payment),
    /// The operator gives a suspended payment to the miners of an epoch.
    Assign {
        /// The payment.
        payout: PayoutKey,
        /// The closed epoch.
        epoch: EpochId,
    },
    /// The operator takes a suspended payment.
    ToFee {
        /// The payment.
        payout: PayoutKey,
    },
    /// The operator's account.
    Operator(OperatorEntry),
}

/// What follows from an event, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// A line of the ledger.
    Posting(Posting),
    /// For the outbox: make this quote (it does not exist yet).
    CreateQuote {
        /// Whose.
        miner: MinerId,
        /// For which epoch.
        epoch: EpochId,
    },
    /// For the outbox: pay this quote, with `payment_id = payout:quote`.
    PayQuote {
        /// By which payout.
        payout: PayoutKey,
        /// Whose quote.
        miner: MinerId,
        /// For which epoch.
        epoch: EpochId,
        /// How much.
        sats: Sat,
        /// One quote, or spread over the shares
        /// ([`spread_over_shares_floor`](super::spread_over_shares_floor)).
        per: QuotePer,
    },
    /// A person should look.
    Alarm(Alarm),
}

/// What a person should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alarm {
    /// A payment is nobody's yet.
    Suspended {
        /// The payment.
        payout: PayoutKey,
        /// How much.
        amount: Msat,
        /// Why.
        why: Suspense,
    },
    /// The same payment came again with another amount; the first one stays.
    AmountChanged {
        /// The payment.
        payout: PayoutKey,
        /// What was booked.
        booked: Msat,
        /// What is told now.
        told: Msat,
    },
    /// A block is orphaned after at least half of what its epoch was to get had come.
    /// The epoch stays, and gets nothing more by itself.
    OrphanedAfterMoney {
        /// The epoch.
        epoch: EpochId,
        /// The block.
        block: Block,
    },
    /// A block is orphaned after some money came for its epoch, less than half of what it
    /// was to get. Its work counts in another epoch; the money stays where it went.
    DissolvedAfterMoney {
        /// The epoch.
        epoch: EpochId,
        /// The epoch that has its work now.
        into: EpochId,
        /// What had come for it.
        received: Msat,
    },
    /// The API told what cannot be, or what most of the rest that it told contradicts.
    /// It is not used: an estimate is.
    EarningsImplausible {
        /// The epoch.
        epoch: EpochId,
        /// What it told.
        told: Earnings,
    },
    /// The API changed the earnings of an epoch that is covered; the first ones stay.
    EarningsChanged {
        /// The epoch.
        epoch: EpochId,
        /// What it told before.
        used: Earnings,
        /// What it tells now.
        told: Earnings,
    },
}

impl Alarm {
    /// All that [`Self::kind`] gives.
    pub const KINDS: [&'static str; 6] = [
        "suspended",
        "amount_changed",
        "orphaned_after_money",
        "dissolved_after_money",
        "earnings_implausible",
        "earnings_changed",
    ];

    /// Which it is, for a label.
    pub fn kind(&self) -> &'static str {
        match self {
            Alarm::Suspended { .. } => "suspended",
            Alarm::AmountChanged { .. } => "amount_changed",
            Alarm::OrphanedAfterMoney { .. } => "orphaned_after_money",
            Alarm::DissolvedAfterMoney { .. } => "dissolved_after_money",
            Alarm::EarningsImplausible { .. } => "earnings_implausible",
            Alarm::EarningsChanged { .. } => "earnings_changed",
        }
    }
}

/// The rows to write, all in one transaction, and the effects. Each row is whole: it
/// replaces the one with the same key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Epochs.
    pub epochs: BTreeMap<EpochId, EpochAccount>,
    /// Miners' accounts.
    pub miners: BTreeMap<MinerId, MinerAccount>,
    /// Payouts. Those in [`PayoutState::Suspended`](super::PayoutState) belong into the
    /// index of suspended ones, all others out of it.
    pub payouts: BTreeMap<PayoutKey, Payout>,
    /// What the payouts settled by this event did to each miner, by miner; only ever
    /// new rows.
    pub allocations: BTreeMap<PayoutKey, Vec<AllocationRow>>,
    /// A new operator's entry.
    pub operator: Option<OperatorEntry>,
    /// The totals after it.
    pub totals: Option<Totals>,
    /// Postings to append, outbox rows, alarms.
    pub effects: Vec<Effect>,
}

impl Changes {
    /// True when the event changed nothing: it had come before.
    pub fn is_empty(&self) -> bool {
        *self == Changes::default()
    }
}
