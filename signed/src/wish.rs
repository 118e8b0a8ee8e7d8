//! What an owner signs to have notices sent, or no more.
//!
//! The signature is BIP340 by the miner's key over the tagged hash (BIP340, tag
//! `Axepool/notices`) of, with nothing between them:
//!
//! - the version, one byte: 1
//! - the pool's key for receipts, x alone, 32 bytes
//! - the miner's key, x alone, 32 bytes
//! - the time, milliseconds since 1970, 8 bytes, big endian
//! - the least amount worth telling, satoshis, 8 bytes, big endian
//! - one byte: 0 to end it, 1 for ntfy, 2 for a webhook
//! - the URL as it stands in the request; nothing with 0
//!
//! The pool's key keeps it from being good at another pool. The time has to be within
//! ten minutes of the pool's clock and later than that of the last one taken.

use accounting::{MinerId, Sat, schema};
use bitcoin::hashes::{Hash as _, HashEngine as _, sha256};
use bitcoin::secp256k1::{Message, Secp256k1, XOnlyPublicKey, schnorr};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::request::{SignedError, check_clock, check_order};
use crate::tag::tagged;

const TAG: &[u8] = b"Axepool/notices";
const VERSION: u8 = 1;

/// How notices are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A topic of an ntfy server, which phones listen to.
    Ntfy,
    /// A POST with JSON.
    Webhook,
}

/// The target of notices, as an owner names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NoticeTarget")]
pub struct Target {
    /// The channel of the notices.
    pub channel: Channel,
    /// A topic of one of the pool's ntfy servers, or where JSON is posted to. Everybody who
    /// knows a topic can read it: this is shown to nobody.
    pub url: String,
}

/// The subscription request of the key's holder, signed by the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NoticeWish", extend("required" = ["signature", "target", "time_ms"]))]
pub struct Wish {
    /// Where to send; `null` to end it.
    pub target: Option<Target>,
    /// Sats that are ready are told from this amount on, in satoshis.
    #[serde(default = "one_sat")]
    pub least_sat: Sat,
    /// When it was signed, milliseconds since 1970.
    pub time_ms: u64,
    /// BIP340, 128 hex digits.
    #[schemars(with = "schema::Signature")]
    pub signature: schnorr::Signature,
}

fn one_sat() -> Sat {
    Sat::new(1)
}

/// What is signed.
pub fn digest(
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

impl Wish {
    /// Checks signature and time; `last_ms` is that of the last one taken.
    ///
    /// # Errors
    /// Not signed like this by that miner for that pool, not of now, or not later.
    pub fn check(
        &self,
        pool: &XOnlyPublicKey,
        miner: &MinerId,
        last_ms: u64,
        now_ms: u64,
    ) -> Result<(), SignedError> {
        let digest = digest(
            pool,
            miner,
            self.target.as_ref(),
            self.least_sat,
            self.time_ms,
        );
        let key = miner.public_key().x_only_public_key().0;
        let secp = Secp256k1::verification_only();
        if secp.verify_schnorr(&self.signature, &digest, &key).is_err() {
            return Err(SignedError::Signature { miner: *miner });
        }
        check_clock(self.time_ms, now_ms)?;
        check_order(self.time_ms, Some(last_ms))
    }
}

#[cfg(test)]
mod tests {
    use bitcoin::secp256k1::{Keypair, SecretKey};

    use super::*;
    use crate::request::MAX_SKEW_MS;

    const NOW: u64 = 1_795_000_000_000;

    fn pair(byte: u8) -> (Keypair, MinerId) {
        let secret = SecretKey::from_slice(&[byte; 32]).expect("a secret");
        let pair = Keypair::from_secret_key(&Secp256k1::new(), &secret);
        (pair, MinerId::from_public_key(&pair.public_key()))
    }

    fn pool_key() -> XOnlyPublicKey {
        pair(9).0.x_only_public_key().0
    }

    fn signed(byte: u8, target: Option<Target>, time_ms: u64) -> Wish {
        let (pair, miner) = pair(byte);
        let least_sat = Sat::new(1);
        let digest = digest(&pool_key(), &miner, target.as_ref(), least_sat, time_ms);
        Wish {
            target,
            least_sat,
            time_ms,
            signature: Secp256k1::new().sign_schnorr_no_aux_rand(&digest, &pair),
        }
    }

    fn ntfy(topic: &str) -> Option<Target> {
        Some(Target {
            channel: Channel::Ntfy,
            url: format!("https://ntfy.sh/{topic}"),
        })
    }

    #[test]
    fn a_signature_is_good_for_one_wish() {
        let wish = signed(1, ntfy("a"), NOW);
        let (pool, miner) = (pool_key(), pair(1).1);
        assert_eq!(wish.check(&pool, &miner, 0, NOW), Ok(()));
        let no = Err(SignedError::Signature { miner });
        let changes: [fn(&mut Wish); 5] = [
            |wish| wish.target = None,
            |wish| wish.target = ntfy("b"),
            |wish| wish.least_sat = Sat::new(2),
            |wish| wish.time_ms += 1,
            |wish| {
                if let Some(target) = &mut wish.target {
                    target.channel = Channel::Webhook;
                }
            },
        ];
        for change in changes {
            let mut changed = wish.clone();
            change(&mut changed);
            assert_eq!(changed.check(&pool, &miner, 0, NOW), no, "{changed:?}");
        }
        let other = pair(2).1;
        assert_eq!(
            wish.check(&pool, &other, 0, NOW),
            Err(SignedError::Signature { miner: other })
        );
        let elsewhere = pair(8).0.x_only_public_key().0;
        assert_eq!(wish.check(&elsewhere, &miner, 0, NOW), no);
    }

    #[test]
    fn a_wish_is_of_now_and_taken_once() {
        let wish = signed(1, ntfy("a"), NOW);
        let (pool, miner) = (pool_key(), pair(1).1);
        for (last_ms, now_ms, good) in [
            (NOW - 1, NOW, true),
            (NOW, NOW, false),
            (NOW + 1, NOW, false),
            (0, NOW + MAX_SKEW_MS, true),
            (0, NOW + MAX_SKEW_MS + 1, false),
            (0, NOW - MAX_SKEW_MS - 1, false),
        ] {
            let result = wish.check(&pool, &miner, last_ms, now_ms);
            assert_eq!(result.is_ok(), good, "{last_ms} {now_ms}: {result:?}");
        }
    }

    #[test]
    fn what_is_no_wish_is_refused() {
        let case = |text: &str, good: bool| {
            assert_eq!(serde_json::from_str::<Wish>(text).is_ok(), good, "{text}");
        };
        let signature = signed(1, None, NOW).signature;
        let rest = format!(r#""time_ms":1,"signature":"{signature}""#);
        case(&format!(r#"{{"target":null,{rest}}}"#), true);
        case(
            &format!(r#"{{"target":{{"channel":"ntfy","url":"x"}},"least_sat":5,{rest}}}"#),
            true,
        );
        case(
            &format!(r#"{{"target":{{"channel":"fax","url":"x"}},{rest}}}"#),
            false,
        );
        case(&format!(r#"{{"target":null,"more":1,{rest}}}"#), false);
        case(
            &format!(r#"{{"target":null,"least_sat":-1,{rest}}}"#),
            false,
        );
        case(r#"{"target":null,"time_ms":1,"signature":"00"}"#, false);
        case("[]", false);
    }
}
