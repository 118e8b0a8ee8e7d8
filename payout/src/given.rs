//! Which addresses the wallet has ever given out, kept outside of the node's store.
//!
//! The store is lost with its disk, and never in a backup (decision 0010). A wallet that
//! starts anew from its words would count from its first address again, which is where
//! OCEAN pays on-chain, and give addresses a second time. So the counter is written beside
//! the store, where backups take it from, and beside the words, each time before ldk-node
//! has an address (the node's store sees it write its own). A wallet whose store
//! is behind the counter is led beyond it before the node starts.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::files::{self, NewerVersion};

/// The file beside the store. A part of a backup.
const NAME: &str = "wallet.json";

/// How many addresses are passed over when the store is lost: so many may have been given
/// out since the copy of the counter was made. Each costs a request in each look of a node
/// on Esplora.
pub(crate) const PASSED_OVER: u32 = 100;

/// The shape of the file.
const VERSION: u64 = 1;

/// Why the counter cannot be used.
#[derive(Debug, Error)]
pub(crate) enum GivenError {
    /// A file cannot be read or written.
    #[error("{path} cannot be used: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is not what we wrote.
    #[error(
        "{path} is damaged: {error}. Remove it, and the node starts with a counter beyond all that is likely"
    )]
    Damaged {
        /// Which.
        path: PathBuf,
        /// How.
        error: serde_json::Error,
    },
    /// A newer program wrote it.
    #[error("{path}: {newer}")]
    Newer {
        /// Which.
        path: PathBuf,
        /// Which version.
        newer: NewerVersion,
    },
}

/// What was ever given out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Given {
    version: u64,
    /// The payout address, which tells whose counter it is; `None` while no node has
    /// started with the words.
    address: Option<String>,
    /// The first block that a wallet of these words saw; nothing of it is older.
    pub(crate) birthday: Option<u32>,
    /// The block at which the wallet of the present store began: it has seen nothing of
    /// what was there by then. 0: it has asked for each of its addresses. `None`: not known
    /// yet.
    pub(crate) first_block: Option<u32>,
    /// The wallet began anew on a chain where it may have had coins, and nobody has looked
    /// for them.
    #[serde(default)]
    pub(crate) is_unsought: bool,
    /// The last address that was given out, counted from 0.
    pub(crate) external: u32,
    /// The last change address, likewise.
    pub(crate) internal: u32,
}

/// The two files.
#[derive(Debug)]
pub(crate) struct GivenFiles {
    beside_store: PathBuf,
    beside_words: PathBuf,
    known: Mutex<Given>,
    /// Nobody has started a node with these words yet.
    pub(crate) is_fresh: bool,
}

/// Where the counter beside the words at `path` is.
fn beside(words: &Path) -> PathBuf {
    let mut name = words.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(NAME);
    words.with_file_name(name)
}

/// Says of new words that no node has started with them: what has no such file may have
/// been anybody's.
pub(crate) fn words_are_new(words: &Path) -> io::Result<()> {
    let new = Given {
        version: VERSION,
        ..Given::default()
    };
    write(&beside(words), &new)
}

impl GivenFiles {
    /// The counter of the node with `address` as its payout address: the furthest that any
    /// of its files tells.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub(crate) fn open(dir: &Path, words: &Path, address: &str) -> Result<GivenFiles, GivenError> {
        let (beside_store, beside_words) = (dir.join(NAME), beside(words));
        let mut known = Given {
            version: VERSION,
            address: Some(address.to_owned()),
            ..Given::default()
        };
        let (mut is_new, mut was_used) = (false, false);
        for path in [&beside_store, &beside_words] {
            let Some(found) = read(path)? else { continue };
            match found.address.as_deref() {
                None => is_new = true,
                Some(ours) if ours == address => {
                    was_used = true;
                    known.raise(&found);
                }
                Some(other) => tracing::warn!(
                    file = %path.display(), other, address,
                    "the counter of addresses is of other words: it is written anew"
                ),
            }
        }
        Ok(GivenFiles {
            beside_store,
            beside_words,
            known: Mutex::new(known),
            // What is known of a node that ran beats a file of before.
            is_fresh: is_new && !was_used,
        })
    }

    /// What is known.
    pub(crate) fn known(&self) -> Given {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    /// Keeps that these were given out; on disk when it returns.
    ///
    /// # Errors
    /// If it cannot be written beside the store. Words may be where nothing can be written.
    pub(crate) fn raise(&self, more: &Given) -> io::Result<()> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut raised = known.clone();
        raised.raise(more);
        if raised == *known {
            return Ok(());
        }
        self.write_both(&raised)?;
        *known = raised;
        Ok(())
    }

    /// Keeps where the wallet of the present store began.
    ///
    /// # Errors
    /// As [`Self::raise`].
    pub(crate) fn set_first_block(&self, block: Option<u32>) -> io::Result<()> {
        self.set(|known| known.first_block = block)
    }

    /// Keeps whether somebody still has to look for older coins of the wallet.
    ///
    /// # Errors
    /// As [`Self::raise`].
    pub(crate) fn set_unsought(&self, is_unsought: bool) -> io::Result<()> {
        self.set(|known| known.is_unsought = is_unsought)
    }

    fn set(&self, change: impl FnOnce(&mut Given)) -> io::Result<()> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut set = known.clone();
        change(&mut set);
        if set == *known {
            return Ok(());
        }
        self.write_both(&set)?;
        *known = set;
        Ok(())
    }

    fn write_both(&self, given: &Given) -> io::Result<()> {
        write(&self.beside_store, given)?;
        if let Err(error) = write(&self.beside_words, given) {
            tracing::debug!(file = %self.beside_words.display(), %error, "the counter of addresses is not kept beside the words");
        }
        Ok(())
    }

    /// Writes both files, changed or not: those of before may be missing.
    ///
    /// # Errors
    /// As [`Self::raise`].
    pub(crate) fn write(&self) -> io::Result<()> {
        write(&self.beside_store, &self.known())?;
        if let Err(error) = write(&self.beside_words, &self.known()) {
            tracing::warn!(file = %self.beside_words.display(), %error, "the counter of addresses cannot be stored beside the seed words; backups still contain it");
        }
        Ok(())
    }
}

