//! What the pool signs for a miner: so much work of yours is counted so far. Kept by the
//! miner and held against the audit file, it shows whether work was left out.
//!
//! The signed bytes and their reasons are in docs/decisions/0006-receipts.md.
//!
//! The pool makes receipts, and an owner's machine checks them with the same code.

mod key;

use accounting::{EpochId, EpochTerms, Incarnation, MinerId, Work, schema};
use bitcoin::hashes::{Hash as _, HashEngine as _, sha256};
use bitcoin::secp256k1::{Message, Secp256k1, XOnlyPublicKey, schnorr};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use crate::tag::tagged;

pub use key::ReceiptKey;

/// Keeps the signature from being one of anything else (BIP340, "tagged hashes").
const TAG: &[u8] = b"Axepool/receipt";

/// A miner's work in an epoch at one moment. In JSON, work is a decimal string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = with_terms)]
pub struct Claim {
    /// [`Self::VERSION`], or [`Self::WITHOUT_TERMS`] of one that was signed before.
    #[schemars(extend("const" = Self::VERSION))]
    pub version: u32,
    /// The pool's key for receipts.
    #[schemars(with = "schema::XOnlyKey")]
    pub pool: XOnlyPublicKey,
    /// The ledger that counts the work.
    pub ledger: Incarnation,
    /// The epoch of the work.
    pub epoch: EpochId,
    /// The miner whose work it is.
    pub miner: MinerId,
    /// What is counted: payouts are split by it.
    pub work: Work,
    /// The number of shares.
    pub shares: u64,
    /// What the upstream took of it.
    pub upstream_accepted_work: Work,
    /// As of when, milliseconds since 1970. What came later is not in it.
    pub time_ms: u64,
    /// What the epoch is paid by; none in version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "EpochTerms")]
    pub terms: Option<EpochTerms>,
}

/// Every receipt that is made now has terms.
fn with_terms(schema: &mut Schema) {
    if let Some(required) = schema
        .get_mut("required")
        .and_then(|names| names.as_array_mut())
    {
        required.push("terms".into());
    }
}

/// A miner's work in an epoch at one moment, signed by the pool
/// (docs/decisions/0006-receipts.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// What it says.
    #[serde(flatten)]
    pub claim: Claim,
    /// BIP340, by the key that the claim names.
    #[schemars(with = "schema::Signature")]
    pub signature: schnorr::Signature,
}

impl Claim {
    /// The version of the form.
    pub const VERSION: u32 = 2;

    /// The version that did not say by which terms the work is paid.
    pub const WITHOUT_TERMS: u32 = 1;

    /// True for what a version is: terms are in the second and not in the first.
    fn is_of_its_version(&self) -> bool {
        match self.version {
            Self::WITHOUT_TERMS => self.terms.is_none(),
            Self::VERSION => self.terms.is_some(),
            _ => false,
        }
    }

    /// What is signed: every field in a place of fixed length, big endian.
    fn digest(&self) -> Message {
        let mut engine = tagged(TAG);
        engine.input(&self.version.to_be_bytes());
        engine.input(&self.pool.serialize());
        engine.input(&self.ledger.to_bytes());
        engine.input(&self.epoch.get().to_be_bytes());
        engine.input(&self.miner.x_only_bytes());
        engine.input(&self.work.hashes().to_be_bytes());
        engine.input(&self.shares.to_be_bytes());
        engine.input(&self.upstream_accepted_work.hashes().to_be_bytes());
        engine.input(&self.time_ms.to_be_bytes());
        if let Some(terms) = &self.terms {
            input_terms(&mut engine, terms);
        }
        Message::from_digest(sha256::Hash::from_engine(engine).to_byte_array())
    }
}

fn input_terms(engine: &mut sha256::HashEngine, terms: &EpochTerms) {
    engine.input(&terms.fee_bps.to_be_bytes());
    engine.input(&[terms.split.code(), terms.quote_per.code()]);
    engine.input(&terms.quote_min_work.hashes().to_be_bytes());
    engine.input(&terms.max_share_quotes.to_be_bytes());
}

impl Receipt {
    /// True when the signature is one of this claim by the key that it names.
    pub fn is_signed(&self) -> bool {
        let digest = self.claim.digest();
        let pool = &self.claim.pool;
        let signed = Secp256k1::verification_only()
            .verify_schnorr(&self.signature, &digest, pool)
            .is_ok();
        signed && self.claim.is_of_its_version()
    }
}

#[cfg(test)]
mod tests;
