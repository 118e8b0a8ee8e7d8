//! The request of a look-up by key, and the proof that its sender holds the keys. Pure.
//!
//! The draft is cashubtc/nuts #341. The message is the SHA256 of the UTF-8 text
//! `Cashu_MintQuoteLookup_v1 || mint public key || public key`, keys in hex as they
//! stand in the request; an older text signs the bytes of the key alone.

use accounting::MinerKey;
use bitcoin::secp256k1::schnorr::Signature;
use cdk_common::nuts::PublicKey;
use serde::Deserialize;
use thiserror::Error;

/// Keys in one request, as other mints bound it.
const MAX_KEYS: usize = 50;

const TAG: &str = "Cashu_MintQuoteLookup_v1";

/// The request's body.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct LookupRequest {
    /// Compressed keys, 66 hex digits each.
    pub(crate) pubkeys: Vec<String>,
    /// A signature for each, in the same order; a cdk pull request calls it
    /// `pubkeys_signatures`.
    #[serde(alias = "pubkeys_signatures")]
    pub(crate) pubkey_signatures: Vec<String>,
}

/// The reasons for which a look-up is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum LookupRefusal {
    #[error("a look-up is for 1 to {MAX_KEYS} keys, not {0}")]
    Keys(usize),
    #[error("{keys} keys, but {signatures} signatures")]
    Lengths { keys: usize, signatures: usize },
    #[error("{0:?} is no compressed public key of 66 hex digits")]
    Key(String),
    #[error("the signature for {0} does not match")]
    Signature(String),
}

/// The keys that a request proves to hold, of both spellings of one key the first. Pure.
pub(crate) fn authenticate(
    request: &LookupRequest,
    mint: &PublicKey,
) -> Result<Vec<MinerKey>, LookupRefusal> {
    let (keys, signatures) = (request.pubkeys.len(), request.pubkey_signatures.len());
    if !(1..=MAX_KEYS).contains(&keys) {
        return Err(LookupRefusal::Keys(keys));
    }
    if keys != signatures {
        return Err(LookupRefusal::Lengths { keys, signatures });
    }
    let mut proven: Vec<MinerKey> = Vec::with_capacity(keys);
    for (text, signature) in request.pubkeys.iter().zip(&request.pubkey_signatures) {
        let key = prove(text, signature, mint)?;
        if proven.iter().all(|before| before.miner != key.miner) {
            proven.push(key);
        }
    }
    Ok(proven)
}

fn prove(text: &str, signature: &str, mint: &PublicKey) -> Result<MinerKey, LookupRefusal> {
    let shown = || text.chars().take(80).collect::<String>();
    let key = PublicKey::from_hex(text).map_err(|_| LookupRefusal::Key(shown()))?;
    let wrong = || LookupRefusal::Signature(shown());
    let signature: Signature = signature.parse().map_err(|_| wrong())?;
    let message = format!("{TAG}{}{}", mint.to_hex(), key.to_hex());
    key.verify(message.as_bytes(), &signature)
        .or_else(|_| key.verify(&key.to_bytes(), &signature))
        .map_err(|_| wrong())?;
    Ok(MinerKey::from_public_key(&key))
}

#[cfg(test)]
mod tests {
    use cdk_common::nuts::SecretKey;

    use super::*;

    fn key(byte: u8) -> SecretKey {
        SecretKey::from_slice(&[byte; 32]).expect("a secret")
    }

    fn sign(secret: &SecretKey, mint: &PublicKey) -> String {
        let message = format!("{TAG}{}{}", mint.to_hex(), secret.public_key().to_hex());
        secret.sign(message.as_bytes()).expect("signs").to_string()
    }

    fn request(pubkeys: &[String], signatures: &[String]) -> LookupRequest {
        LookupRequest {
            pubkeys: pubkeys.to_vec(),
            pubkey_signatures: signatures.to_vec(),
        }
    }

    #[test]
    fn a_key_is_proven_in_either_way() {
        let (mint, owner) = (key(9).public_key(), key(1));
        let hex = owner.public_key().to_hex();
        let asked_key = MinerKey::from_public_key(&owner.public_key());
        let old = owner
            .sign(&owner.public_key().to_bytes())
            .expect("signs")
            .to_string();
        for signature in [sign(&owner, &mint), old] {
            let asked = request(std::slice::from_ref(&hex), &[signature]);
            assert_eq!(authenticate(&asked, &mint), Ok(vec![asked_key]));
        }
        let twice = request(
            &[hex.clone(), hex.clone()],
            &[sign(&owner, &mint), sign(&owner, &mint)],
        );
        assert_eq!(authenticate(&twice, &mint), Ok(vec![asked_key]));
    }

    #[test]
    fn what_is_not_proven_is_refused() {
        let (mint, owner, other) = (key(9).public_key(), key(1), key(2));
        let hex = owner.public_key().to_hex();
        let good = sign(&owner, &mint);
        let wrong = Err(LookupRefusal::Signature(hex.clone()));
        for bad in [
            sign(&other, &mint),
            sign(&owner, &key(8).public_key()),
            String::new(),
        ] {
            assert_eq!(
                authenticate(&request(std::slice::from_ref(&hex), &[bad]), &mint),
                wrong
            );
        }
        assert_eq!(
            authenticate(&request(&[], &[]), &mint),
            Err(LookupRefusal::Keys(0))
        );
        let lengths = Err(LookupRefusal::Lengths {
            keys: 1,
            signatures: 0,
        });
        assert_eq!(
            authenticate(&request(std::slice::from_ref(&hex), &[]), &mint),
            lengths
        );
        let x_only = hex[2..].to_owned();
        let refused = Err(LookupRefusal::Key(x_only.clone()));
        assert_eq!(
            authenticate(&request(&[x_only], std::slice::from_ref(&good)), &mint),
            refused
        );
        let many = vec![hex; MAX_KEYS + 1];
        let signatures = vec![good; MAX_KEYS + 1];
        assert_eq!(
            authenticate(&request(&many, &signatures), &mint),
            Err(LookupRefusal::Keys(51))
        );
    }

    #[test]
    fn both_names_of_the_field_are_read() {
        for name in ["pubkey_signatures", "pubkeys_signatures"] {
            let text = format!(r#"{{"pubkeys":["a"],"{name}":["b"]}}"#);
            let read: LookupRequest = serde_json::from_str(&text).expect("reads");
            assert_eq!(read, request(&["a".into()], &["b".into()]));
        }
    }
}
