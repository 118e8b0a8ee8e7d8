//! A miner's key as it was typed: which of its two compressed spellings.

use std::fmt;
use std::str::FromStr;

use bitcoin::secp256k1::{Parity, PublicKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{MinerId, MinerKeyError};

/// The first byte of a compressed public key (SEC 1): whether y is even or odd.
///
/// Signatures under BIP 340 hold for both, so both are one miner. Some wallets (Nutshell,
/// cashu-ts' `mintProofs`) compare all 33 bytes of the key that a quote or a token is locked
/// to, and do not know their own key by its other prefix.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum KeyPrefix {
    /// `02`.
    #[serde(rename = "02")]
    Even,
    /// `03`.
    #[serde(rename = "03")]
    Odd,
}

impl KeyPrefix {
    /// The prefix of this key.
    pub fn of(key: &PublicKey) -> KeyPrefix {
        match key.x_only_public_key().1 {
            Parity::Even => KeyPrefix::Even,
            Parity::Odd => KeyPrefix::Odd,
        }
    }

    /// The prefix as the byte that it is, 2 or 3.
    pub const fn byte(self) -> u8 {
        match self {
            KeyPrefix::Even => 2,
            KeyPrefix::Odd => 3,
        }
    }

    /// The prefix of this byte, if it is one.
    pub const fn from_byte(byte: u8) -> Option<KeyPrefix> {
        match byte {
            2 => Some(KeyPrefix::Even),
            3 => Some(KeyPrefix::Odd),
            _ => None,
        }
    }
}

/// Two digits, as a key in hex begins.
impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}", self.byte())
    }
}

/// A miner's key as a text has it: 66 hex digits have a prefix, an npub has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypedKey {
    /// The miner.
    pub miner: MinerId,
    /// The prefix that was typed.
    pub prefix: Option<KeyPrefix>,
}

/// Reads what [`MinerId`] reads.
impl FromStr for TypedKey {
    type Err = MinerKeyError;

    fn from_str(text: &str) -> Result<TypedKey, MinerKeyError> {
        let miner = text.parse()?;
        // A text that is a key, and no npub, is 66 hex digits.
        let prefix = match text.get(..2) {
            Some("02") => Some(KeyPrefix::Even),
            Some("03") => Some(KeyPrefix::Odd),
            _ => None,
        };
        Ok(TypedKey { miner, prefix })
    }
}

/// A miner's key in one of its two compressed spellings.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MinerKey {
    /// The miner, who is the same in both.
    pub miner: MinerId,
    /// The spelling.
    pub prefix: KeyPrefix,
}

impl MinerKey {
    /// The spelling of this public key.
    pub fn from_public_key(key: &PublicKey) -> MinerKey {
        MinerKey {
            miner: MinerId::from_public_key(key),
            prefix: KeyPrefix::of(key),
        }
    }

    /// The compressed key: the prefix, and the x coordinate in big endian.
    pub fn to_bytes(self) -> [u8; 33] {
        let mut bytes = [self.prefix.byte(); 33];
        bytes[1..].copy_from_slice(&self.miner.x_only_bytes());
        bytes
    }

    /// The point itself.
    pub fn public_key(self) -> PublicKey {
        let even = self.miner.public_key();
        match self.prefix {
            KeyPrefix::Even => even,
            KeyPrefix::Odd => even.x_only_public_key().0.public_key(Parity::Odd),
        }
    }
}

/// 66 hex digits.
impl fmt::Display for MinerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.to_bytes();
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for MinerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MinerKey({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

    #[test]
    fn a_key_keeps_the_prefix_that_was_typed() {
        let miner: MinerId = format!("02{X}").parse().unwrap();
        for (typed, shown, prefix) in [
            (format!("02{X}"), format!("02{X}"), Some(KeyPrefix::Even)),
            (format!("03{X}"), format!("03{X}"), Some(KeyPrefix::Odd)),
            (
                format!("03{}", X.to_uppercase()),
                format!("03{X}"),
                Some(KeyPrefix::Odd),
            ),
            (miner.npub(), format!("02{X}"), None),
        ] {
            let key: TypedKey = typed.parse().unwrap();
            assert_eq!((key.miner, key.prefix), (miner, prefix), "{typed}");
            let prefix = key.prefix.unwrap_or(KeyPrefix::Even);
            let key = MinerKey { miner, prefix };
            assert_eq!(key.to_string(), shown);
            assert_eq!(key.public_key().to_string(), shown);
            assert_eq!(MinerKey::from_public_key(&key.public_key()), key);
        }
        assert_eq!("npub".parse::<TypedKey>(), Err(MinerKeyError::Format));
    }

    #[test]
    fn a_prefix_is_a_byte_and_two_digits() {
        for prefix in [KeyPrefix::Even, KeyPrefix::Odd] {
            assert_eq!(KeyPrefix::from_byte(prefix.byte()), Some(prefix));
            let json = serde_json::to_string(&prefix).unwrap();
            assert_eq!(json, format!("\"{prefix}\""));
            assert_eq!(serde_json::from_str::<KeyPrefix>(&json).unwrap(), prefix);
        }
        assert_eq!(KeyPrefix::from_byte(4), None);
    }
}
