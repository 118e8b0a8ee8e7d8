//! The wallet's directory: its files, and the lock for one process.
//!
//! ```text
//! wallet/            0700
//!   mnemonic         0600   twelve words: the wallet's seed
//!   wallet.redb      0600   the ecash and what is under way (cdk's store)
//!   lock             held by the process that uses the wallet
//! ```
//!
//! The seed is the wallet's own. The words bring back ecash that was in the wallet, and the
//! miner's keys that were made from them ([`crate::WordKey`]), with which the pool gives what
//! it still owes.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bip39::Mnemonic;
use cdk_common::CurrencyUnit;
use cdk_common::database;
use cdk_common::mint_url::MintUrl;
use cdk_common::nuts::State;
use serde::Serialize;
use thiserror::Error;

use crate::error::WalletError;
use crate::mint_address::mint_address;
use crate::purse::{Collided, Purse, Restored, Store, note_new_words, open_store};
use crate::readdress::readdress;
use crate::secret_file::{self, SecretFileError};

const MNEMONIC: &str = "mnemonic";
const STORE: &str = "wallet.redb";
const LOCK: &str = "lock";

/// Why a wallet could not be opened.
#[derive(Debug, Error)]
pub enum HomeError {
    /// Another process has it.
    #[error("the wallet in {0} is in use by another process: wait for it, or end it")]
    InUse(PathBuf),
    /// Others can look into it.
    #[error("{path} can be entered by others (mode {mode:o}): make it yours alone with `chmod 700 {path}`", path = .path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file with the words.
    #[error(transparent)]
    Mnemonic(#[from] SecretFileError),
    /// It does not hold twelve to twenty-four words of BIP39.
    #[error("{0}: no mnemonic: twelve words of BIP39's English list are expected")]
    NoMnemonic(PathBuf),
    /// Words that are not the ones that are there.
    #[error("{0} holds other words already: keep the two wallets in two directories")]
    OtherWords(PathBuf),
    /// A store without its words: they were lost, and new ones would not be its seed.
    #[error(
        "{store} is there, but {mnemonic} with its words is not: put back the copy of the words",
        store = .store.display(), mnemonic = .mnemonic.display()
    )]
    WordsGone {
        /// The store.
        store: PathBuf,
        /// Where the words should be.
        mnemonic: PathBuf,
    },
    /// The store.
    #[error("{path}: {why}", path = .path.display())]
    Store {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A number that no key has.
    #[error("the words have no key {number}: {why}")]
    Number {
        /// The number.
        number: u32,
        /// The reason.
        why: String,
    },
    /// Every key that a search from the words finds is in use.
    #[error(
        "the first {keys} keys of the words are all in use: give the number of one of them, or make a random key"
    )]
    KeysUsed {
        /// How many there are.
        keys: u32,
    },
    /// The file system's answer.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// An open wallet, for as long as it is not dropped.
pub struct Home {
    dir: PathBuf,
    seed: [u8; 64],
    store: Store,
    new_words: bool,
    _lock: File,
}

/// What the wallet has at one mint, in satoshis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MintBalance {
    /// Can be spent.
    pub spendable_sat: u64,
    /// In payments and swaps whose outcome is not known yet.
    pub pending_sat: u64,
    /// In tokens that were sent and not yet taken.
    pub sent_sat: u64,
}

impl Home {
    /// Opens the wallet in `dir`, and makes it when there is none.
    ///
    /// # Errors
    /// [`HomeError`]
    pub async fn open(dir: &Path) -> Result<Home, HomeError> {
        make_dir(dir)?;
        let lock = lock(dir)?;
        let (mnemonic, new_words) = words(dir)?;
        let path = dir.join(STORE);
        let failed = |why| HomeError::Store {
            path: path.clone(),
            why,
        };
        let store = open_store(&path).await.map_err(failed)?;
        let failed = |error: database::Error| failed(error.to_string());
        if new_words {
            // Nothing was ever signed for them: no mint needs to be searched.
            note_new_words(&store).await.map_err(failed)?;
        }
        readdress(&store).await.map_err(failed)?;
        Ok(Home::with_store(
            dir,
            mnemonic.to_seed_normalized(""),
            store,
            new_words,
            lock,
        ))
    }

