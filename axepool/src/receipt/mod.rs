//! What the pool signs for a miner: so much work of yours is counted so far. Kept by the
//! miner and held against the audit file, it shows whether work was left out.
//!
//! The signed bytes and their reasons are in docs/decisions/0006-receipts.md.

mod key;

use bitcoin::hashes::{Hash as _, HashEngine as _, sha256};
use bitcoin::secp256k1::{Message, Secp256k1, XOnlyPublicKey, schnorr};
use ledger::{EpochId, Incarnation, MinerId, Work};
use serde::{Deserialize, Serialize};

pub(crate) use key::ReceiptKey;

/// Keeps the signature from being one of anything else (BIP340, "tagged hashes").
const TAG: &[u8] = b"Axepool/receipt";

/// A miner's work in an epoch at one moment. In JSON, work is a decimal string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claim {
    /// [`Self::VERSION`].
    pub(crate) version: u32,
    /// The pool's key for receipts.
    pub(crate) pool: XOnlyPublicKey,
    /// Which ledger.
    pub(crate) ledger: Incarnation,
    /// In which epoch.
    pub(crate) epoch: EpochId,
    /// Whose work.
    pub(crate) miner: MinerId,
    /// What is counted: payouts are split by it.
    pub(crate) work: Work,
    /// By how many shares.
    pub(crate) shares: u64,
    /// What the upstream took of it.
    pub(crate) upstream_accepted_work: Work,
    /// As of when, milliseconds since 1970. What came later is not in it.
    pub(crate) time_ms: u64,
}

/// A claim, signed by the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    /// What it says.
    #[serde(flatten)]
    pub(crate) claim: Claim,
    /// BIP340, by the key that the claim names.
    pub(crate) signature: schnorr::Signature,
}

impl Claim {
    /// The version of the form.
    pub(crate) const VERSION: u32 = 1;

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
        Message::from_digest(sha256::Hash::from_engine(engine).to_byte_array())
    }
}

/// A hash that is none of anything else than `tag` (BIP340, "tagged hashes").
pub(crate) fn tagged(tag: &[u8]) -> sha256::HashEngine {
    let tag = sha256::Hash::hash(tag);
    let mut engine = sha256::Hash::engine();
    engine.input(tag.as_byte_array());
    engine.input(tag.as_byte_array());
    engine
}

impl Receipt {
    /// True when the signature is one of this claim by the key that it names.
    pub(crate) fn is_signed(&self) -> bool {
        let digest = self.claim.digest();
        let pool = &self.claim.pool;
        Secp256k1::verification_only()
            .verify_schnorr(&self.signature, &digest, pool)
            .is_ok()
    }
}

#[cfg(test)]
mod tests;
