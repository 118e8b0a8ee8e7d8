//! The pool's coinbase, cut where the miner's extranonce goes, and the branches that
//! lead from it to the merkle root.

use bitcoin::absolute::LockTime;
use bitcoin::script::{Builder, PushBytesBuf};
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};

use super::Template;
use crate::stratum::{Hash, sha256d};

/// Consensus: a coinbase's scriptSig has at most 100 bytes.
const MAX_SCRIPT_SIG: usize = 100;

/// The coinbase before and after the extranonces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CutCoinbase {
    pub(crate) coinb1: Vec<u8>,
    pub(crate) coinb2: Vec<u8>,
}

/// Builds the coinbase: BIP34's height, the pool's tag and room for the extranonces in
/// the scriptSig, then the payouts and the witness commitment.
pub(crate) fn build(
    template: &Template,
    tag: &str,
    payouts: &[ScriptBuf],
    extranonce_len: usize,
) -> CutCoinbase {
    let room = push(vec![0; extranonce_len]);
    let script_sig = Builder::new()
        .push_int(i64::from(template.height))
        .push_slice(push(tag.as_bytes().to_vec()))
        .push_slice(room)
        .into_script();
    assert!(
        script_sig.len() <= MAX_SCRIPT_SIG,
        "a tag of {} and extranonces of {extranonce_len} bytes do not fit a scriptSig",
        tag.len(),
    );
    // Version, number of inputs, outpoint, length of the script; the room is its end.
    let after_room = 4 + 1 + 36 + 1 + script_sig.len();
    let coinbase = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig,
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: outputs(template, payouts),
    };
    let bytes = bitcoin::consensus::serialize(&coinbase);
    CutCoinbase {
        coinb1: bytes[..after_room - extranonce_len].to_vec(),
        coinb2: bytes[after_room..].to_vec(),
    }
}

fn push(bytes: Vec<u8>) -> PushBytesBuf {
    PushBytesBuf::try_from(bytes).expect("a push may have 4 GB")
}

fn outputs(template: &Template, payouts: &[ScriptBuf]) -> Vec<TxOut> {
    let first: Amount = template.payouts.iter().map(|output| output.value).sum();
    let total = template
        .coinbase_value
        .checked_sub(first)
        .expect("a template pays out no more than its coinbase may")
        .to_sat();
    let each = total / u64::try_from(payouts.len().max(1)).expect("usize fits u64");
    let mut rest = total;
    let mut outputs: Vec<TxOut> = payouts
        .iter()
        .map(|script| {
            rest -= each;
            TxOut {
                value: Amount::from_sat(each),
                script_pubkey: script.clone(),
            }
        })
        .collect();
    if let Some(first) = outputs.first_mut() {
        first.value = Amount::from_sat(each + rest);
    }
    outputs.splice(0..0, template.payouts.iter().cloned());
    outputs.extend(template.witness_commitment.iter().map(|script| TxOut {
        value: Amount::ZERO,
        script_pubkey: script.clone(),
    }));
    outputs
}

/// The merkle branches of the coinbase in a block with these other transactions.
pub(crate) fn branches(txids: &[Hash]) -> Vec<Hash> {
    let mut branches = Vec::new();
    let mut level = txids.to_vec();
    while let Some((first, rest)) = level.split_first() {
        branches.push(*first);
        level = rest
            .chunks(2)
            // The last of an odd level is its own partner.
            .map(|pair| sha256d(&[&pair[0], pair.last().expect("chunks are not empty")]))
            .collect();
    }
    branches
}

#[cfg(test)]
mod tests {
    use bitcoin::hashes::{Hash as _, sha256d as bitcoin_sha256d};

    use super::*;
    use crate::pool::{SyntheticChain, TemplateSource as _};

    #[test]
    fn branches_lead_to_the_root_that_the_bitcoin_crate_computes() {
        for count in [0usize, 1, 2, 3, 4, 5, 6, 7, 8, 100, 3000] {
            let txids: Vec<Hash> = (0..count).map(|n| sha256d(&[&n.to_be_bytes()])).collect();
            let coinbase = sha256d(&[b"coinbase"]);
            let root = branches(&txids)
                .iter()
                .fold(coinbase, |at, next| sha256d(&[&at, next]));
            let all = std::iter::once(coinbase).chain(txids);
            let expected = bitcoin::merkle_tree::calculate_root(
                all.map(bitcoin_sha256d::Hash::from_byte_array),
            );
            assert_eq!(
                root,
                expected.unwrap().to_byte_array(),
                "{count} transactions"
            );
        }
    }

    #[test]
    fn the_room_is_where_the_cut_is() {
        let mut chain = SyntheticChain::new(1, 1.0);
        let mut template = chain.template(false);
        template.coinbase_value = Amount::from_sat(1_000_001);
        template.witness_commitment = Some(ScriptBuf::from_bytes(vec![0x6a, 0]));
        let payouts = vec![
            ScriptBuf::from_bytes(vec![0x51]),
            ScriptBuf::from_bytes(vec![0x52]),
        ];
        let cut = build(&template, "< OCEAN.XYZ >", &payouts, 12);
        let bytes = [&cut.coinb1[..], &[0xee; 12], &cut.coinb2].concat();
        let coinbase: Transaction = bitcoin::consensus::deserialize(&bytes).unwrap();
        assert!(coinbase.is_coinbase());
        assert!(
            coinbase.input[0]
                .script_sig
                .as_bytes()
                .ends_with(&[0xee; 12])
        );
        let values: Vec<u64> = coinbase
            .output
            .iter()
            .map(|out| out.value.to_sat())
            .collect();
        assert_eq!(values, [500_001, 500_000, 0]);
    }

    #[test]
    fn what_the_template_pays_comes_first() {
        let mut template = SyntheticChain::new(1, 1.0).template(false);
        template.coinbase_value = Amount::from_sat(1_000);
        let output = |sat, byte| TxOut {
            value: Amount::from_sat(sat),
            script_pubkey: ScriptBuf::from_bytes(vec![byte]),
        };
        template.payouts = vec![output(600, 1), output(1, 2)];
        template.witness_commitment = None;
        let ours = [
            ScriptBuf::from_bytes(vec![3]),
            ScriptBuf::from_bytes(vec![4]),
        ];
        let expected = [output(600, 1), output(1, 2), output(200, 3), output(199, 4)];
        assert_eq!(outputs(&template, &ours), expected);
    }
}
