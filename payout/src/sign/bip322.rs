//! BIP 322, "simple", for pay-to-witness-public-key-hash: a signature over a transaction
//! that can never be, which spends an output that never was, to the address, with the
//! message's hash in it.

use bitcoin::absolute::LockTime;
use bitcoin::consensus::encode::serialize;
use bitcoin::hashes::{Hash as _, HashEngine as _, sha256};
use bitcoin::opcodes::OP_0;
use bitcoin::opcodes::all::OP_RETURN;
use bitcoin::script::Builder;
use bitcoin::secp256k1::Message;
use bitcoin::sighash::{EcdsaSighashType, SighashCache};
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, OutPoint, Script, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness,
};

/// The tag of the message's hash.
const TAG: &[u8] = b"BIP0322-signed-message";

/// What is signed for `message` by the owner of the p2wpkh output `script`; `None` if it
/// is none.
pub(super) fn hash_to_sign(script: &Script, message: &[u8]) -> Option<Message> {
    let to_sign = to_sign(script, message);
    let hash = SighashCache::new(&to_sign)
        .p2wpkh_signature_hash(0, script, Amount::ZERO, EcdsaSighashType::All)
        .ok()?;
    Some(Message::from_digest(hash.to_byte_array()))
}

/// The witness as it is handed on, before base64.
pub(super) fn encode(witness: &Witness) -> Vec<u8> {
    serialize(witness)
}

fn message_hash(message: &[u8]) -> [u8; 32] {
    let tag = sha256::Hash::hash(TAG);
    let mut engine = sha256::Hash::engine();
    engine.input(tag.as_byte_array());
    engine.input(tag.as_byte_array());
    engine.input(message);
    sha256::Hash::from_engine(engine).to_byte_array()
}

fn to_spend(script: &Script, message: &[u8]) -> Transaction {
    let carries = Builder::new()
        .push_opcode(OP_0)
        .push_slice(message_hash(message));
    transaction(
        OutPoint::new(Txid::all_zeros(), u32::MAX),
        carries.into_script(),
        script.to_owned(),
    )
}

fn to_sign(script: &Script, message: &[u8]) -> Transaction {
    let spent = OutPoint::new(to_spend(script, message).compute_txid(), 0);
    let nothing = Builder::new().push_opcode(OP_RETURN).into_script();
    transaction(spent, ScriptBuf::new(), nothing)
}

fn transaction(spent: OutPoint, script_sig: ScriptBuf, script_pubkey: ScriptBuf) -> Transaction {
    Transaction {
        version: Version(0),
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: spent,
            script_sig,
            sequence: Sequence::ZERO,
            witness: Witness::new(),
        }],
        output: vec![TxOut {
            value: Amount::ZERO,
            script_pubkey,
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::Address;
    use bitcoin::hex::DisplayHex as _;

    /// The address of BIP 322's test vectors.
    fn script() -> ScriptBuf {
        let address: Address<_> = "bc1q9vza2e8x573nczrlzms0wvx3gsqjx7vavgkx0l"
            .parse()
            .unwrap();
        address.assume_checked().script_pubkey()
    }

    #[track_caller]
    fn case(message: &str, hash: &str, spend: &str, sign: &str) {
        assert_eq!(message_hash(message.as_bytes()).to_lower_hex_string(), hash);
        let (script, message) = (script(), message.as_bytes());
        let spending = to_spend(&script, message).compute_txid();
        assert_eq!(spending.to_string(), spend);
        let signing = to_sign(&script, message).compute_txid();
        assert_eq!(signing.to_string(), sign);
    }

    #[test]
    fn its_transactions_are_those_of_the_bip() {
        case(
            "",
            "c90c269c4f8fcbe6880f72a721ddfbf1914268a794cbb21cfafee13770ae19f1",
            "c5680aa69bb8d860bf82d4e9cd3504b55dde018de765a91bb566283c545a99a7",
            "1e9654e951a5ba44c8604c4de6c67fd78a27e81dcadcfe1edf638ba3aaebaed6",
        );
        case(
            "Hello World",
            "f0eb03b1a75ac6d9847f55c624a99169b5dccba2a31f5b23bea77ba270de0a7a",
            "b79d196740ad5217771c1098fc4a4b51e0535c32236c71f1ea4d61a2d603352b",
            "88737ae86f2077145f93cc4b153ae9a1cb8d56afa511988c149c5c8c9d93bddf",
        );
    }
}
