//! Miner's keys that follow from the wallet's words.
//!
//! The path is the one of cashubtc/nuts #331 and of cdk: `m/129373'/10'/0'/0'/{number}`, so
//! that another wallet with these words has the same keys. Numbers begin at 0, and a key
//! is asked for among the first [`KEYS`] of them: a wallet that has only its words finds every
//! one by asking the pool about all of these, and no gap in them hides a later one.

use std::collections::BTreeSet;
use std::path::Path;

use bitcoin::bip32::{ChildNumber, DerivationPath, Xpriv};
use cdk::SECP256K1;
use cdk_common::database;
use cdk_common::mint_url::MintUrl;
use cdk_common::nuts::PublicKey;

use crate::error::WalletError;
use crate::home::{Home, HomeError};
use crate::key::OwnerKey;

/// The numbers that keys are given from, and that a search asks for: 0 to 199.
const KEYS: u32 = 200;

const PURPOSE: u32 = 129_373;
const ACCOUNT: u32 = 10;

/// Keys in one look-up; mints bound it at 50.
const LOOK_UP: usize = 50;

/// An answer of so many quotes may be cut off at the mint's bound, and is asked for again in
/// halves.
const LONG_ANSWER: usize = 1000;

/// A miner's key that follows from words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordKey {
    /// Its number among the keys of the words.
    pub number: u32,
    /// The key.
    pub key: OwnerKey,
    /// The public key in the spelling, `02` or `03`, of other wallets with these words.
    pub public_hex: String,
}

impl WordKey {
    fn of(seed: &[u8; 64], number: u32) -> Result<WordKey, HomeError> {
        let failed = |error: &dyn std::fmt::Display| HomeError::Number {
            number,
            why: error.to_string(),
        };
        let secret = Xpriv::new_master(bitcoin::Network::Bitcoin, seed)
            .and_then(|master| master.derive_priv(&SECP256K1, &path(number)?))
            .map_err(|error| failed(&error))?
            .private_key;
        let public = PublicKey::from(secret.public_key(&SECP256K1));
        Ok(WordKey {
            number,
            key: OwnerKey::from_bytes(&secret.secret_bytes()).map_err(|error| failed(&error))?,
            public_hex: public.to_hex(),
        })
    }

