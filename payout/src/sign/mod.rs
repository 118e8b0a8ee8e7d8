//! The proof that OCEAN wants before it pays an offer: its configuration message, signed
//! by the payout address.

mod bip322;

use bitcoin::address::NetworkUnchecked;
use bitcoin::base64::Engine as _;
use bitcoin::base64::engine::general_purpose::STANDARD as BASE64;
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::Message;
use bitcoin::sign_message::signed_msg_hash;
use bitcoin::{Address, Network, Witness, ecdsa};
use serde::Serialize;
use thiserror::Error;

use crate::keys::{KeyError, Keychain, WalletKey, WalletKeys};
use crate::seed::Seed;

/// How many addresses of each of the wallet's two rows are looked through.
pub const SEARCHED: u32 = 1001;

/// A message and both kinds of signature under it; verifiers differ in which they take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// What is signed, to the letter.
    pub message: String,
    /// The address that signs.
    pub address: Address,
    /// BIP 322, simple: a witness in base64.
    pub bip322: String,
    /// BIP 137: 65 bytes in base64, the first of which says p2wpkh (39 to 42).
    pub bip137: String,
}

/// Why nothing is signed.
#[derive(Debug, Error)]
pub enum SignError {
    /// The address is of another wallet: what holds its key has to sign.
    #[error("{address} is not among the first {SEARCHED} addresses of the node's wallet")]
    NotOurs {
        /// The address.
        address: Address,
    },
    /// The address is of another network.
    #[error("{address} is not an address of {network}")]
    OtherNetwork {
        /// The address.
        address: String,
        /// The node's network.
        network: Network,
    },
    /// The words give no key.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The message cannot be hashed for this address.
    #[error("{0} cannot sign a message")]
    NoHash(Address),
}

/// OCEAN's configuration message: without spaces, in this order (facts of its
/// documentation). `height` is that of a recent block.
///
/// # Errors
/// None that an offer can make: it is text.
pub fn ocean_message(height: u32, offer: &str) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Configuration<'a> {
        height: u32,
        lightning_bolt12: &'a str,
    }
    serde_json::to_string(&Configuration {
        height,
        lightning_bolt12: offer,
    })
}

/// Signs `message` with the key of `address`, if the node's wallet has it. It takes some
/// tenths of a second when it has not.
///
/// # Errors
/// If the wallet has no such address, or it is of another network.
pub fn sign(
    seed: &Seed,
    network: Network,
    address: Address<NetworkUnchecked>,
    message: String,
) -> Result<Signed, SignError> {
    let shown = address.clone().assume_checked().to_string();
    let address = address
        .require_network(network)
        .map_err(|_| SignError::OtherNetwork {
            address: shown,
            network,
        })?;
    let keys = WalletKeys::new(seed, network)?;
    let key = find(&keys, address)?;
    let no_hash = || SignError::NoHash(key.address.clone());
    let bip322 = sign_bip322(&keys, &key, &message).ok_or_else(no_hash)?;
    Ok(Signed {
        bip137: sign_bip137(&keys, &key, &message),
        address: key.address,
        bip322,
        message,
    })
}

fn find(keys: &WalletKeys, address: Address) -> Result<WalletKey, SignError> {
    // The payout address is the very first one: the usual answer comes at once.
    for index in 0..SEARCHED {
        for keychain in [Keychain::External, Keychain::Internal] {
            let key = keys.key(keychain, index)?;
            if key.address == address {
                return Ok(key);
            }
        }
    }
    Err(SignError::NotOurs { address })
}

fn sign_bip322(keys: &WalletKeys, key: &WalletKey, message: &str) -> Option<String> {
    let hash = bip322::hash_to_sign(&key.address.script_pubkey(), message.as_bytes())?;
    let signature = keys.secp().sign_ecdsa_low_r(&hash, &key.private.inner);
    let public = key.private.public_key(keys.secp()).inner;
    let witness = Witness::p2wpkh(&ecdsa::Signature::sighash_all(signature), &public);
    Some(BASE64.encode(bip322::encode(&witness)))
}

/// The first byte of a compressed key's signature for a p2wpkh address (BIP 137).
const P2WPKH_HEADER: u8 = 39;

