//! Why a payment is not made, or not known of.

use accounting::Msat;
use bitcoin::hashes::sha256;
use thiserror::Error;

use super::journal::JournalError;
use super::request::RequestError;
use crate::node_state::NodeError;

/// Why a payment is not quoted, or what became of one is not known now.
#[derive(Debug, Error)]
pub enum PayError {
    /// The node is not up.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// What is to be paid cannot be.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Nothing can be written down, so nothing is paid.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The channels do not have it.
    #[error("{amount} msat are more than the node can send now, {spendable} msat")]
    Balance {
        /// With the fee reserve.
        amount: Msat,
        /// What the usable channels can send in all.
        spendable: Msat,
    },
    /// It was paid before, or is being paid.
    #[error("the invoice {0} was paid already, or is being paid")]
    Again(sha256::Hash),
    /// It was handed to the node before and failed. The node knows a payment by its hash
    /// alone, so that a second try could be taken for the first.
    #[error("paying the invoice {0} failed before: ask for another one")]
    FailedBefore(sha256::Hash),
    /// It may have been paid by the node before its store was lost.
    #[error(
        "the invoice {0} is older than the node's store, which was lost or an older copy: ask for a new one"
    )]
    Forgotten(sha256::Hash),
    /// No payment was ever ordered under that id.
    #[error("no payment {0:?} is known")]
    Unknown(String),
    /// Giving it up now could be wrong.
    #[error("{id} is {age_secs} s old: it may be given up after {GIVE_UP_SECS} s")]
    TooYoung {
        /// The payment.
        id: String,
        /// Since it was ordered.
        age_secs: u64,
    },
    /// Not an id.
    #[error("a payment's id has 1 to {MAX_ID_BYTES} bytes, not {0}")]
    Id(usize),
}

/// A payment that is under way ends within 1,008 blocks (the most that LDK locks it for),
/// on-chain if need be: a week. After two, none is.
pub(super) const GIVE_UP_SECS: u64 = 14 * 86_400;

/// The most bytes of an id.
pub(super) const MAX_ID_BYTES: usize = 128;