    /// The number of `key` among the keys of the words of the wallet in `dir`: one of the first
    /// 200, or `hint`. `None` for a key of elsewhere, and where there is no wallet.
    ///
    /// # Errors
    /// [`HomeError`]: the file with the words cannot be read.
    pub fn find(
        dir: &Path,
        key: &OwnerKey,
        hint: Option<u32>,
    ) -> Result<Option<WordKey>, HomeError> {
        let Some(seed) = Home::seed_in(dir)? else {
            return Ok(None);
        };
        for number in hint.into_iter().chain(0..KEYS) {
            let found = WordKey::of(&seed, number)?;
            if found.key == *key {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

fn path(number: u32) -> Result<DerivationPath, bitcoin::bip32::Error> {
    Ok(DerivationPath::from(vec![
        ChildNumber::from_hardened_idx(PURPOSE)?,
        ChildNumber::from_hardened_idx(ACCOUNT)?,
        ChildNumber::from_hardened_idx(0)?,
        ChildNumber::from_hardened_idx(0)?,
        ChildNumber::from_normal_idx(number)?,
    ]))
}

impl Home {
    /// The first key of the words that this wallet has not given out yet and that no search
    /// found. It is noted before it is returned, so that it is given out once.
    ///
    /// # Errors
    /// [`HomeError::KeysUsed`] when all 200 are in use; the store's.
    pub async fn next_key(&self) -> Result<WordKey, HomeError> {
        let keys = self.store().list_p2pk_keys().await;
        let keys = keys.map_err(|error| self.store_failed(&error))?;
        let used: BTreeSet<u32> = keys.iter().map(|key| key.derivation_index).collect();
        let next = (0..KEYS).find(|number| !used.contains(number));
        self.numbered_key(next.ok_or(HomeError::KeysUsed { keys: KEYS })?)
            .await
    }

    /// The key `number` of the words, whether or not it was given out before.
    ///
    /// # Errors
    /// [`HomeError::Number`] above 2^31 - 1; the store's.
    pub async fn numbered_key(&self, number: u32) -> Result<WordKey, HomeError> {
        let key = WordKey::of(self.seed(), number)?;
        self.note(&key)
            .await
            .map_err(|error| self.store_failed(&error))?;
        Ok(key)
    }

    /// Asks `mint` which of the words' first 200 keys it has quotes of, and notes those as given
    /// out. The mint learns that these keys are of one owner. A mint that is no pool has none.
    ///
    /// # Errors
    /// [`WalletError`]: what the mint says, or the store's.
    pub async fn find_keys(&self, mint: &MintUrl) -> Result<Vec<WordKey>, WalletError> {
        let purse = self.purse(mint)?;
        let Some(mint_key) = purse.info().await?.pubkey else {
            return Ok(Vec::new());
        };
        let mut keys = Vec::new();
        for number in 0..KEYS {
            let key = WordKey::of(self.seed(), number);
            keys.push(key.map_err(|error| WalletError::Store(error.to_string()))?);
        }
        let mut waiting: Vec<&[WordKey]> = keys.chunks(LOOK_UP).rev().collect();
        let mut found = Vec::new();
        while let Some(asked) = waiting.pop() {
            let owners: Vec<&OwnerKey> = asked.iter().map(|key| &key.key).collect();
            let quotes = match purse.pool.look_up(&mint_key, &owners).await {
                Ok(quotes) => quotes,
                Err(WalletError::NoPool { .. }) => return Ok(Vec::new()),
                Err(error) => return Err(error),
            };
            let is_unclear = quotes.iter().any(|quote| quote.pubkey.is_none());
            if (is_unclear || quotes.len() >= LONG_ANSWER) && asked.len() > 1 {
                let (first, second) = asked.split_at(asked.len() / 2);
                waiting.extend([second, first]);
                continue;
            }
            let locks: BTreeSet<[u8; 32]> = quotes
                .iter()
                .filter_map(|quote| quote.pubkey)
                .map(|key| key.x_only_public_key().serialize())
                .collect();
            // A quote without a lock is of the one key that was asked for.
            let known =
                |key: &&WordKey| is_unclear || locks.contains(&key.key.x_only().serialize());
            found.extend(asked.iter().filter(known).cloned());
        }
        for key in &found {
            let noted = self.note(key).await;
            noted.map_err(|error| purse.store_error(error))?;
        }
        Ok(found)
    }

    /// Where cdk keeps such keys too.
    async fn note(&self, key: &WordKey) -> Result<(), database::Error> {
        let failed = |error: &dyn std::fmt::Display| database::Error::Internal(error.to_string());
        let public = PublicKey::from_hex(&key.public_hex).map_err(|error| failed(&error))?;
        if self.store().get_p2pk_key(&public).await?.is_some() {
            return Ok(());
        }
        let path = path(key.number).map_err(|error| failed(&error))?;
        self.store().add_p2pk_key(&public, path, key.number).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of BIP32 that are not hardened end here.
    const MAX_NUMBER: u32 = (1 << 31) - 1;

    /// The words and keys of the test vectors in cdk's `wallet/p2pk.rs`.
    #[test]
    fn the_path_is_that_of_other_wallets() {
        let words: bip39::Mnemonic =
            "half depart obvious quality work element tank gorilla view sugar picture humble"
                .parse()
                .unwrap();
        let seed = words.to_seed_normalized("");
        for (number, public) in VECTORS {
            let key = WordKey::of(&seed, number).unwrap();
            assert_eq!(key.public_hex, public);
            assert_eq!(key.key.public_hex()[2..], public[2..]);
        }
        assert!(WordKey::of(&seed, MAX_NUMBER).is_ok());
        let above = WordKey::of(&seed, MAX_NUMBER + 1);
        assert!(matches!(above, Err(HomeError::Number { .. })), "{above:?}");
    }

    const VECTORS: [(u32, &str); 5] = [
        (
            0,
            "021693d45f4fdf610ae641fedb0944fb460fbb8264f21c19d2626c3da755fcbbcb",
        ),
        (
            1,
            "0395461ab678058c0ed6aa39f38dda490eaa163e9ad27070b23ec3d06b41e07535",
        ),
        (
            2,
            "02a05e4e593a633e9b4405f01c9632c8afde24cb613017a1aee56fd76291ad26d1",
        ),
        (
            3,
            "033addea25c3873b93d67d536c61c9d9c993f6efd8b9dfa657951b66b5001e51dd",
        ),
        (
            4,
            "03c964bdf42fc82b6c574615746eeca37527a24f1fdfc1b34a732c53843b5744a5",
        ),
    ];
}
