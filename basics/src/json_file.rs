//! Small records in the data directory, as JSON: whole or not there at all.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

/// The version of all of them: one that names none is of the first.
const VERSION: u64 = 1;

/// Puts `value` into the file `path`, for its owner alone. On disk when it returns.
pub fn write(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    put(path, &bytes, true)
}

/// Puts a record that is JSON already into the file `path`, for its owner alone. After a
/// crash there is the old one or the new one; after a loss of power, too, when it has to
/// be `durable`.
pub fn put(path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let directory = parent.unwrap_or(Path::new("."));
    let mut draft = NamedTempFile::new_in(directory)?;
    draft.write_all(bytes)?;
    if durable {
        draft.as_file().sync_all()?;
    }
    draft.persist(path).map_err(|error| error.error)?;
    if durable {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

/// True for the error of [`read`] at a file that a newer program wrote.
pub fn is_newer(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
}

/// What is in the file `path`; `None` when there is no such file.
pub fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => {
            check_version(&bytes)?;
            Ok(Some(serde_json::from_slice(&bytes)?))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Refuses what a newer program wrote. What is no such JSON is refused by who reads it.
fn check_version(bytes: &[u8]) -> io::Result<()> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u64,
    }
    match serde_json::from_slice::<Versioned>(bytes) {
        Ok(Versioned { version }) if version > VERSION => {
            let why = format!(
                "it was written by a newer version of this program: its version is {version}, \
                 the newest known here is {VERSION}. Start the newer version again"
            );
            Err(io::Error::new(io::ErrorKind::Unsupported, why))
        }
        _ => Ok(()),
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
