//! The node's secret: 24 words in a file. Whoever has them has the node's money.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use bip39::Mnemonic;
use bitcoin::hashes::{Hash as _, HashEngine as _, Hmac, HmacEngine, sha256};
use bitcoin::hex::DisplayHex as _;
use thiserror::Error;

use crate::files;
use crate::given::words_are_new;

/// The node's secret.
#[derive(Clone)]
pub struct Seed(Mnemonic);

/// Why there is no seed.
#[derive(Debug, Error)]
pub enum SeedError {
    /// The file cannot be read or written.
    #[error("{path} cannot be used: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file has no mnemonic.
    #[error("{path} has no mnemonic of 12 to 24 English words: {error}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why; it never has the words.
        error: String,
    },
    /// The node's data is there and the words are not: new ones would be another node,
    /// and the money of the old one out of reach.
    #[error("{storage_dir} has a node's data, but its words are missing: put {path} back")]
    Lost {
        /// Where the words should be.
        path: PathBuf,
        /// Where the data is.
        storage_dir: PathBuf,
    },
}

/// Never shows the words.
impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

impl Seed {
    /// Reads the words at `path`. At the very first start, when `storage_dir` has no node
    /// yet, they are made and written there, for the owner alone.
    ///
    /// # Errors
    /// If they cannot be read or written, are none, or were lost.
    pub fn open(path: &Path, storage_dir: &Path) -> Result<Seed, SeedError> {
        let unusable = |error| SeedError::File {
            path: path.to_owned(),
            error,
        };
        if let Some(text) = files::read_if_there(path).map_err(unusable)? {
            warn_if_others_can_read(path);
            return text
                .trim()
                .parse()
                .map(Seed)
                .map_err(|error: bip39::Error| SeedError::Malformed {
                    path: path.to_owned(),
                    error: error.to_string(),
                });
        }
        if has_node(storage_dir).map_err(unusable)? {
            return Err(SeedError::Lost {
                path: path.to_owned(),
                storage_dir: storage_dir.to_owned(),
            });
        }
        let seed = Seed(ldk_node::generate_entropy_mnemonic(None));
        // Before the words: those without this are taken for words of a lost node.
        words_are_new(path).map_err(unusable)?;
        files::write_whole(path, &format!("{}\n", seed.0)).map_err(unusable)?;
        tracing::warn!(
            file = %path.display(),
            "the lightning node's seed words were made: copy this file to a safe place now, the node's money depends on it"
        );
        Ok(seed)
    }

    /// The words.
    pub(crate) fn mnemonic(&self) -> Mnemonic {
        self.0.clone()
    }

    /// What tells the words at `path` from others, without one of them: 64 hex digits.
    ///
    /// # Errors
    /// If they cannot be read, or are none.
    pub fn fingerprint_of(path: &Path) -> Result<String, SeedError> {
        let text = std::fs::read_to_string(path).map_err(|error| SeedError::File {
            path: path.to_owned(),
            error,
        })?;
        let words: Mnemonic =
            text.trim()
                .parse()
                .map_err(|error: bip39::Error| SeedError::Malformed {
                    path: path.to_owned(),
                    error: error.to_string(),
                })?;
        let mut mac = HmacEngine::<sha256::Hash>::new(&words.to_seed(""));
        mac.input(b"axepool node fingerprint");
        let hash = Hmac::<sha256::Hash>::from_engine(mac).to_byte_array();
        Ok(hash.to_lower_hex_string())
    }

    /// The 64 bytes that every key of the node comes from (BIP39, no passphrase).
    pub(crate) fn bytes(&self) -> [u8; 64] {
        self.0.to_seed("")
    }

    #[cfg(test)]
    pub(crate) fn for_tests(words: &str) -> Seed {
        Seed(words.parse().unwrap())
    }
}

/// True when the node was ever started there.
fn has_node(storage_dir: &Path) -> io::Result<bool> {
    match storage_dir.read_dir() {
        Ok(entries) => {
            for entry in entries {
                if entry?.file_name().to_string_lossy().contains(".sqlite") {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Secrets that are mounted into containers are often readable by all there: no refusal.
fn warn_if_others_can_read(path: &Path) {
    let Ok(about) = path.metadata() else { return };
    if let Some(mode) = basics::files::mode_for_others(&about) {
        tracing::warn!(
            file = %path.display(),
            mode = format_args!("{mode:o}"),
            "others on this machine can read the lightning node's words: chmod 600"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_words_are_made_once_for_their_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (path, storage) = (dir.path().join("words"), dir.path().join("node"));
        let made = Seed::open(&path, &storage).unwrap();
        assert_eq!(made.mnemonic().word_count(), 24);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Seed::open(&path, &storage).unwrap().bytes(), made.bytes());
        assert!(!format!("{made:?}").contains(made.mnemonic().words().next().unwrap()));
    }

    #[test]
    fn new_words_never_take_the_place_of_lost_ones() {
        let dir = tempfile::tempdir().unwrap();
        let (path, storage) = (dir.path().join("words"), dir.path().join("node"));
        std::fs::create_dir(&storage).unwrap();
        std::fs::write(storage.join("ldk_node_data.sqlite"), "").unwrap();
        let error = Seed::open(&path, &storage).unwrap_err();
        assert!(matches!(error, SeedError::Lost { .. }), "{error}");
        assert!(!path.exists());
    }

    #[test]
    fn other_text_is_no_seed_and_is_not_repeated() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("words");
        std::fs::write(&path, "correct horse battery staple").unwrap();
        let error = Seed::open(&path, dir.path()).unwrap_err();
        assert!(matches!(error, SeedError::Malformed { .. }), "{error}");
        assert!(!error.to_string().contains("horse"), "{error}");
    }
}
