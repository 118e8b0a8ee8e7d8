//! Paying: ecash that melts leaves the node here, each payment once.
//!
//! A payment has an id of the caller's before its first try. Under that id a line is in
//! the [`journal`], on disk, before the node is handed anything; so whatever happens
//! between, the same id never makes a second payment, and what became of the first is
//! found again: by its hash (a BOLT11 invoice's is the node's own name for the payment),
//! or by the payer's note (a BOLT12 payment has no name before it is sent, and this note
//! belongs to one id alone).
//!
//! "Not paid" is said only when it is certain: refused before the node was handed it, or
//! failed in the node's own store. What is not certain is pending, for as long as it
//! takes; the log tells of it.

mod desk;
mod error;
mod hands;
mod journal;
mod left;
mod record;
mod request;
#[cfg(test)]
mod tests;

use accounting::Msat;
use serde::{Deserialize, Serialize};

pub use error::PayError;
pub use journal::JournalError;
pub use left::left;
pub use request::{Request, RequestError};

pub(crate) use desk::Desk;
pub(crate) use hands::{Hands, Heard, Outbound, Status, Unsent};
pub(crate) use record::{Key, Name};
pub(crate) use request::{Order, Place};

/// What became of a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It arrived.
    Paid {
        /// Amount and fees together.
        spent: Msat,
        /// The proof, in hex; unknown for what was paid in another way than by us.
        preimage: Option<String>,
    },
    /// It was not made, or failed, for good: no later try is made under this id.
    NotPaid {
        /// Why.
        why: String,
    },
    /// Under way, or not known.
    Pending,
}

/// What a payment will cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// What the receiver gets.
    pub amount: Msat,
    /// What the way there may cost, on top.
    pub fee_limit: Msat,
}

/// A payment of which nobody knows yet what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undecided {
    /// Its id: that of a melt quote, or `operator-` and a number.
    pub id: String,
    /// What the receiver is to get.
    pub amount: Msat,
    /// What the way may cost, on top.
    pub fee_limit: Msat,
    /// When it was ordered, seconds since 1970.
    pub since_secs: u64,
}
