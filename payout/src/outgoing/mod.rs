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
mod fees;
mod hands;
mod journal;
mod ldk;
mod left;
mod payer;
mod record;
mod request;
#[cfg(test)]
mod tests;

use accounting::Msat;
use serde::{Deserialize, Serialize};

pub use error::PayError;
pub use fees::Fees;
pub use journal::JournalError;
pub use left::left;
pub use payer::{Payer, Undecided};
pub use request::{Request, RequestError};

pub(crate) use desk::Desk;
pub(crate) use hands::{Heard, Outbound, Status};
pub(crate) use record::Name;

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