impl Given {
    /// With these counters.
    pub(crate) fn counted(external: u32, internal: u32) -> Given {
        Given {
            external,
            internal,
            ..Given::default()
        }
    }

    fn raise(&mut self, other: &Given) {
        self.external = self.external.max(other.external);
        self.internal = self.internal.max(other.internal);
        let birthdays = [self.birthday, other.birthday];
        self.birthday = birthdays.into_iter().flatten().min();
        self.first_block = self.first_block.or(other.first_block);
        self.is_unsought |= other.is_unsought;
    }
}

fn read(path: &Path) -> Result<Option<Given>, GivenError> {
    let text = files::read_if_there(path).map_err(|error| GivenError::File {
        path: path.to_owned(),
        error,
    })?;
    let Some(text) = text else { return Ok(None) };
    files::check_version(&text, VERSION).map_err(|newer| GivenError::Newer {
        path: path.to_owned(),
        newer,
    })?;
    let found = serde_json::from_str(&text).map_err(|error| GivenError::Damaged {
        path: path.to_owned(),
        error,
    })?;
    Ok(Some(found))
}

fn write(path: &Path, given: &Given) -> io::Result<()> {
    let text = serde_json::to_string(given)?;
    files::write_whole(path, &format!("{text}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "bcrt1qours";

    #[test]
    fn the_furthest_of_both_files_counts_and_never_goes_back() {
        let dir = tempfile::tempdir().unwrap();
        let (store, words) = (dir.path().join("node"), dir.path().join("words"));
        let open = || GivenFiles::open(&store, &words, OURS).unwrap();
        let files = open();
        assert!(!files.is_fresh, "words that nobody knows anything of");
        files.raise(&Given::counted(5, 9)).unwrap();
        files.raise(&Given::counted(3, 10)).unwrap();
        assert_eq!((files.known().external, files.known().internal), (5, 10));
        // Either of the two is enough.
        std::fs::remove_dir_all(&store).unwrap();
        assert_eq!(open().known(), files.known());
        open().write().unwrap();
        std::fs::remove_file(beside(&words)).unwrap();
        assert_eq!(open().known(), files.known());
        // Another node's says nothing of this one.
        let other = GivenFiles::open(&store, &words, "bcrt1qother").unwrap();
        assert_eq!(other.known().external, 0);
    }

    #[test]
    fn new_words_are_fresh_until_a_node_starts_with_them() {
        let dir = tempfile::tempdir().unwrap();
        let (store, words) = (dir.path().join("node"), dir.path().join("words"));
        words_are_new(&words).unwrap();
        let files = GivenFiles::open(&store, &words, OURS).unwrap();
        assert!(files.is_fresh);
        files.write().unwrap();
        assert!(!GivenFiles::open(&store, &words, OURS).unwrap().is_fresh);
        // The file of before, beside the store's of after.
        words_are_new(&words).unwrap();
        files.raise(&Given::counted(1, 0)).unwrap();
        words_are_new(&words).unwrap();
        let files = GivenFiles::open(&store, &words, OURS).unwrap();
        assert!(!files.is_fresh);
        assert_eq!(files.known().external, 1);
    }

    #[test]
    fn what_cannot_be_read_is_no_empty_counter() {
        let dir = tempfile::tempdir().unwrap();
        let (store, words) = (dir.path().join("node"), dir.path().join("words"));
        std::fs::write(beside(&words), "{\"version\": 2}").unwrap();
        let newer = GivenFiles::open(&store, &words, OURS).unwrap_err();
        assert!(matches!(newer, GivenError::Newer { .. }), "{newer}");
        std::fs::write(beside(&words), "{").unwrap();
        let damaged = GivenFiles::open(&store, &words, OURS).unwrap_err();
        assert!(matches!(damaged, GivenError::Damaged { .. }), "{damaged}");
    }
}