    /// Makes the wallet in `dir` with the words `given` instead of new ones, or opens it
    /// when it has these words already. [`Home::restore`] brings its ecash back.
    ///
    /// # Errors
    /// [`HomeError::NoMnemonic`] for words that are none, [`HomeError::OtherWords`] and
    /// [`HomeError::WordsGone`] for a wallet that has, or had, others.
    pub async fn open_with_words(dir: &Path, given: &str) -> Result<Home, HomeError> {
        make_dir(dir)?;
        let path = dir.join(MNEMONIC);
        let given = parse_words(given, &path)?;
        let here = match secret_file::read(&path)? {
            Some(text) => Some(parse_words(&text, &path)?),
            None => None,
        };
        match here {
            Some(here) if here == given => {}
            Some(_) => return Err(HomeError::OtherWords(path)),
            None => {
                no_store_without_words(dir)?;
                secret_file::create(&path, &format!("{given}\n"))?;
            }
        }
        Home::open(dir).await
    }

    /// True when there is a wallet in `dir`, or what is left of one.
    pub fn is_there(dir: &Path) -> bool {
        dir.join(MNEMONIC).exists() || dir.join(STORE).exists()
    }

    /// The seed of the words in `dir`, which are left as they are; `None` when there are none.
    pub(crate) fn seed_in(dir: &Path) -> Result<Option<[u8; 64]>, HomeError> {
        let path = dir.join(MNEMONIC);
        let text = secret_file::read(&path)?;
        let words = text.map(|text| parse_words(&text, &path)).transpose()?;
        Ok(words.map(|words| words.to_seed_normalized("")))
    }

