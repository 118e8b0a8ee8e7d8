//! The money of channels that the node does not know any more.
//!
//! A node that starts from its words alone has no channels; their peers close them, and pay
//! its balances out on-chain. Not to its wallet: each goes to one of
//! [`STATIC_PAYMENT_KEY_COUNT`](lightning::sign::STATIC_PAYMENT_KEY_COUNT) keys of the seed,
//! by one of two scripts, and which it is was in the state that is lost. So all of them are
//! looked for on the chain (LDK, `KeysManager::possible_v2_counterparty_closed_balance_spks`),
//! and what is found is sent on to an address of the wallet. What was under way in a channel
//! when it was closed is not found.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bitcoin::secp256k1::{All, Secp256k1};
use bitcoin::{Address, Network, ScriptBuf, Transaction};
use lightning::chain::transaction::OutPoint;
use lightning::ln::chan_utils::{ChannelTransactionParameters, get_countersigner_payment_script};
use lightning::sign::{
    ChannelSigner as _, KeysManager, OutputSpender as _, SpendableOutputDescriptor,
    StaticPaymentOutputDescriptor,
};
use lightning::types::features::ChannelTypeFeatures;
use thiserror::Error;

use crate::chain::Unspent;
use crate::keys::{KeyError, node_keys};
use crate::seed::Seed;

/// Each name of a channel's keys leads to one of a thousand payment keys, as by chance:
/// after so many one that was not met is none of them.
const NAMES_TRIED: u64 = 100_000;

/// Why nothing was made.
#[derive(Debug, Error)]
pub enum ForgottenError {
    /// The words give no keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// It is at none of the scripts.
    #[error("{0} is not an output of this node")]
    NotOurs(bitcoin::OutPoint),
    /// All of it together is not worth the fee.
    #[error("{sat} sat are not worth a fee of {sat_per_vbyte} sat/vB")]
    NotWorthIt {
        /// What was found.
        sat: u64,
        /// The fee's rate.
        sat_per_vbyte: u32,
    },
}

/// What can be found with a node's words.
pub struct Forgotten {
    keys: KeysManager,
    secp: Secp256k1<All>,
    scripts: Vec<ScriptBuf>,
}

/// Never shows a key.
impl fmt::Debug for Forgotten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forgotten").finish_non_exhaustive()
    }
}

/// The two kinds of channels, whose balances are paid out by scripts of their own.
fn kinds() -> [ChannelTypeFeatures; 2] {
    let plain = ChannelTypeFeatures::only_static_remote_key();
    let mut anchors = plain.clone();
    anchors.set_anchors_zero_fee_htlc_tx_required();
    [plain, anchors]
}

impl Forgotten {
    /// Of the node with these words.
    ///
    /// # Errors
    /// If they give no keys.
    pub fn of(seed: &Seed, network: Network) -> Result<Self, ForgottenError> {
        let (keys, secp) = (node_keys(seed, network)?, Secp256k1::new());
        let scripts = keys.possible_v2_counterparty_closed_balance_spks(&secp);
        Ok(Forgotten {
            keys,
            secp,
            scripts,
        })
    }

    /// Where peers pay balances out to.
    pub fn scripts(&self) -> &[ScriptBuf] {
        &self.scripts
    }