fn sign_bip137(keys: &WalletKeys, key: &WalletKey, message: &str) -> String {
    let hash = Message::from_digest(signed_msg_hash(message).to_byte_array());
    let signature = keys
        .secp()
        .sign_ecdsa_recoverable(&hash, &key.private.inner);
    let (recovery, rs) = signature.serialize_compact();
    // The recovery id is 0 to 3.
    let recovery = u8::try_from(recovery.to_i32()).unwrap_or_default();
    let mut bytes = vec![P2WPKH_HEADER.saturating_add(recovery)];
    bytes.extend_from_slice(&rs);
    BASE64.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::consensus::encode::deserialize;
    use bitcoin::secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
    use bitcoin::secp256k1::{PublicKey, Secp256k1};
    use bitcoin::{CompressedPublicKey, PrivateKey};

    use crate::keys::payout_address;

    const WORDS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

    /// What a verifier does: the key in the witness must be the address's, and its
    /// signature over the BIP's hash right.
    fn is_bip322(address: &Address, message: &str, signature: &str) -> bool {
        let witness: Witness = deserialize(&BASE64.decode(signature).unwrap()).unwrap();
        let parts: Vec<&[u8]> = witness.iter().collect();
        let [signature, public] = parts[..] else {
            return false;
        };
        let public = CompressedPublicKey::from_slice(public).unwrap();
        if Address::p2wpkh(&public, Network::Bitcoin).script_pubkey() != address.script_pubkey() {
            return false;
        }
        let signature = ecdsa::Signature::from_slice(signature).unwrap();
        let hash = bip322::hash_to_sign(&address.script_pubkey(), message.as_bytes()).unwrap();
        Secp256k1::new()
            .verify_ecdsa(&hash, &signature.signature, &public.0)
            .is_ok()
    }

    fn recovered(message: &str, signature: &str) -> (u8, PublicKey) {
        let bytes = BASE64.decode(signature).unwrap();
        let id = RecoveryId::from_i32(i32::from(bytes[0]) - 39).unwrap();
        let signature = RecoverableSignature::from_compact(&bytes[1..], id).unwrap();
        let hash = Message::from_digest(signed_msg_hash(message).to_byte_array());
        let key = Secp256k1::new().recover_ecdsa(&hash, &signature).unwrap();
        (bytes[0], key)
    }

    fn unchecked(address: &Address) -> Address<NetworkUnchecked> {
        address.to_string().parse().unwrap()
    }

    /// The signatures of BIP 322's own vectors are right by our hash, and ours are theirs.
    #[test]
    fn its_signatures_are_those_of_the_bip() {
        let private = "L3VFeEujGtevx9w18HD1fhRbCH67Az2dpCymeRE1SoPK6XQtaN2k";
        let private: PrivateKey = private.parse().unwrap();
        let keys = WalletKeys::new(&Seed::for_tests(WORDS), Network::Bitcoin).unwrap();
        let public = CompressedPublicKey::from_private_key(keys.secp(), &private).unwrap();
        let address = Address::p2wpkh(&public, Network::Bitcoin);
        let key = WalletKey { private, address };
        for (message, signature) in [
            (
                "",
                "AkcwRAIgM2gBAQqvZX15ZiysmKmQpDrG83avLIT492QBzLnQIxYCIBaTpOaD20qRlEylyxFSeEA2ba9YOixpX8z46TSDtS40ASECx/EgAxlkQpQ9hYjgGu6EBCPMVPwVIVJqO4XCsMvViHI=",
            ),
            (
                "Hello World",
                "AkcwRAIgZRfIY3p7/DoVTty6YZbWS71bc5Vct9p9Fia83eRmw2QCICK/ENGfwLtptFluMGs2KsqoNSk89pO7F29zJLUx9a/sASECx/EgAxlkQpQ9hYjgGu6EBCPMVPwVIVJqO4XCsMvViHI=",
            ),
        ] {
            assert!(is_bip322(&key.address, message, signature), "{message:?}");
            assert!(!is_bip322(&key.address, "another", signature));
            let ours = sign_bip322(&keys, &key, message).unwrap();
            assert!(is_bip322(&key.address, message, &ours), "{message:?}");
        }
    }

    #[test]
    fn both_signatures_are_the_payout_addresss_own() {
        let seed = Seed::for_tests(WORDS);
        let address = payout_address(&seed, Network::Bitcoin).unwrap();
        let message = ocean_message(845_900, "lno1example").unwrap();
        let signed = sign(
            &seed,
            Network::Bitcoin,
            unchecked(&address),
            message.clone(),
        )
        .unwrap();
        assert_eq!((&signed.address, &signed.message), (&address, &message));
        assert!(is_bip322(&address, &message, &signed.bip322));
        let (header, key) = recovered(&message, &signed.bip137);
        assert!((39..=42).contains(&header), "{header}");
        let by = Address::p2wpkh(&CompressedPublicKey(key), Network::Bitcoin);
        assert_eq!(by, address);
    }

    #[test]
    fn the_message_is_oceans_to_the_letter() {
        assert_eq!(
            ocean_message(845_900, "lno1qgs").unwrap(),
            r#"{"height":845900,"lightning_bolt12":"lno1qgs"}"#
        );
    }

    #[test]
    fn any_of_the_wallets_addresses_signs_and_no_other() {
        let seed = Seed::for_tests(WORDS);
        let keys = WalletKeys::new(&seed, Network::Signet).unwrap();
        let ours = |address: &Address| {
            sign(&seed, Network::Signet, unchecked(address), "x".into())
                .map(|signed| signed.address)
        };
        for (keychain, index) in [(Keychain::External, 1000), (Keychain::Internal, 7)] {
            let address = keys.key(keychain, index).unwrap().address;
            assert_eq!(ours(&address).unwrap(), address);
        }
        let beyond = keys.key(Keychain::External, SEARCHED).unwrap().address;
        assert!(matches!(ours(&beyond), Err(SignError::NotOurs { address }) if address == beyond));
        let mainnet = payout_address(&seed, Network::Bitcoin).unwrap();
        let error = ours(&mainnet).unwrap_err();
        assert!(matches!(error, SignError::OtherNetwork { .. }), "{error}");
    }
}
