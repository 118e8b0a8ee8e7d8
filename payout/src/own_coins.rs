//! The wallet's own coins that the wallet does not see.
//!
//! ldk-node on bitcoind starts a new wallet at the chain's tip and offers no way to have it
//! look back. After a restore from words its coins are on the chain, its keys are here, and
//! the wallet shows nothing. So the addresses of both of its rows are looked for among all
//! that is unspent, and what is in blocks from before the wallet's first is sent to an
//! address that it watches. (Decision 0018 has why this and not a scan of the blocks.)

use std::collections::BTreeMap;
use std::fmt;

use bitcoin::absolute::LockTime;
use bitcoin::secp256k1::Message;
use bitcoin::sighash::{EcdsaSighashType, SighashCache};
use bitcoin::transaction::Version;
use bitcoin::{
    Address, Amount, Network, PrivateKey, PublicKey, ScriptBuf, Sequence, Transaction, TxIn, TxOut,
    Witness, ecdsa,
};
use thiserror::Error;

use crate::chain::Unspent;
use crate::keys::{KeyError, Keychain, WalletKeys};
use crate::seed::Seed;

/// How many addresses beyond the last that is known of are looked for, too.
pub const BEYOND: u32 = 200;

/// Inputs of one transaction: 500 make some 34,000 of the 100,000 vbytes that are relayed.
pub const MOST_INPUTS: usize = 500;

/// How old a coinbase must be before it can be spent (consensus).
const COINBASE_MATURITY: u32 = 100;

/// Weight of an input of ours, its witness with a signature of 71 bytes among it.
const INPUT_WEIGHT: u64 = 41 * 4 + 107;

/// Weight of all else: version, counts, marker, lock time, and one output to the wallet.
const FRAME_WEIGHT: u64 = 11 * 4 - 2 + 31 * 4 + 4;

/// Below this an output of the wallet's kind is not relayed.
const DUST_SAT: u64 = 294;

/// Why nothing was made.
#[derive(Debug, Error)]
pub enum OwnCoinsError {
    /// The words give no keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// It is at none of the addresses.
    #[error("{0} is not a coin of this node's wallet")]
    NotOurs(bitcoin::OutPoint),
    /// It cannot be signed for.
    #[error("{0} cannot be signed for: {1}")]
    Unsigned(bitcoin::OutPoint, String),
    /// All of it together is not worth the fee.
    #[error("{sat} sat are not worth a fee of {sat_per_vbyte} sat/vB")]
    NotWorthIt {
        /// What was found.
        sat: u64,
        /// The fee's rate.
        sat_per_vbyte: u32,
    },
}

/// The wallet's addresses and their keys.
pub struct OwnCoins {
    keys: WalletKeys,
    places: BTreeMap<ScriptBuf, (Keychain, u32)>,
}

/// Never shows a key.
impl fmt::Debug for OwnCoins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnCoins").finish_non_exhaustive()
    }
}

/// Coins that were found, by what can be done with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sorted {
    /// The wallet does not see them, and they can be spent: the largest first.
    pub unseen: Vec<Unspent>,
    /// Like these, but of coinbases that are too young to be spent.
    pub young: Vec<Unspent>,
}

impl OwnCoins {
    /// Of the wallet with these words, up to these two addresses and [`BEYOND`].
    ///
    /// # Errors
    /// If they give no keys.
    pub fn of(
        seed: &Seed,
        network: Network,
        (external, internal): (u32, u32),
    ) -> Result<Self, OwnCoinsError> {
        let keys = WalletKeys::new(seed, network)?;
        let mut places = BTreeMap::new();
        for (keychain, last) in [
            (Keychain::External, external),
            (Keychain::Internal, internal),
        ] {
            for index in 0..=last.saturating_add(BEYOND) {
                let script = keys.key(keychain, index)?.address.script_pubkey();
                places.insert(script, (keychain, index));
            }
        }
        Ok(OwnCoins { keys, places })
    }

    /// The wallet's addresses.
    pub fn scripts(&self) -> impl Iterator<Item = &ScriptBuf> {
        self.places.keys()
    }

