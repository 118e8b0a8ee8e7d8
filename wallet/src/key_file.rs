//! The file that an owner's key is kept in.
//!
//! Text: comments begin with `#`, the first other line is the secret, as 64 hex digits
//! or as an nsec. What [`write_key_file`] writes is read by it, and so is a file with
//! nothing but an nsec in it.

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

/// Writes `key` to a new file that only its owner can read.
///
/// # Errors
/// [`KeyFileError::File`], also when the file is there already.
pub fn write_key_file(path: &Path, key: &OwnerKey) -> Result<(), KeyFileError> {
    let text = format!(
        "# The secret of an Axepool miner. Whoever has it has what the miner earns:\n\
         # show it to nobody, and keep a copy where this disk's death does not reach it.\n\
         #\n\
         # public key  {}\n\
         # npub        {}\n\
         {}\n",
        key.public_hex(),
        key.npub(),
        key.nsec(),
    );
    Ok(secret_file::create(path, &text)?)
}

/// Reads the key in `path`.
///
/// # Errors
/// [`KeyFileError`]
pub fn read_key_file(path: &Path) -> Result<OwnerKey, KeyFileError> {
    let text = secret_file::read(path)?.ok_or_else(|| KeyFileError::Missing(path.to_owned()))?;
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let wrong = |source| KeyFileError::Key {
        path: path.to_owned(),
        source,
    };
    match (lines.next(), lines.next()) {
        (Some(secret), None) => secret.parse().map_err(wrong),
        _ => Err(wrong(KeyError::Form)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_from_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let key = OwnerKey::generate();
        write_key_file(&path, &key).unwrap();
        assert_eq!(read_key_file(&path).unwrap(), key);
        assert!(matches!(
            write_key_file(&path, &OwnerKey::generate()),
            Err(KeyFileError::File(SecretFileError::Exists(_)))
        ));
        assert_eq!(read_key_file(&path).unwrap(), key);
    }

    #[test]
    fn files_of_other_hands_are_read() {
        let key = OwnerKey::generate();
        let case = |text: String, good: bool| {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("key");
            secret_file::create(&path, &text).unwrap();
            assert_eq!(
                read_key_file(&path).ok(),
                good.then(|| key.clone()),
                "{text:?}"
            );
        };
        case(key.nsec(), true);
        case(format!("{}\r\n", key.secret_hex()), true);
        case(format!("# mine\n\n  {}  \n", key.nsec()), true);
        case(String::new(), false);
        case(key.npub(), false);
        case(format!("{}\n{}\n", key.nsec(), key.nsec()), false);
    }

    #[test]
    fn no_file_is_said_with_what_makes_one() {
        let error = read_key_file(Path::new("/nowhere/key")).unwrap_err();
        assert!(error.to_string().contains("no such file"), "{error}");
    }
}
