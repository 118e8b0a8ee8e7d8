//! An incoming payment, and the payout that becomes of it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use bitcoin::hashes::sha256;
use bitcoin::{BlockHash, OutPoint};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::select::{Candidate, Found};
use super::split::Part;
use crate::{EpochId, MinerId, Msat, Sat, as_text, schema};

/// A payment's idempotency key, and its name in `payment_id = payout:quote`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(untagged)]
pub enum PayoutKey {
    /// A lightning payment's hash.
    Lightning(#[schemars(with = "schema::Hash")] sha256::Hash),
    /// An output to the payout address.
    OnChain(#[schemars(with = "schema::OutPoint")] OutPoint),
}

/// A text that is neither 64 hex digits nor `txid:vout`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no payout: a payment hash of 64 hex digits or txid:vout")]
pub struct PayoutKeyError(String);

/// 64 hex digits, or `txid:vout`.
impl fmt::Display for PayoutKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PayoutKey::Lightning(hash) => hash.fmt(f),
            PayoutKey::OnChain(output) => output.fmt(f),
        }
    }
}

impl FromStr for PayoutKey {
    type Err = PayoutKeyError;

    fn from_str(text: &str) -> Result<Self, PayoutKeyError> {
        if let Ok(hash) = text.parse() {
            return Ok(PayoutKey::Lightning(hash));
        }
        let error = || PayoutKeyError(text.chars().take(80).collect());
        text.parse().map(PayoutKey::OnChain).map_err(|_| error())
    }
}

impl Serialize for PayoutKey {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        as_text::serialize(self, to)
    }
}

impl<'de> Deserialize<'de> for PayoutKey {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        as_text::deserialize(from)
    }
}

/// Money that arrived, as the room that saw it tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Payment {
    /// What was received (not what was invoiced).
    pub amount: Msat,
    /// When it was seen, milliseconds since 1970.
    pub received_ms: u64,
    /// How it came.
    pub via: Via,
}

/// How money came, with all that says whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// Over lightning.
    Lightning {
        /// Its hash.
        #[serde(with = "as_text")]
        #[schemars(with = "schema::Hash")]
        payment_hash: sha256::Hash,
        /// Its proof, when the node has it.
        preimage: Option<Preimage>,
        /// What it paid. In JSON `true` for OCEAN's offer, `false` for no offer at all,
        /// as it was when these were the only two.
        #[serde(rename = "ocean_offer")]
        paid_to: PaidTo,
        /// The payer's note, as it came.
        note: Option<String>,
        /// The chain's height when it was received; none while no chain source answers.
        tip_height: Option<u32>,
    },
    /// To the payout address.
    OnChain {
        /// The output.
        #[serde(with = "as_text")]
        #[schemars(with = "schema::OutPoint")]
        output: OutPoint,
        /// It is a coinbase output.
        coinbase: bool,
        /// OCEAN's API lists its transaction, or it is a coinbase with OCEAN's tag.
        from_ocean: bool,
        /// The chain's height when the transaction was first seen.
        appeared_height: u32,
        /// Blocks that confirm it.
        confirmations: u32,
    },
}

/// What a lightning payment paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaidTo {
    /// An offer that was made for OCEAN, as far as is known.
    OceanOffer,
    /// An offer of this node's key that is not among those that are known: made after
    /// the backup that was restored, or forgotten in another way. OCEAN may have it.
    UnknownOffer,
    /// No offer: a keysend, or an invoice that the operator made.
    NoOffer,
}

const UNKNOWN_OFFER: &str = "unknown";

impl Serialize for PaidTo {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            PaidTo::OceanOffer => to.serialize_bool(true),
            PaidTo::NoOffer => to.serialize_bool(false),
            PaidTo::UnknownOffer => to.serialize_str(UNKNOWN_OFFER),
        }
    }
}

impl JsonSchema for PaidTo {
    fn schema_name() -> Cow<'static, str> {
        "PaidTo".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "enum": [true, false, UNKNOWN_OFFER],
            "description": "What a lightning payment paid. true: an offer that was made for \
                OCEAN. false: no offer. unknown: an offer of this node that the pool did not know.",
        })
    }
}

impl<'de> Deserialize<'de> for PaidTo {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Known(bool),
            Other(String),
        }
        match Form::deserialize(from)? {
            Form::Known(true) => Ok(PaidTo::OceanOffer),
            Form::Known(false) => Ok(PaidTo::NoOffer),
            Form::Other(other) if other == UNKNOWN_OFFER => Ok(PaidTo::UnknownOffer),
            Form::Other(_) => Err(D::Error::custom("no kind of offer")),
        }
    }
}

/// A payment's preimage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(extend("pattern" = "^[0-9a-f]{64}$"))]
pub struct Preimage(#[schemars(with = "String")] pub [u8; 32]);

impl fmt::Display for Preimage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Preimage {
    type Err = <sha256::Hash as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        use bitcoin::hashes::Hash as _;
        // SHA256 hashes are shown in the order of their bytes, as preimages are.
        text.parse::<sha256::Hash>()
            .map(|hash| Preimage(hash.to_byte_array()))
    }
}

