//! The key that a miner is.

use std::fmt;
use std::str::FromStr;

use bech32::{Bech32, Hrp};
use bitcoin::secp256k1::{self, Parity, XOnlyPublicKey};
use cdk::SECP256K1;
use cdk_common::nuts::SecretKey;
use thiserror::Error;

/// Why a text is no key.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum KeyError {
    /// It is the public half, which everybody may know and nobody can spend with.
    #[error("this is a public key: the secret is needed (64 hex digits or nsec1...)")]
    Public,
    /// Neither 64 hex digits nor an nsec.
    #[error("not a secret key: 64 hex digits or nsec1... are expected")]
    Form,
    /// An nsec with a typing error.
    #[error("the nsec's checksum is wrong: one of its letters is mistyped")]
    Checksum,
    /// Zero, or not below the group's order.
    #[error("not a secret key of secp256k1: the number is out of range")]
    Range,
}

/// An owner's key pair, the secret being the one whose public key has an even y.
///
/// An npub (NIP-19) and a BIP340 signature know only the x coordinate, a NUT-20 lock
/// and a NUT-11 lock are written with a prefix. With an even y both name the same key:
/// `02` and the x coordinate. The other secret of the same x is its negation, so that
/// any secret can be brought to this form without changing its npub.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnerKey {
    secret: SecretKey,
}

impl OwnerKey {
    /// A new key, from the system's randomness.
    pub fn generate() -> OwnerKey {
        loop {
            // One in 2^128 is no key.
            if let Ok(key) = OwnerKey::from_bytes(&rand::random()) {
                return key;
            }
        }
    }

    /// The key of a secret, brought to even y.
    ///
    /// # Errors
    /// [`KeyError::Range`]
    pub fn from_bytes(secret: &[u8; 32]) -> Result<OwnerKey, KeyError> {
        let secret = secp256k1::SecretKey::from_slice(secret).map_err(|_| KeyError::Range)?;
        let secret = match secret.x_only_public_key(&SECP256K1).1 {
            Parity::Even => secret,
            Parity::Odd => secret.negate(),
        };
        Ok(OwnerKey {
            secret: secret.into(),
        })
    }

    /// The x coordinate.
    pub fn x_only(&self) -> XOnlyPublicKey {
        self.secret.public_key().x_only_public_key()
    }

    /// The public key as wallets show it: compressed, 66 hex digits, beginning with `02`.
    pub fn public_hex(&self) -> String {
        self.secret.public_key().to_hex()
    }

    /// The public key as Nostr shows it, and as fits best into a username field.
    pub fn npub(&self) -> String {
        bech32(NPUB, &self.x_only().serialize())
    }

    /// The secret in hex, 64 digits.
    pub fn secret_hex(&self) -> String {
        self.secret.to_secret_hex()
    }

    /// The secret as Nostr and most Cashu wallets take it.
    pub fn nsec(&self) -> String {
        bech32(NSEC, &self.secret.to_secret_bytes())
    }

    /// BIP340 over a digest that is known to be of nothing that moves money.
    pub fn sign_digest(&self, digest: &secp256k1::Message) -> secp256k1::schnorr::Signature {
        let pair = secp256k1::Keypair::from_secret_key(&SECP256K1, &self.secret);
        SECP256K1.sign_schnorr_with_aux_rand(digest, &pair, &rand::random())
    }

    /// BIP340 over the SHA256 of `text`, 128 hex digits.
    pub(crate) fn sign(&self, text: &str) -> String {
        let digest =
            <bitcoin::hashes::sha256::Hash as bitcoin::hashes::Hash>::hash(text.as_bytes());
        let message = secp256k1::Message::from_digest(bitcoin::hashes::Hash::to_byte_array(digest));
        self.sign_digest(&message).to_string()
    }

    pub(crate) fn secret(&self) -> &SecretKey {
        &self.secret
    }
}

const NPUB: &str = "npub";
const NSEC: &str = "nsec";

fn bech32(prefix: &str, bytes: &[u8; 32]) -> String {
    bech32::encode::<Bech32>(Hrp::parse_unchecked(prefix), bytes)
        .expect("32 bytes are far below bech32's limit")
}

impl FromStr for OwnerKey {
    type Err = KeyError;

