//! What is signed to have notices sent, or no more, as the pool's page and `/api/` publish
//! it (docs/decisions/0013-notices.md).
//!
//! The signature is BIP340 by the miner's key over the tagged hash (BIP340, tag
//! `Axepool/notices`) of the version (one byte: 1), the pool's key for receipts and the
//! miner's key (x alone, 32 bytes each), the time in milliseconds and the least amount in
//! satoshis (8 bytes each, big endian), one byte (0 to end it, 1 for ntfy, 2 for a webhook)
//! and the URL. The pool has its own reader of this form.

use accounting::{MinerId, Sat};
use bitcoin::hashes::{Hash as _, HashEngine as _, sha256};
use bitcoin::secp256k1::{Message, XOnlyPublicKey, schnorr};
use receipt::tagged;
use serde::{Deserialize, Serialize};

const TAG: &[u8] = b"Axepool/notices";
const VERSION: u8 = 1;

/// How notices are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Channel {
    /// A topic of an ntfy server, which phones listen to.
    Ntfy,
    /// A POST with JSON.
    Webhook,
}

/// Where notices are to be sent.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Target {
    /// How to send.
    pub(super) channel: Channel,
    /// Where to.
    pub(super) url: String,
}

/// A request, as `POST /api/miners/{key}/notices` takes it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Wish {
    /// Where to send; `null` to end it.
    pub(super) target: Option<Target>,
    /// Sats that are ready are told from this amount on, in satoshis.
    pub(super) least_sat: Sat,
    /// When it was signed, milliseconds since 1970.
    pub(super) time_ms: u64,
    /// 128 hex digits.
    pub(super) signature: schnorr::Signature,
}

/// What is signed.
pub(super) fn digest(
    pool: &XOnlyPublicKey,
    miner: &MinerId,
    target: Option<&Target>,
    least_sat: Sat,
    time_ms: u64,
) -> Message {
    let (channel, url) = match target {
        None => (0, ""),
        Some(target) => match target.channel {
            Channel::Ntfy => (1, target.url.as_str()),
            Channel::Webhook => (2, target.url.as_str()),
        },
    };
    let mut engine = tagged(TAG);
    engine.input(&[VERSION]);
    engine.input(&pool.serialize());
    engine.input(&miner.x_only_bytes());
    engine.input(&time_ms.to_be_bytes());
    engine.input(&least_sat.get().to_be_bytes());
    engine.input(&[channel]);
    engine.input(url.as_bytes());
    Message::from_digest(sha256::Hash::from_engine(engine).to_byte_array())
}
