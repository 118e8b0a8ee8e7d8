//! Requests that a miner signs: the signed message, and the protection against replay.
//!
//! The signature is over the SHA256 of [`message`]; the room `signed` has it, for both sides.

pub use ::signed::{Purpose, message};
use ::signed::{SignedError, check_clock};
use accounting::MinerId;
use bitcoin::secp256k1::schnorr::Signature;
use cdk_common::nuts::PublicKey;
use schemars::JsonSchema;
use serde::Deserialize;

/// The part of a request that makes it a signed one: a BIP340 signature of the key's holder.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Signed {
    /// When it was signed, milliseconds since 1970.
    pub time_ms: u64,
    /// BIP340, 128 hex digits.
    #[schemars(with = "accounting::schema::Signature")]
    pub signature: String,
}

impl Signed {
    /// Checks signature and clock. That it is no replay is checked where it is
    /// recorded, see [`::signed::check_order`].
    pub(crate) fn check(
        &self,
        purpose: Purpose,
        mint: &PublicKey,
        miner: &MinerId,
        now_ms: u64,
    ) -> Result<(), SignedError> {
        let text = message(purpose, mint, miner, self.time_ms);
        let valid = self.signature.parse::<Signature>().is_ok_and(|signature| {
            PublicKey::from(miner.public_key())
                .verify(text.as_bytes(), &signature)
                .is_ok()
        });
        if !valid {
            return Err(SignedError::Signature { miner: *miner });
        }
        check_clock(self.time_ms, now_ms)
    }
}

#[cfg(test)]
mod tests {
    use ::signed::MAX_SKEW_MS;
    use cdk_common::nuts::SecretKey;

    use super::*;

    const NOW: u64 = 1_795_000_000_000;

    fn key(byte: u8) -> SecretKey {
        SecretKey::from_slice(&[byte; 32]).expect("a secret")
    }

    fn miner(secret: &SecretKey) -> MinerId {
        MinerId::from_public_key(&secret.public_key())
    }

    fn sign(secret: &SecretKey, mint: &PublicKey, purpose: Purpose, time_ms: u64) -> Signed {
        let text = message(purpose, mint, &miner(secret), time_ms);
        Signed {
            time_ms,
            signature: secret.sign(text.as_bytes()).expect("signs").to_string(),
        }
    }

    #[test]
    fn a_signature_is_good_for_one_thing() {
        let (owner, other) = (key(1), key(2));
        let (mint, other_mint) = (key(3).public_key(), key(4).public_key());
        let check = |signed: &Signed, purpose, mint: &PublicKey, secret: &SecretKey, now| {
            signed.check(purpose, mint, &miner(secret), now)
        };
        let signed = sign(&owner, &mint, Purpose::Claim, NOW);
        assert_eq!(check(&signed, Purpose::Claim, &mint, &owner, NOW), Ok(()));
        let wrong = |secret| {
            Err(SignedError::Signature {
                miner: miner(secret),
            })
        };
        assert_eq!(
            check(&signed, Purpose::SweepOnly, &mint, &owner, NOW),
            wrong(&owner)
        );
        assert_eq!(
            check(&signed, Purpose::Claim, &other_mint, &owner, NOW),
            wrong(&owner)
        );
        assert_eq!(
            check(&signed, Purpose::Claim, &mint, &other, NOW),
            wrong(&other)
        );
        let later = Signed {
            time_ms: NOW + 1,
            ..signed.clone()
        };
        assert_eq!(
            check(&later, Purpose::Claim, &mint, &owner, NOW),
            wrong(&owner)
        );
        for text in ["", "zz", &"0".repeat(128)] {
            let bad = Signed {
                signature: text.to_owned(),
                ..signed.clone()
            };
            assert_eq!(
                check(&bad, Purpose::Claim, &mint, &owner, NOW),
                wrong(&owner),
                "{text}"
            );
        }
    }

    #[test]
    fn a_request_is_of_now_and_taken_once() {
        let (owner, mint) = (key(1), key(3).public_key());
        let signed = sign(&owner, &mint, Purpose::Claim, NOW);
        for (now_ms, good) in [
            (NOW + MAX_SKEW_MS, true),
            (NOW + MAX_SKEW_MS + 1, false),
            (NOW - MAX_SKEW_MS - 1, false),
        ] {
            let result = signed.check(Purpose::Claim, &mint, &miner(&owner), now_ms);
            assert_eq!(result.is_ok(), good, "{now_ms}");
        }
    }
}
