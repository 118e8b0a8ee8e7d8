//! Small records in the data directory, as JSON: whole or not there at all.

use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{files, version};

/// The version of all of them: one that names none is of the first.
const VERSION: u64 = 1;

/// Puts `value` into the file `path`, for its owner alone. On disk when it returns.
///
/// # Errors
/// It cannot be written; then the old record is there.
pub fn write(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    files::replace(path, &bytes)
}

/// True for the error of [`read`] at a file that a newer program wrote.
pub fn is_newer(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
}

/// What is in the file `path`; `None` when there is no such file.
///
/// # Errors
/// It cannot be read, is no such record, or was written by a newer program: see [`is_newer`].
pub fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => {
            version::check(&bytes, VERSION)
                .map_err(|newer| io::Error::new(io::ErrorKind::Unsupported, newer))?;
            Ok(Some(serde_json::from_slice(&bytes)?))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_record_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("record.json");
        assert_eq!(read::<serde_json::Value>(&path).expect("none"), None);
        for known in ["{}", "{\"version\":1}", "7"] {
            fs::write(&path, known).expect("writes");
            read::<serde_json::Value>(&path).expect("reads");
        }
        fs::write(&path, "{\"version\":2}").expect("writes");
        let error = read::<serde_json::Value>(&path).expect_err("newer");
        assert!(is_newer(&error));
        assert!(error.to_string().contains("its version is 2"), "{error}");
    }
}
