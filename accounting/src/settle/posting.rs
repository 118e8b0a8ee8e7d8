//! Postings: the ledger in double entry.

use bitcoin::Txid;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::payment::PayoutKey;
use crate::as_text;
use crate::{EpochId, MinerId, Msat};

/// Where money is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Account {
    /// Not here: where payments come from.
    Outside,
    /// The operator's: fees, and payments that are not the miners'.
    Operator,
    /// A miner's remainder.
    Carry(MinerId),
    /// A miner's quote of an epoch: from here it is the mint's liability.
    Quote(MinerId, EpochId),
    /// Arrived, and nobody's yet.
    Suspense,
    /// Arrived in payments too small to be split: the miners', with the next that is.
    Gathering,
    /// Paid to run the node: routing, channels, on-chain fees.
    NodeCosts,
    /// Taken out by the operator.
    Withdrawn,
}

/// What a posting is part of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A payout.
    Payout(PayoutKey),
    /// The operator's entry of that id.
    Operator(String),
}

/// A line of the ledger: `amount` goes from one account to another. Lines are never
/// changed, and none has an amount of zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// What it is part of.
    pub cause: Cause,
    /// The account that has less now.
    pub from: Account,
    /// The account that has more now.
    pub to: Account,
    /// How much.
    pub amount: Msat,
}

/// What the operator does with the operator's account, keyed by an id made before the
/// first try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorEntry {
    /// Its idempotency key, 1 to 128 bytes.
    pub id: String,
    /// What for.
    pub kind: OperatorKind,
    /// How much.
    pub amount: Msat,
}

/// What an operator's entry is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperatorKind {
    /// The node's costs. They are real whether the account has it or not: it may go
    /// below zero.
    NodeCost,
    /// A withdrawal of fees; never more than there is. It is booked before it is sent:
    /// until its outcome is booked, too, nobody knows whether it was.
    Withdrawal {
        /// Where to, as the operator wrote it, 1 to 128 bytes.
        to: String,
    },
    /// A withdrawal's outcome: it was sent. Moves nothing.
    Sent {
        /// The withdrawal's id.
        withdrawal: String,
        /// The transaction.
        #[serde(with = "as_text")]
        txid: Txid,
    },
    /// A withdrawal's outcome: it is sure that nothing was sent, and the money is back.
    Returned {
        /// The withdrawal's id.
        withdrawal: String,
    },
}

impl OperatorEntry {
    /// The id of the entry that tells a withdrawal's outcome. There is one for each
    /// withdrawal, so that an outcome is told once and never another one after it.
    pub fn outcome_id(withdrawal: &str) -> String {
        format!("{withdrawal}/outcome")
    }
}

/// The sums of all postings, in msat; 128 bits, so that no payment can make them
/// overflow. `received = fee + paid + carry + suspense + gathered` after every event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// All that came.
    pub received: u128,
    /// All that became the operator's, before costs and withdrawals.
    pub fee: u128,
    /// All that went to quotes.
    pub paid: u128,
    /// All miners' carry.
    pub carry: u128,
    /// What is nobody's yet.
    pub suspense: u128,
    /// What gathers of payments too small to be split.
    #[serde(default)]
    pub gathered: u128,
    /// When the oldest of it was received, milliseconds since 1970; no sum of postings.
    #[serde(default)]
    pub gathered_since_ms: u64,
    /// The operator's node costs.
    pub node_costs: u128,
    /// The operator's withdrawals.
    pub withdrawn: u128,
}

/// A sum that cannot be: the stored rows contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("posting {amount} msat from {from:?} to {to:?} contradicts the totals")]
pub struct PostingError {
    /// From where.
    pub from: Account,
    /// To where.
    pub to: Account,
    /// How much.
    pub amount: Msat,
}

impl Totals {
    /// Adds a posting.
    pub fn post(&mut self, posting: &Posting) -> Result<(), PostingError> {
        self.posted(posting)
            .map(|after| *self = after)
            .ok_or(PostingError {
                from: posting.from,
                to: posting.to,
                amount: posting.amount,
            })
    }

    fn posted(mut self, posting: &Posting) -> Option<Totals> {
        use Account::{Carry, Gathering, NodeCosts, Operator, Outside, Quote, Suspense, Withdrawn};
        let amount = u128::from(posting.amount.get());
        let more = |sum: &mut u128| sum.checked_add(amount).map(|after| *sum = after);
        let less = |sum: &mut u128| sum.checked_sub(amount).map(|after| *sum = after);
        if (posting.from, posting.to) == (Withdrawn, Operator) {
            // What comes back is no new fee.
            less(&mut self.withdrawn)?;
            return Some(self);
        }
        match posting.from {
            Outside => more(&mut self.received)?,
            Suspense => less(&mut self.suspense)?,
            Gathering => less(&mut self.gathered)?,
            Carry(_) => less(&mut self.carry)?,
            // `fee` counts what came in; what goes out has sums of its own.
            Operator => {}
            Quote(..) | NodeCosts | Withdrawn => return None,
        }
        match posting.to {
            Suspense => more(&mut self.suspense)?,
            Gathering => more(&mut self.gathered)?,
            Carry(_) => more(&mut self.carry)?,
            Operator => more(&mut self.fee)?,
            Quote(..) => more(&mut self.paid)?,
            NodeCosts => more(&mut self.node_costs)?,
            Withdrawn => more(&mut self.withdrawn)?,
            Outside => return None,
        }
        Some(self)
    }

    /// What the operator may withdraw: nothing while costs are above the fees.
    pub fn withdrawable(&self) -> u128 {
        self.fee
            .saturating_sub(self.node_costs)
            .saturating_sub(self.withdrawn)
    }

    /// True when every msat that came is somewhere.
    pub fn balance(&self) -> bool {
        let places = [
            self.fee,
            self.paid,
            self.carry,
            self.suspense,
            self.gathered,
        ];
        places.into_iter().try_fold(0_u128, u128::checked_add) == Some(self.received)
    }
}
