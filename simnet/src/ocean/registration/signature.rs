//! Signatures of messages by addresses: BIP-322's simple form, and the legacy one with a
//! recoverable key (BIP-137).

use std::str::FromStr as _;

use bitcoin::absolute::LockTime;
use bitcoin::address::NetworkUnchecked;
use bitcoin::base64::Engine as _;
use bitcoin::base64::engine::general_purpose::STANDARD;
use bitcoin::hashes::{Hash as _, HashEngine as _, sha256};
use bitcoin::opcodes::{OP_0, all::OP_RETURN};
use bitcoin::script::Builder;
use bitcoin::secp256k1::{Message, Secp256k1};
use bitcoin::sighash::{EcdsaSighashType, SighashCache};
use bitcoin::sign_message::{MessageSignature, signed_msg_hash};
use bitcoin::transaction::Version;
use bitcoin::{
    Address, Amount, CompressedPublicKey, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut,
    Witness, ecdsa,
};

use super::RegistrationError;

/// BIP-322's tag of the message's hash.
const TAG: &[u8] = b"BIP0322-signed-message";
/// Some signers say with this which of BIP-322's forms they wrote.
const SIMPLE_PREFIX: &str = "smp";

/// Checks that `signature` is that of `message` by the key of `address`.
///
/// Of BIP-322 the addresses with one key and witness version 0 are understood (`bc1q`,
/// 42 characters); in the legacy form also their older kinds.
///
/// # Errors
/// If the address cannot sign, or did not.
pub(crate) fn verify(
    address: &str,
    message: &str,
    signature: &str,
) -> Result<(), RegistrationError> {
    let parsed = Address::<NetworkUnchecked>::from_str(address)
        .map_err(|_| RegistrationError::Address(address.to_owned()))?
        .assume_checked();
    let script = parsed.script_pubkey();
    let text = signature.trim();
    let simple = STANDARD
        .decode(text.strip_prefix(SIMPLE_PREFIX).unwrap_or(text))
        .ok()
        .and_then(|bytes| bitcoin::consensus::deserialize::<Witness>(&bytes).ok());
    let is_good = match simple {
        Some(witness) if script.is_p2wpkh() => is_simple(&script, message, &witness),
        Some(_) => return Err(RegistrationError::Address(address.to_owned())),
        None => is_legacy(&script, message, text),
    };
    is_good
        .unwrap_or(false)
        .then_some(())
        .ok_or_else(|| RegistrationError::Signature(address.to_owned()))
}

/// BIP-322, simple: the witness would spend an output that commits to the message.
fn is_simple(script: &ScriptBuf, message: &str, witness: &Witness) -> Option<bool> {
    let [signature, key] = witness.iter().collect::<Vec<_>>()[..] else {
        return None;
    };
    let key = CompressedPublicKey::from_slice(key).ok()?;
    if ScriptBuf::new_p2wpkh(&key.wpubkey_hash()) != *script {
        return Some(false);
    }
    let signature = ecdsa::Signature::from_slice(signature).ok()?;
    if signature.sighash_type != EcdsaSighashType::All {
        return None;
    }
    let hash = sighash(script, message)?;
    let verified = Secp256k1::verification_only().verify_ecdsa(&hash, &signature.signature, &key.0);
    Some(verified.is_ok())
}

/// What BIP-322 has signed: the hash of the transaction that spends the one that commits
/// to the message.
fn sighash(script: &ScriptBuf, message: &str) -> Option<Message> {
    let input = |previous_output, script_sig| TxIn {
        previous_output,
        script_sig,
        sequence: Sequence::ZERO,
        witness: Witness::new(),
    };
    let transaction = |input, script_pubkey| Transaction {
        version: Version(0),
        lock_time: LockTime::ZERO,
        input: vec![input],
        output: vec![TxOut {
            value: Amount::ZERO,
            script_pubkey,
        }],
    };
    let commitment = Builder::new()
        .push_opcode(OP_0)
        .push_slice(message_hash(message))
        .into_script();
    let to_spend = transaction(input(OutPoint::null(), commitment), script.clone());
    let spent = OutPoint::new(to_spend.compute_txid(), 0);
    let nothing = Builder::new().push_opcode(OP_RETURN).into_script();
    let to_sign = transaction(input(spent, ScriptBuf::new()), nothing);
    let hash = SighashCache::new(&to_sign)
        .p2wpkh_signature_hash(0, script, Amount::ZERO, EcdsaSighashType::All)
        .ok()?;
    Some(Message::from(hash))
}