    /// What of `found` is the wallet's and unseen by it: a wallet that began at
    /// `first_block` has seen each later one.
    pub fn sort(&self, found: &[Unspent], first_block: u32, tip: u32) -> Sorted {
        let is_ours = |one: &&Unspent| {
            self.places.contains_key(&one.output.script_pubkey) && one.height <= first_block
        };
        let is_young = |one: &Unspent| {
            one.may_be_coinbase && tip.saturating_sub(one.height) + 1 < COINBASE_MATURITY
        };
        let ours = found.iter().filter(is_ours).cloned();
        let (young, mut unseen): (Vec<_>, Vec<_>) = ours.partition(is_young);
        unseen.sort_by_key(|one| (std::cmp::Reverse(one.output.value), one.outpoint));
        Sorted { unseen, young }
    }

    /// A signed transaction that sends the first [`MOST_INPUTS`] of `found` to `to`, less
    /// the fee. What is not worth its own input is left.
    ///
    /// # Errors
    /// If one of them is not ours, or they are not worth the fee.
    pub fn send(
        &self,
        found: &[Unspent],
        to: &Address,
        sat_per_vbyte: u32,
    ) -> Result<Transaction, OwnCoinsError> {
        let cost = |weight: u64| weight.div_ceil(4).saturating_mul(u64::from(sat_per_vbyte));
        let is_worth_it = |one: &&Unspent| one.output.value.to_sat() > cost(INPUT_WEIGHT);
        let spent: Vec<&Unspent> = found.iter().filter(is_worth_it).take(MOST_INPUTS).collect();
        // The source was checked: all that is unspent is no overflow.
        let sat = spent
            .iter()
            .map(|one| one.output.value.to_sat())
            .sum::<u64>();
        let inputs = u64::try_from(spent.len()).unwrap_or(u64::MAX);
        let fee = cost(FRAME_WEIGHT.saturating_add(INPUT_WEIGHT.saturating_mul(inputs)));
        let left = sat.checked_sub(fee).filter(|left| *left >= DUST_SAT);
        let left = left.ok_or(OwnCoinsError::NotWorthIt { sat, sat_per_vbyte })?;
        let mut transaction = Transaction {
            version: Version::TWO,
            lock_time: LockTime::ZERO,
            input: spent
                .iter()
                .map(|one| TxIn {
                    previous_output: one.outpoint,
                    sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
                    ..TxIn::default()
                })
                .collect(),
            output: vec![TxOut {
                value: Amount::from_sat(left),
                script_pubkey: to.script_pubkey(),
            }],
        };
        let mut witnesses = Vec::with_capacity(spent.len());
        let mut cache = SighashCache::new(&transaction);
        for (index, one) in spent.iter().enumerate() {
            witnesses.push(self.witness(&mut cache, index, one)?);
        }
        for (input, witness) in transaction.input.iter_mut().zip(witnesses) {
            input.witness = witness;
        }
        Ok(transaction)
    }

    fn witness(
        &self,
        cache: &mut SighashCache<&Transaction>,
        index: usize,
        one: &Unspent,
    ) -> Result<Witness, OwnCoinsError> {
        let script = &one.output.script_pubkey;
        let place = self.places.get(script);
        let (keychain, number) = place.ok_or(OwnCoinsError::NotOurs(one.outpoint))?;
        let key: PrivateKey = self.keys.key(*keychain, *number)?.private;
        let (value, all) = (one.output.value, EcdsaSighashType::All);
        let hash = cache.p2wpkh_signature_hash(index, script, value, all);
        let hash =
            hash.map_err(|error| OwnCoinsError::Unsigned(one.outpoint, error.to_string()))?;
        let secp = self.keys.secp();
        let signature = secp.sign_ecdsa_low_r(&Message::from(hash), &key.inner);
        let signature = ecdsa::Signature::sighash_all(signature);
        let public: PublicKey = key.public_key(secp);
        Ok(Witness::p2wpkh(&signature, &public.inner))
    }
}

#[cfg(test)]
mod tests;