    /// A signed transaction that sends all of `found` to `to`, less the fee.
    ///
    /// # Errors
    /// If one of them is not ours, or all of them are not worth the fee.
    pub fn send(
        &self,
        found: &[Unspent],
        to: &Address,
        sat_per_vbyte: u32,
    ) -> Result<Transaction, ForgottenError> {
        let named = self.named(found)?;
        let mut descriptors = Vec::with_capacity(found.len());
        for one in found {
            let name = named.get(&one.output.script_pubkey);
            let (name, kind) = name.ok_or(ForgottenError::NotOurs(one.outpoint))?;
            descriptors.push(self.descriptor(one, *name, kind)?);
        }
        let descriptors: Vec<_> = descriptors.iter().collect();
        // A thousand units of weight are 250 vbytes.
        let rate = sat_per_vbyte.saturating_mul(250);
        let script = to.script_pubkey();
        let sent = self.keys.spend_spendable_outputs(
            &descriptors,
            Vec::new(),
            script,
            rate,
            None,
            &self.secp,
        );
        let sat = found.iter().map(|one| one.output.value.to_sat()).sum();
        let not_worth_it = ForgottenError::NotWorthIt { sat, sat_per_vbyte };
        // LDK leaves out what would be dust, and makes a transaction that pays nobody.
        match sent {
            Ok(transaction) if !transaction.output.is_empty() => Ok(transaction),
            Ok(_) | Err(()) => Err(not_worth_it),
        }
    }

    /// For each script that was found, the name of some channel's keys that LDK signs for
    /// it with, and the kind of the channel. The name of the channel itself is lost.
    fn named(
        &self,
        found: &[Unspent],
    ) -> Result<BTreeMap<ScriptBuf, ([u8; 32], ChannelTypeFeatures)>, ForgottenError> {
        let mut missing: BTreeSet<_> = found.iter().map(|one| &one.output.script_pubkey).collect();
        let foreign = found
            .iter()
            .find(|one| !self.scripts.contains(&one.output.script_pubkey));
        if let Some(foreign) = foreign {
            return Err(ForgottenError::NotOurs(foreign.outpoint));
        }
        let mut named = BTreeMap::new();
        for number in 0..NAMES_TRIED {
            if missing.is_empty() {
                break;
            }
            let name = name(number);
            let signer = self.keys.derive_channel_keys(&name);
            let point = signer.pubkeys(&self.secp).payment_point;
            for kind in kinds() {
                let script = get_countersigner_payment_script(&kind, &point);
                if missing.remove(&script) {
                    named.insert(script, (name, kind));
                }
            }
        }
        Ok(named)
    }

    fn descriptor(
        &self,
        one: &Unspent,
        name: [u8; 32],
        kind: &ChannelTypeFeatures,
    ) -> Result<SpendableOutputDescriptor, ForgottenError> {
        let not_ours = || ForgottenError::NotOurs(one.outpoint);
        let outpoint = OutPoint {
            txid: one.outpoint.txid,
            index: u16::try_from(one.outpoint.vout).map_err(|_| not_ours())?,
        };
        let signer = self.keys.derive_channel_keys(&name);
        let value = one.output.value.to_sat();
        // What tells the script's kind, and whose it is. The rest of a channel is not
        // looked at by who signs for this output.
        let parameters = ChannelTransactionParameters {
            holder_pubkeys: signer.pubkeys(&self.secp),
            holder_selected_contest_delay: 0,
            is_outbound_from_holder: false,
            counterparty_parameters: None,
            funding_outpoint: None,
            splice_parent_funding_txid: None,
            channel_type_features: kind.clone(),
            channel_value_satoshis: value,
        };
        Ok(SpendableOutputDescriptor::StaticPaymentOutput(
            StaticPaymentOutputDescriptor {
                outpoint,
                output: one.output.clone(),
                channel_keys_id: name,
                channel_value_satoshis: value,
                channel_transaction_parameters: Some(parameters),
            },
        ))
    }
}

fn name(number: u64) -> [u8; 32] {
    let mut name = [0; 32];
    name[24..].copy_from_slice(&number.to_be_bytes());
    name
}

#[cfg(test)]
mod tests {
    use bitcoin::hashes::Hash as _;
    use bitcoin::secp256k1::Message;
    use bitcoin::secp256k1::ecdsa::Signature;
    use bitcoin::sighash::{EcdsaSighashType, SighashCache};
    use bitcoin::{Amount, PublicKey, Sequence, TxOut, Txid};

    use super::*;

    const WORDS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

    fn forgotten() -> Forgotten {
        Forgotten::of(&Seed::for_tests(WORDS), Network::Regtest).unwrap()
    }

