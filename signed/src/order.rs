//! The message of a request to the mint that a miner signs. It is the SHA256 of the UTF-8
//! text
//!
//! ```text
//! tag || mint public key || miner || time_ms || subject
//! ```
//!
//! with nothing between the parts: the tag and the subject of [`Purpose`] (the subject is
//! empty for all but a reissue), the two keys as 66
//! lower-case hex digits each (compressed; the miner's with the prefix `02`), the time
//! in milliseconds since 1970 as a decimal number. The signature is BIP340 by the
//! miner's key, 128 hex digits. The tag keeps it from being any other message's, the
//! mint's key from being another mint's; the time has to be within ten minutes of the
//! pool's clock and later than that of the last request of this miner that was taken.

use accounting::{KeyPrefix, MinerId};
use bitcoin::secp256k1::PublicKey;

/// The purpose of a signed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A new token now, for all that can be claimed.
    Claim,
    /// No tokens for this key from now on: only its holder mints its quotes.
    SweepOnly,
    /// Tokens again.
    AllowTokens,
    /// The token of this number, unspent, once more: locked to this spelling of the key.
    Reissue {
        /// The token's number.
        number: u64,
        /// The spelling.
        prefix: KeyPrefix,
    },
}

impl Purpose {
    /// The text that the signed message begins with.
    pub const fn tag(self) -> &'static str {
        match self {
            Purpose::Claim => "Axepool_TokenClaim_v1",
            Purpose::SweepOnly => "Axepool_SweepOnly_v1",
            Purpose::AllowTokens => "Axepool_AllowTokens_v1",
            Purpose::Reissue { .. } => "Axepool_TokenReissue_v1",
        }
    }

    /// The text that the signed message ends with: `/number/prefix` for a reissue, such as
    /// `/7/03`.
    fn subject(self) -> String {
        match self {
            Purpose::Reissue { number, prefix } => format!("/{number}/{prefix}"),
            Purpose::Claim | Purpose::SweepOnly | Purpose::AllowTokens => String::new(),
        }
    }
}

/// The text whose SHA256 is signed.
pub fn message(purpose: Purpose, mint: &PublicKey, miner: &MinerId, time_ms: u64) -> String {
    let (tag, subject) = (purpose.tag(), purpose.subject());
    format!("{tag}{mint}{miner}{time_ms}{subject}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What owners' programs have to sign, letter by letter.
    #[test]
    fn a_message_is_made_of_its_parts() {
        let secret = bitcoin::secp256k1::SecretKey::from_slice(&[1; 32]).expect("a secret");
        let key = secret.public_key(&bitcoin::secp256k1::Secp256k1::new());
        let miner = MinerId::from_public_key(&key);
        let purpose = Purpose::Reissue {
            number: 7,
            prefix: KeyPrefix::Odd,
        };
        let expected = format!("Axepool_TokenReissue_v1{key}{miner}5/7/03");
        assert_eq!(message(purpose, &key, &miner, 5), expected);
        let expected = format!("Axepool_TokenClaim_v1{key}{miner}5");
        assert_eq!(message(Purpose::Claim, &key, &miner, 5), expected);
    }
}
