//! The version that each small file names, so that an older program leaves a newer one's
//! alone.

use serde::Deserialize;
use thiserror::Error;

/// A file was written by a newer program.
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

/// Refuses JSON whose `version` is above `newest`. One that names none is of the first
/// version, and what is no such JSON is refused by whoever reads it.
///
/// # Errors
/// It is newer.
pub fn check(json: &[u8], newest: u64) -> Result<(), NewerVersion> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u64,
    }
    match serde_json::from_slice::<Versioned>(json) {
        Ok(Versioned { version }) if version > newest => Err(NewerVersion {
            found: version,
            newest,
        }),
        _ => Ok(()),
    }
}
