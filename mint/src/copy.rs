//! A copy of the mint's store for a backup, made while it is in use.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use thiserror::Error;

/// SQLite waits this long for a lock, which writers hold for milliseconds.
pub(crate) const BUSY: Duration = Duration::from_secs(10);

/// The reasons for which a copy fails.
#[derive(Debug, Error)]
pub enum CopyError {
    /// SQLite could not: the store does not read, or the disk is full.
    #[error("the mint's store cannot be copied: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The copy cannot be written.
    #[error("the copy of the mint's store cannot be written: {0}")]
    Io(#[from] io::Error),
}

/// Copies the store in `dir` into a new file at `to`, as of one commit, whether or not a
/// mint has it open; false when there is no store. On disk when this returns. A copy that
/// failed leaves its file behind.
///
/// # Errors
/// The file is there already, or see [`CopyError`].
pub fn copy_store(dir: &Path, to: &Path) -> Result<bool, CopyError> {
    let from = dir.join("mint.sqlite");
    if !from.try_exists()? {
        return Ok(false);
    }
    // Made here, for its owner alone: SQLite fills an empty file as well.
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    drop(file);
    let connection = Connection::open(&from)?;
    connection.busy_timeout(BUSY)?;
    let name = to.to_str().ok_or_else(|| {
        let what = format!("{} is no UTF-8 path", to.display());
        io::Error::new(io::ErrorKind::InvalidInput, what)
    })?;
    connection.execute("VACUUM INTO ?1", [name])?;
    drop(connection);
    // VACUUM INTO leaves the syncing to us.
    File::open(to)?.sync_all()?;
    Ok(true)
}

/// The ecash that was being redeemed when the store at `path` was left, in satoshis.
pub(crate) fn pending_sat(path: &Path) -> Result<u64, CopyError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    let sum = "SELECT COALESCE(SUM(amount), 0) FROM proof WHERE state = 'PENDING'";
    let sum: i64 = connection.query_row(sum, [], |row| row.get(0))?;
    Ok(u64::try_from(sum).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, sum))?)
}
