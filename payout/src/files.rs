//! Files that must be whole or not there at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::Deserialize;
use thiserror::Error;

/// Puts `text` into `path` for its owner alone (0600): after a loss of power the file is
/// the old one or the new one, never half of it.
pub(crate) fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = directory.join(name);
    // A leftover of an earlier try may have any mode: it goes.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    drop(file);
    fs::rename(&beside, path)?;
    File::open(directory)?.sync_all()
}

/// It was written by a newer program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "it was written by a newer version of this program: its version is {found}, the newest known \
     here is {newest}. Start the newer version again"
)]
pub struct NewerVersion {
    /// The file's.
    pub found: u64,
    /// The newest that this program knows.
    pub newest: u64,
}

/// Refuses JSON whose `version` is above `newest`; what names none is of the first, and
/// what is no such JSON is refused by whoever reads it.
pub(crate) fn check_version(text: &str, newest: u64) -> Result<(), NewerVersion> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u64,
    }
    match serde_json::from_str::<Versioned>(text) {
        Ok(Versioned { version }) if version > newest => Err(NewerVersion {
            found: version,
            newest,
        }),
        _ => Ok(()),
    }
}

/// The file's text, `None` when there is no such file.
pub(crate) fn read_if_there(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
