//! The mint's mnemonic: all its keys come from it, so it is made once, kept readable
//! by its owner alone, and never made anew for a store that has keys already.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use basics::files;
use bip39::Mnemonic;
use bitcoin::hashes::{Hash, HashEngine, Hmac, HmacEngine, sha256};
use bitcoin::hex::DisplayHex as _;
use thiserror::Error;

/// The purpose of the secret that tells one seed from another.
pub(crate) const FINGERPRINT: &str = "fingerprint";

/// The longest file that is read: 24 words of 8 letters are 215 bytes.
const MAX_FILE_BYTES: u64 = 1024;

/// The reasons for which there is no seed.
#[derive(Debug, Error)]
pub enum SeedError {
    /// The file cannot be read or made.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// Others can read it.
    #[error("{} has mode {mode:o}: others can read the mint's keys; chmod 600 it", path.display())]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It holds no mnemonic. The words themselves are never part of an error.
    #[error("{} holds no BIP39 mnemonic: {error}", path.display())]
    Words {
        /// The file.
        path: PathBuf,
        /// The parser's error.
        error: bip39::Error,
    },
    /// There are keys, and their mnemonic is gone.
    #[error(
        "{} is missing, but the mint's store exists: restore the file from its backup; \
         a new mnemonic could not redeem the ecash that is out there",
        path.display()
    )]
    Lost {
        /// The file.
        path: PathBuf,
    },
}

/// The secret that all of the mint's keys come from.
pub(crate) struct Seed([u8; 64]);

impl Seed {
    /// The seed's bytes, for cdk's signatory.
    pub(crate) const fn bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// A secret of its own for `purpose`.
    pub(crate) fn secret(&self, purpose: &str) -> [u8; 32] {
        let mut mac = HmacEngine::<sha256::Hash>::new(&self.0);
        mac.input(b"Axepool_Seed_v1/");
        mac.input(purpose.as_bytes());
        Hmac::<sha256::Hash>::from_engine(mac).to_byte_array()
    }
}

/// Reads the mnemonic, or makes one of 24 words if `store_exists` is false and the
/// file is not there. `entropy` is only drawn from then.
pub(crate) fn open(
    path: &Path,
    store_exists: bool,
    entropy: impl FnOnce() -> [u8; 32],
) -> Result<Seed, SeedError> {
    let failed = |error| SeedError::Io {
        path: path.to_owned(),
        error,
    };
    let mnemonic = match File::open(path) {
        Ok(file) => read(path, file)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound && store_exists => {
            return Err(SeedError::Lost {
                path: path.to_owned(),
            });
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mnemonic =
                Mnemonic::from_entropy(&entropy()).map_err(|error| SeedError::Words {
                    path: path.to_owned(),
                    error,
                })?;
            create(path, &mnemonic).map_err(failed)?;
            tracing::warn!(
                path = %path.display(),
                "the mint's mnemonic was made: back this file up now, every holder of ecash depends on it"
            );
            mnemonic
        }
        Err(error) => return Err(failed(error)),
    };
    Ok(Seed(mnemonic.to_seed_normalized("")))
}

/// Makes the words of a mint that never ran, in the file `path`, so that they can be backed
/// up before its first start. Words that are there already stay. `dir` is the directory of
/// the mint's store: when it has a store, words that are missing are not made anew.
///
/// # Errors
/// They cannot be read or written, others can read them, or they are lost.
pub fn make_words(path: &Path, dir: &Path) -> Result<(), SeedError> {
    let exists = store_of(dir).try_exists();
    let exists = exists.map_err(|error| SeedError::Io {
        path: store_of(dir),
        error,
    })?;
    open(path, exists, rand::random).map(|_| ())
}

/// The mint's store in its directory.
pub(crate) fn store_of(dir: &Path) -> PathBuf {
    dir.join("mint.sqlite")
}

/// A fingerprint of the mnemonic in `path`, which tells it from others without a word of it:
/// 64 hex digits.
///
/// # Errors
/// It cannot be read, or is none.
pub fn fingerprint(path: &Path) -> Result<String, SeedError> {
    let file = File::open(path).map_err(|error| SeedError::Io {
        path: path.to_owned(),
        error,
    })?;
    let seed = Seed(read(path, file)?.to_seed_normalized(""));
    Ok(seed.secret(FINGERPRINT).to_lower_hex_string())
}

fn read(path: &Path, file: File) -> Result<Mnemonic, SeedError> {
    let failed = |error| SeedError::Io {
        path: path.to_owned(),
        error,
    };
    let about = file.metadata().map_err(failed)?;
    if let Some(mode) = files::mode_for_others(&about) {
        return Err(SeedError::Readable {
            path: path.to_owned(),
            mode,
        });
    }
    let mut words = String::new();
    file.take(MAX_FILE_BYTES)
        .read_to_string(&mut words)
        .map_err(failed)?;
    Mnemonic::parse_normalized(words.trim()).map_err(|error| SeedError::Words {
        path: path.to_owned(),
        error,
    })
}

/// A crash leaves either no mnemonic or all of it.
fn create(path: &Path, mnemonic: &Mnemonic) -> io::Result<()> {
    std::fs::create_dir_all(files::directory_of(path))?;
    files::create(path, format!("{mnemonic}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_made_once_and_read_ever_after() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("deep/mint.mnemonic");
        let made = open(&path, false, || [7; 32]).expect("makes");
        let mode = std::fs::metadata(&path)
            .expect("there")
            .permissions()
            .mode()
            & 0o777;
        assert_eq!(mode, 0o600);
        let again = open(&path, true, || unreachable!("it exists")).expect("reads");
        assert_eq!(made.bytes(), again.bytes());
        assert_ne!(made.secret("a"), made.secret("b"));
    }

    #[test]
    fn what_others_can_read_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("words");
        open(&path, false, || [7; 32]).expect("makes");
        for mode in [0o640, 0o604, 0o644] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).expect("chmod");
            assert!(
                matches!(open(&path, true, || [0; 32]), Err(SeedError::Readable { mode: seen, .. }) if seen == mode)
            );
        }
    }

    #[test]
    fn a_store_without_its_mnemonic_stays_closed() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("words");
        assert!(matches!(
            open(&path, true, || [0; 32]),
            Err(SeedError::Lost { .. })
        ));
        assert!(!path.exists());
    }

    #[test]
    fn words_are_not_made_beside_a_store() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("words");
        std::fs::write(store_of(dir.path()), "").expect("a store");
        let made = make_words(&path, dir.path());
        assert!(matches!(made, Err(SeedError::Lost { .. })), "{made:?}");
        assert!(!path.exists());
        std::fs::remove_file(store_of(dir.path())).expect("no store");
        make_words(&path, dir.path()).expect("makes");
        assert!(path.exists());
    }

    #[test]
    fn other_words_are_refused_and_not_repeated() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("words");
        open(&path, false, || [7; 32]).expect("makes");
        std::fs::write(&path, "zebra zebra swordfish").expect("writes");
        let Err(error) = open(&path, true, || [0; 32]) else {
            panic!("no mnemonic at all")
        };
        assert!(!error.to_string().contains("swordfish"), "{error}");
    }
}