fn message_hash(message: &str) -> [u8; 32] {
    let tag = sha256::Hash::hash(TAG);
    let mut engine = sha256::Hash::engine();
    for part in [tag.as_byte_array(), tag.as_byte_array(), message.as_bytes()] {
        engine.input(part);
    }
    sha256::Hash::from_engine(engine).to_byte_array()
}

/// The legacy form: whose key is recovered, if its address is this one in any of its
/// kinds. What the header says of the kind is not looked at: signers disagree on it.
fn is_legacy(script: &ScriptBuf, message: &str, signature: &str) -> Option<bool> {
    let signature = MessageSignature::from_base64(signature).ok()?;
    let hash = signed_msg_hash(message);
    let key = signature
        .recover_pubkey(&Secp256k1::verification_only(), hash)
        .ok()?;
    let key = CompressedPublicKey::try_from(key).ok()?;
    let segwit = ScriptBuf::new_p2wpkh(&key.wpubkey_hash());
    let kinds = [
        ScriptBuf::new_p2pkh(&key.pubkey_hash()),
        ScriptBuf::new_p2sh(&segwit.script_hash()),
        segwit,
    ];
    Some(kinds.contains(script))
}

#[cfg(test)]
mod tests {
    use bitcoin::secp256k1::SecretKey;
    use bitcoin::{KnownHrp, PrivateKey};

    use super::*;

    /// BIP-322's test vectors.
    const ADDRESS: &str = "bc1q9vza2e8x573nczrlzms0wvx3gsqjx7vavgkx0l";
    const HELLO: &str = "AkcwRAIgZRfIY3p7/DoVTty6YZbWS71bc5Vct9p9Fia83eRmw2QCICK/ENGfwLtptFluMGs2KsqoNSk89pO7F29zJLUx9a/sASECx/EgAxlkQpQ9hYjgGu6EBCPMVPwVIVJqO4XCsMvViHI=";
    const EMPTY: &str = "AkcwRAIgM2gBAQqvZX15ZiysmKmQpDrG83avLIT492QBzLnQIxYCIBaTpOaD20qRlEylyxFSeEA2ba9YOixpX8z46TSDtS40ASECx/EgAxlkQpQ9hYjgGu6EBCPMVPwVIVJqO4XCsMvViHI=";

    #[track_caller]
    fn case(address: &str, message: &str, signature: &str, is_good: bool) {
        let verified = verify(address, message, signature);
        assert_eq!(verified.is_ok(), is_good, "{verified:?}");
    }

    #[test]
    fn simple_signatures_are_bip_322s() {
        case(ADDRESS, "Hello World", HELLO, true);
        case(ADDRESS, "", EMPTY, true);
        case(ADDRESS, "Hello World", &format!("smp{HELLO}"), true);
        case(ADDRESS, "Hello World", EMPTY, false);
        case(ADDRESS, "hello World", HELLO, false);
        let other = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
        case(other, "Hello World", HELLO, false);
    }

    #[test]
    fn nonsense_is_refused() {
        case("nobody", "Hello World", HELLO, false);
        case(ADDRESS, "Hello World", "", false);
        case(ADDRESS, "Hello World", "AA==", false);
        case(ADDRESS, "Hello World", "not base64!", false);
        case(ADDRESS, "Hello World", &STANDARD.encode([0; 65]), false);
        // A key of another kind than this can check.
        let taproot = "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0";
        case(taproot, "Hello World", HELLO, false);
    }

    #[test]
    fn legacy_signatures_name_their_key() {
        let secp = Secp256k1::new();
        let secret = SecretKey::from_slice(&[7; 32]).unwrap();
        let key = PrivateKey::new(secret, bitcoin::Network::Regtest).public_key(&secp);
        let compressed = CompressedPublicKey::try_from(key).unwrap();
        let address = Address::p2wpkh(&compressed, KnownHrp::Regtest).to_string();
        let hash = signed_msg_hash("a message");
        let message = Message::from_digest(hash.to_byte_array());
        let signature = secp.sign_ecdsa_recoverable(&message, &secret);
        let signature = MessageSignature::new(signature, true);
        // BIP-137's header for such an address: 39 and on, where the oldest is 31 and on.
        let mut bytes = signature.serialize();
        case(&address, "a message", &STANDARD.encode(bytes), true);
        bytes[0] += 8;
        case(&address, "a message", &STANDARD.encode(bytes), true);
        case(&address, "another", &STANDARD.encode(bytes), false);
        let old = Address::p2pkh(key, bitcoin::Network::Regtest).to_string();
        case(&old, "a message", &STANDARD.encode(bytes), true);
    }
}
