//! What is written down of a payment.

use std::fmt;

use accounting::Msat;
use bitcoin::hashes::sha256;
use bitcoin::hex::{DisplayHex as _, FromHex as _, HexToArrayError};
use serde::{Deserialize, Serialize};

use super::Outcome;

/// One payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// The caller's id.
    pub(super) id: String,
    /// When its first line was written, seconds since 1970.
    pub(super) made_secs: u64,
    /// What was ordered; none when the id was asked about without an order, which makes
    /// it one that is never paid.
    pub(super) order: Option<Ordered>,
    /// Where it stands.
    pub(super) state: State,
}

/// What was ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ordered {
    /// What the receiver gets.
    pub(super) amount: Msat,
    /// What the way may cost.
    pub(super) fee_limit: Msat,
    /// How the node's store knows it.
    pub(super) key: Key,
    /// When the node's store last wrote of an earlier, failed payment of the same hash,
    /// seconds since 1970: that one is not this one.
    pub(super) failed_before_secs: Option<u64>,
}

/// How the node's store knows a payment that has no name yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Key {
    /// A BOLT11 payment: its hash is its name.
    Hash(sha256::Hash),
    /// A BOLT12 payment: the payer's note, which belongs to one id alone.
    Note(String),
}

/// Where a payment stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// The node is about to be handed it, or was: which of both the node's store knows.
    Recorded,
    /// The node has it, under this name.
    Sent(Name),
    /// It arrived.
    Paid {
        /// With the fees.
        spent: Msat,
        /// In hex.
        preimage: Option<String>,
    },
    /// It never will.
    NotPaid {
        /// In words.
        why: String,
        /// The node had it, and tried.
        was_handed: bool,
    },
}

/// The node's own name for a payment: 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Name(pub(crate) [u8; 32]);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hex().fmt(f)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.to_string()
    }
}

impl TryFrom<String> for Name {
    type Error = HexToArrayError;

    fn try_from(text: String) -> Result<Name, HexToArrayError> {
        <[u8; 32]>::from_hex(&text).map(Name)
    }
}

impl State {
    pub(super) fn outcome(&self) -> Outcome {
        match self.clone() {
            State::Recorded | State::Sent(_) => Outcome::Pending,
            State::Paid { spent, preimage } => Outcome::Paid { spent, preimage },
            State::NotPaid { why, .. } => Outcome::NotPaid { why },
        }
    }

    pub(super) fn is_decided(&self) -> bool {
        matches!(self, State::Paid { .. } | State::NotPaid { .. })
    }
}