    pub(crate) fn seed(&self) -> &[u8; 64] {
        &self.seed
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn store_failed(&self, error: &database::Error) -> HomeError {
        HomeError::Store {
            path: self.dir.join(STORE),
            why: error.to_string(),
        }
    }

    fn with_store(dir: &Path, seed: [u8; 64], store: Store, new_words: bool, lock: File) -> Home {
        Home {
            dir: dir.to_owned(),
            seed,
            store,
            new_words,
            _lock: lock,
        }
    }

    /// The same wallet over a store that a test watches, or lets fail.
    #[cfg(test)]
    pub(crate) async fn over(dir: &Path, wrap: impl FnOnce(Store) -> Store) -> Home {
        let mut home = Home::open(dir).await.expect("opens");
        home.store = wrap(Arc::clone(&home.store));
        home
    }

    /// A purse under any spelling of a mint's address.
    #[cfg(test)]
    pub(crate) fn purse_of_earlier_version(&self, mint: &MintUrl, store: Store) -> Purse {
        Purse::open(mint, self.seed, store, &self.dir).expect("opens")
    }

    /// True when the words were made by this opening: they want to be copied.
    pub fn new_words(&self) -> bool {
        self.new_words
    }

    /// Where the words are.
    pub fn mnemonic_path(&self) -> PathBuf {
        self.dir.join(MNEMONIC)
    }

    /// The ecash of one mint in this wallet.
    ///
    /// # Errors
    /// [`WalletError::Address`] for a text that is no mint's address; when no HTTP client can be
    /// made.
    pub fn purse(&self, mint: &MintUrl) -> Result<Purse, WalletError> {
        let mint = mint_address(&mint.to_string())?;
        Purse::open(&mint, self.seed, Arc::clone(&self.store), &self.dir)
    }

    /// Looks for all ecash of `mint` that came from this wallet's words, and takes in
    /// what the wallet does not have. Doing it twice changes nothing; cut off, it is
    /// done again from the start.
    ///
    /// # Errors
    /// [`WalletError`]: what the mint says, or the store's.
    pub async fn restore(&self, mint: &MintUrl) -> Result<Restored, WalletError> {
        let purse = self.purse(mint)?;
        purse.info().await?;
        purse.recover_operations().await?;
        purse.search(Collided::No).await
    }

    /// The mints at which this wallet has, or had, something.
    ///
    /// # Errors
    /// [`WalletError::Store`]
    pub async fn balances(&self) -> Result<BTreeMap<String, MintBalance>, WalletError> {
        let store = |error: database::Error| WalletError::Store(error.to_string());
        let mut balances = BTreeMap::new();
        for mint in self.store.get_mints().await.map_err(store)?.into_keys() {
            let sum = async |state: State| {
                let (mint, unit) = (Some(mint.clone()), Some(CurrencyUnit::Sat));
                self.store
                    .get_balance(mint, unit, Some(vec![state]))
                    .await
                    .map_err(store)
            };
            let pending = sum(State::Pending).await? + sum(State::Reserved).await?;
            let balance = MintBalance {
                spendable_sat: sum(State::Unspent).await?,
                pending_sat: pending,
                sent_sat: sum(State::PendingSpent).await?,
            };
            balances.insert(mint.to_string(), balance);
        }
        Ok(balances)
    }
}

fn make_dir(dir: &Path) -> Result<(), HomeError> {
    let io = |source| HomeError::Io {
        path: dir.to_owned(),
        source,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(io)?;
    let mode = fs::metadata(dir).map_err(io)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(HomeError::Open {
            path: dir.to_owned(),
            mode,
        });
    }
    Ok(())
}

/// Freed by the system when the process ends, however it ends.
fn lock(dir: &Path) -> Result<File, HomeError> {
    let path = dir.join(LOCK);
    let io = |source| HomeError::Io {
        path: path.clone(),
        source,
    };
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(HomeError::InUse(dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

fn words(dir: &Path) -> Result<(Mnemonic, bool), HomeError> {
    let path = dir.join(MNEMONIC);
    if let Some(text) = secret_file::read(&path)? {
        return Ok((parse_words(&text, &path)?, false));
    }
    no_store_without_words(dir)?;
    let entropy: [u8; 16] = rand::random();
    let words = Mnemonic::from_entropy(&entropy).expect("16 bytes are twelve words");
    secret_file::create(&path, &format!("{words}\n"))?;
    Ok((words, true))
}

fn parse_words(text: &str, path: &Path) -> Result<Mnemonic, HomeError> {
    text.parse()
        .map_err(|_| HomeError::NoMnemonic(path.to_owned()))
}

fn no_store_without_words(dir: &Path) -> Result<(), HomeError> {
    let store = dir.join(STORE);
    if store.exists() {
        let mnemonic = dir.join(MNEMONIC);
        return Err(HomeError::WordsGone { store, mnemonic });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn a_wallet_is_made_once_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep").join("wallet");
        let home = Home::open(&path).await.unwrap();
        assert!(home.new_words());
        let seed = home.seed;
        let words = fs::read_to_string(home.mnemonic_path()).unwrap();
        assert_eq!(words.split_whitespace().count(), 12);
        drop(home);
        let home = Home::open(&path).await.unwrap();
        assert!(!home.new_words());
        assert_eq!(home.seed, seed);
        for (name, mode) in [("", 0o700), (MNEMONIC, 0o600), (STORE, 0o600)] {
            let found = fs::metadata(path.join(name)).unwrap().mode() & 0o777;
            assert_eq!(found, mode, "{name}");
        }
    }

    #[tokio::test]
    async fn one_process_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wallet");
        let home = Home::open(&path).await.unwrap();
        let second = Home::open(&path).await.map(drop);
        assert!(matches!(second, Err(HomeError::InUse(_))), "{second:?}");
        drop(home);
        Home::open(&path).await.unwrap();
    }

    #[tokio::test]
    async fn lost_words_are_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wallet");
        drop(Home::open(&path).await.unwrap());
        fs::remove_file(path.join(MNEMONIC)).unwrap();
        let opened = Home::open(&path).await.map(drop);
        assert!(
            matches!(opened, Err(HomeError::WordsGone { .. })),
            "{opened:?}"
        );
        secret_file::create(&path.join(MNEMONIC), "no words at all\n").unwrap();
        let opened = Home::open(&path).await.map(drop);
        assert!(
            matches!(opened, Err(HomeError::NoMnemonic(_))),
            "{opened:?}"
        );
    }

    #[tokio::test]
    async fn a_directory_for_all_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wallet");
        drop(Home::open(&path).await.unwrap());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let opened = Home::open(&path).await.map(drop);
        assert!(
            matches!(opened, Err(HomeError::Open { mode: 0o755, .. })),
            "{opened:?}"
        );
    }
}