impl Serialize for Preimage {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        as_text::serialize(self, to)
    }
}

impl<'de> Deserialize<'de> for Preimage {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        as_text::deserialize(from)
    }
}

impl Payment {
    /// The most bytes of a note that are kept.
    pub const MAX_NOTE_BYTES: usize = 1024;

    /// Its idempotency key.
    pub fn key(&self) -> PayoutKey {
        match &self.via {
            Via::Lightning { payment_hash, .. } => PayoutKey::Lightning(*payment_hash),
            Via::OnChain { output, .. } => PayoutKey::OnChain(*output),
        }
    }

    /// The same with a note of bounded size.
    #[must_use]
    pub(super) fn bounded(mut self) -> Self {
        if let Via::Lightning {
            note: Some(note), ..
        } = &mut self.via
        {
            let mut end = note.len().min(Self::MAX_NOTE_BYTES);
            while !note.is_char_boundary(end) {
                end = end.saturating_sub(1);
            }
            note.truncate(end);
        }
        self
    }

    /// The same without its note, as it is kept when it only gathers.
    #[must_use]
    pub(super) fn without_note(mut self) -> Self {
        if let Via::Lightning { note, .. } = &mut self.via {
            *note = None;
        }
        self
    }
}

/// A payment as the ledger keeps it: written once per key, whole at any time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payout {
    /// What came.
    pub payment: Payment,
    /// What became of it.
    pub state: PayoutState,
    /// Another amount that was told for the same key later; not used.
    pub amount_refused: Option<Msat>,
}

impl Payout {
    /// A new one.
    pub(super) fn new(payment: Payment, state: PayoutState) -> Self {
        Payout {
            payment,
            state,
            amount_refused: None,
        }
    }
}

/// What became of a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PayoutState {
    /// It is split.
    Settled(Settlement),
    /// Nobody's yet.
    Suspended(Suspense),
    /// Too small to be split by itself: with all others of its kind it is part of the
    /// next payment that is ([`Settlement::gathered`]).
    Gathered,
    /// The operator's: it was not for the OCEAN offer.
    Operators,
    /// The operator took it out of suspense.
    ToFee,
}

/// The reason why a payment is in suspense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Suspense {
    /// No epoch is named and none is deep enough. It resolves by itself when `hash` or
    /// `height`, from the note, turns out to be an OCEAN block's.
    NoEpoch {
        /// The block that the note names.
        #[serde(with = "as_text::option")]
        #[schemars(with = "Option<schema::Hash>")]
        hash: Option<BlockHash>,
        /// The height that the note names.
        height: Option<u32>,
    },
    /// The epochs have no work, nor has any before them.
    NoWork,
    /// Nothing, or more than any payout can be.
    Implausible,
    /// To the payout address, but not from OCEAN as far as is known.
    Stranger,
    /// From before the ledger was restored from a backup: the miners may have got it
    /// already, from what the backup does not have.
    BeforeRestore,
    /// To an offer of this node's key that is not known: an offer made after the backup
    /// that was restored, or of a file that was lost.
    UnknownOffer,
}

/// How a payout was split: together with the works all that it takes to do it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Settlement {
    /// By which rules: [`Self::FIRST_RULES`] or [`Self::RULES`]. It is the version of
    /// its audit file.
    #[serde(default = "first_rules", skip_serializing_if = "is_first_rules")]
    #[schemars(extend("const" = Self::RULES))]
    pub rules: u32,
    /// How its epochs were found.
    pub found: Found,
    /// What had gathered of smaller payments, and is split with it.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub gathered: Msat,
    /// The epochs that could have got something, as they were before it.
    pub candidates: Vec<Candidate>,
    /// What they got.
    pub parts: Vec<Part>,
    /// The operator's fee, of all parts.
    pub fee: Msat,
}

impl Settlement {
    /// The rules of the first settlements: one fee for a whole window, nothing gathered,
    /// and by work what nothing was known of.
    pub const FIRST_RULES: u32 = 1;
    /// The rules of today.
    pub const RULES: u32 = 2;

    /// All that was split: `payment` and what had gathered.
    pub fn amount(&self, payment: &Payment) -> Option<Msat> {
        payment.amount.checked_add(self.gathered)
    }
}

fn first_rules() -> u32 {
    Settlement::FIRST_RULES
}

fn is_first_rules(rules: &u32) -> bool {
    *rules == Settlement::FIRST_RULES
}

fn is_nothing(amount: &Msat) -> bool {
    amount.is_zero()
}

/// What one payout did to one miner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AllocationRow {
    /// The miner.
    pub miner: MinerId,
    /// The miner's part of the payout.
    pub allocated: Msat,
    /// The miner's carry before.
    pub carry_before: Msat,
    /// What went to the quote.
    pub paid: Sat,
    /// The miner's carry after: `before + allocated - 1000 x paid`.
    pub carry_after: Msat,
    /// The epoch whose quote is paid, or would be.
    pub quote_epoch: EpochId,
}