    fn address() -> Address {
        crate::payout_address(&Seed::for_tests(WORDS), Network::Regtest).unwrap()
    }

    fn unspent(number: u32, script: &ScriptBuf, sat: u64) -> Unspent {
        Unspent {
            outpoint: bitcoin::OutPoint::new(Txid::from_byte_array([7; 32]), number),
            output: TxOut {
                value: Amount::from_sat(sat),
                script_pubkey: script.clone(),
            },
            height: 1,
            may_be_coinbase: false,
        }
    }

    /// As consensus has it for these two scripts: BIP 143's hash, signed by the key that
    /// the script names.
    fn is_signed(transaction: &Transaction, index: usize, spent: &Unspent) {
        let input = &transaction.input[index];
        assert_eq!(input.previous_output, spent.outpoint);
        let script = &spent.output.script_pubkey;
        let (signature, last) = (&input.witness[0], &input.witness[1]);
        let mut cache = SighashCache::new(transaction);
        let (value, all) = (spent.output.value, EcdsaSighashType::All);
        let (hash, key) = if script.is_p2wpkh() {
            let key = PublicKey::from_slice(last).unwrap();
            let owner = ScriptBuf::new_p2wpkh(&key.wpubkey_hash().unwrap());
            assert_eq!(owner, *script);
            let hash = cache.p2wpkh_signature_hash(index, script, value, all);
            (hash.unwrap(), key)
        } else {
            // <key> OP_CHECKSIGVERIFY 1 OP_CHECKSEQUENCEVERIFY (BOLT 3, `to_remote`).
            let witness = ScriptBuf::from_bytes(last.to_vec());
            assert_eq!(witness.to_p2wsh(), *script);
            assert_eq!(input.sequence, Sequence::from_consensus(1));
            let key = PublicKey::from_slice(&last[1..34]).unwrap();
            assert_eq!(last[34..], [0xad, 0x51, 0xb2]);
            let hash = cache.p2wsh_signature_hash(index, &witness, value, all);
            (hash.unwrap(), key)
        };
        let (kind, der) = signature.split_last().unwrap();
        assert_eq!(*kind, 1);
        let signature = Signature::from_der(der).unwrap();
        let message = Message::from_digest(hash.to_byte_array());
        let secp = Secp256k1::verification_only();
        secp.verify_ecdsa(&message, &signature, &key.inner).unwrap();
    }

    #[test]
    fn what_is_found_is_sent_on_less_the_fee() {
        let forgotten = forgotten();
        assert_eq!(forgotten.scripts().len(), 2000);
        // Both kinds, the last key, and one key twice.
        let places = [0, 1, 1, 1999];
        let found: Vec<_> = (0..)
            .zip(places)
            .map(|(number, place)| unspent(number, &forgotten.scripts()[place], 50_000))
            .collect();
        let sent = forgotten.send(&found, &address(), 10).unwrap();
        assert_eq!(sent.input.len(), found.len());
        for (index, spent) in found.iter().enumerate() {
            is_signed(&sent, index, spent);
        }
        assert_eq!(sent.output.len(), 1);
        assert_eq!(sent.output[0].script_pubkey, address().script_pubkey());
        let fee = 200_000 - sent.output[0].value.to_sat();
        // Four units of weight are a vbyte.
        let least = sent.weight().to_wu() * 10 / 4;
        assert!((least..least * 11 / 10).contains(&fee), "{fee}, {least}");
    }

    #[test]
    fn what_is_not_ours_or_not_worth_it_is_refused() {
        let forgotten = forgotten();
        let foreign = unspent(0, &address().script_pubkey(), 50_000);
        let refused = forgotten.send(&[foreign], &address(), 10);
        assert!(matches!(refused, Err(ForgottenError::NotOurs(_))));
        let small = unspent(0, &forgotten.scripts()[0], 500);
        let refused = forgotten.send(&[small], &address(), 10);
        assert!(matches!(refused, Err(ForgottenError::NotWorthIt { .. })));
    }
}