    /// 64 hex digits or an nsec, in either case of letters.
    fn from_str(text: &str) -> Result<OwnerKey, KeyError> {
        let text = text.trim();
        let lower = text.to_lowercase();
        if lower.starts_with("nsec1") {
            return OwnerKey::from_bytes(&read_nsec(text)?);
        }
        let hex = lower.bytes().all(|byte| byte.is_ascii_hexdigit());
        match lower.len() {
            64 if hex => {
                let bytes: [u8; 32] =
                    bitcoin::hex::FromHex::from_hex(&lower).map_err(|_| KeyError::Form)?;
                OwnerKey::from_bytes(&bytes)
            }
            66 if hex => Err(KeyError::Public),
            _ if lower.starts_with("npub1") => Err(KeyError::Public),
            _ => Err(KeyError::Form),
        }
    }
}

fn read_nsec(text: &str) -> Result<[u8; 32], KeyError> {
    // NIP-19 is bech32: the same letters with a bech32m checksum are a typing error.
    let checked = bech32::primitives::decode::CheckedHrpstring::new::<Bech32>(text)
        .map_err(|_| KeyError::Checksum)?;
    let bytes: Vec<u8> = checked.byte_iter().collect();
    bytes.try_into().map_err(|_| KeyError::Form)
}

impl fmt::Debug for OwnerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnerKey").field(&self.npub()).finish()
    }
}

#[cfg(test)]
mod tests {
    use bitcoin::secp256k1::schnorr::Signature;
    use cdk_common::nuts::PublicKey;
    use proptest::prelude::*;

    use super::*;

    /// The example of NIP-19.
    const NIP19_NSEC: &str = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5";
    const NIP19_HEX: &str = "67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa";
    const NIP19_NPUB: &str = "npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg";

    #[track_caller]
    fn case(text: &str, expected: Result<&str, KeyError>) {
        let read = text.parse::<OwnerKey>().map(|key| key.npub());
        assert_eq!(read, expected.map(str::to_owned), "{text:?}");
    }

    #[test]
    fn a_key_is_read_in_any_of_its_forms() {
        case(NIP19_NSEC, Ok(NIP19_NPUB));
        case(NIP19_HEX, Ok(NIP19_NPUB));
        case(&NIP19_HEX.to_uppercase(), Ok(NIP19_NPUB));
        case(&NIP19_NSEC.to_uppercase(), Ok(NIP19_NPUB));
        case(&format!("  {NIP19_NSEC}\n"), Ok(NIP19_NPUB));
    }

    #[test]
    fn what_is_no_secret_is_told() {
        case("", Err(KeyError::Form));
        case("nsec", Err(KeyError::Form));
        case(NIP19_NPUB, Err(KeyError::Public));
        case(&format!("02{NIP19_HEX}"), Err(KeyError::Public));
        case(&NIP19_HEX[1..], Err(KeyError::Form));
        case(&"0".repeat(64), Err(KeyError::Range));
        case(&"f".repeat(64), Err(KeyError::Range));
        case(&NIP19_NSEC.replace('v', "w"), Err(KeyError::Checksum));
        case(&format!("{NIP19_NSEC}q"), Err(KeyError::Checksum));
        case("nsec1é", Err(KeyError::Checksum));
    }

    #[test]
    fn a_secret_is_not_shown_by_accident() {
        let key: OwnerKey = NIP19_HEX.parse().unwrap();
        let shown = format!("{key:?}");
        assert!(shown.contains(NIP19_NPUB), "{shown}");
        assert!(!shown.contains(&key.secret_hex()[..8]), "{shown}");
    }

    proptest! {
        #[test]
        fn every_key_has_an_even_y_and_survives_its_texts(secret: [u8; 32]) {
            let Ok(key) = OwnerKey::from_bytes(&secret) else { return Ok(()) };
            prop_assert!(key.public_hex().starts_with("02"));
            prop_assert_eq!(&key.secret_hex().parse::<OwnerKey>().unwrap(), &key);
            prop_assert_eq!(&key.nsec().parse::<OwnerKey>().unwrap(), &key);
            // What mints check signatures with.
            let public = PublicKey::from_hex(key.public_hex()).unwrap();
            let signature: Signature = key.sign("text").parse().unwrap();
            prop_assert!(public.verify(b"text", &signature).is_ok());
            prop_assert!(public.verify(b"other", &signature).is_err());
        }

        #[test]
        fn any_text_is_read_without_panic(text: String) {
            let _ = text.parse::<OwnerKey>();
        }
    }
}
