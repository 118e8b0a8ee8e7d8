//! The file that an owner's key is kept in.
//!
//! Text: comments begin with `#`, the first other line is the secret, as 64 hex digits
//! or as an nsec. A file with nothing but an nsec in it is read too.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::key::{KeyError, OwnerKey};
use crate::secret_file::{self, SecretFileError};

/// Why there is no key to be had from a file.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// The file itself.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// There is none.
    #[error("{0}: there is no such file")]
    Missing(PathBuf),
    /// What it says is no key.
    #[error("{path}: {source}", path = .path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyError,
    },
}

/// A key in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    /// The key.
    pub key: OwnerKey,
    /// Its number among the keys of a wallet's words; `None` for a key that no words bring
    /// back. The file says so in a comment: it is a hint, and no proof.
    pub number: Option<u32>,
}

/// Begins the comment with a key's number.
const NUMBER: &str = "# key number ";

impl KeyFile {
    /// Writes the key to a new file that only its owner can read.
    ///
    /// # Errors
    /// [`KeyFileError::File`], also when the file is there already.
    pub fn write(&self, path: &Path) -> Result<(), KeyFileError> {
        let origin = match self.number {
            Some(number) => format!("{NUMBER}{number} of the wallet's twelve words\n"),
            None => "# No words bring this key back.\n".to_owned(),
        };
        let text = format!(
            "# The secret of an Axepool miner. Whoever has it has what the miner earns:\n\
             # show it to nobody, and keep a copy where this disk's death does not reach it.\n\
             {origin}\
             #\n\
             # public key  {}\n\
             # npub        {}\n\
             {}\n",
            self.key.public_hex(),
            self.key.npub(),
            self.key.nsec(),
        );
        Ok(secret_file::create(path, &text)?)
    }

    /// Reads the key in `path`.
    ///
    /// # Errors
    /// [`KeyFileError`]
    pub fn read(path: &Path) -> Result<KeyFile, KeyFileError> {
        let text =
            secret_file::read(path)?.ok_or_else(|| KeyFileError::Missing(path.to_owned()))?;
        let mut lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let wrong = |source| KeyFileError::Key {
            path: path.to_owned(),
            source,
        };
        let key = match (lines.next(), lines.next()) {
            (Some(secret), None) => secret.parse().map_err(wrong)?,
            _ => return Err(wrong(KeyError::Form)),
        };
        let number = text
            .lines()
            .find_map(|line| line.trim().strip_prefix(NUMBER));
        let number = number.and_then(|rest| rest.split(' ').next()?.parse().ok());
        Ok(KeyFile { key, number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_from_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        for (name, number) in [("random", None), ("first", Some(0)), ("far", Some(1 << 30))] {
            let path = path.with_extension(name);
            let key = OwnerKey::generate();
            let file = KeyFile { key, number };
            file.write(&path).unwrap();
            assert_eq!(KeyFile::read(&path).unwrap(), file);
            let other = KeyFile {
                key: OwnerKey::generate(),
                number: None,
            };
            assert!(matches!(
                other.write(&path),
                Err(KeyFileError::File(SecretFileError::Exists(_)))
            ));
            assert_eq!(KeyFile::read(&path).unwrap(), file);
        }
    }

    #[test]
    fn files_of_other_hands_are_read() {
        let key = OwnerKey::generate();
        let case = |text: String, good: bool| {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("key");
            secret_file::create(&path, &text).unwrap();
            assert_eq!(
                KeyFile::read(&path)
                    .ok()
                    .map(|file| (file.key, file.number)),
                good.then(|| (key.clone(), None)),
                "{text:?}"
            );
        };
        case(key.nsec(), true);
        case(format!("{}\r\n", key.secret_hex()), true);
        case(format!("# mine\n\n  {}  \n", key.nsec()), true);
        case(format!("# key number x\n{}\n", key.nsec()), true);
        case(String::new(), false);
        case(key.npub(), false);
        case(format!("{}\n{}\n", key.nsec(), key.nsec()), false);
    }

    #[test]
    fn no_file_is_said_with_what_makes_one() {
        let error = KeyFile::read(Path::new("/nowhere/key")).unwrap_err();
        assert!(error.to_string().contains("no such file"), "{error}");
    }
}
