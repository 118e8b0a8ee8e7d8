//! The directory that holds everything the pool knows. Nobody but its owner gets in.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use basics::files;

/// The accounting's store.
pub fn ledger(data_dir: &Path) -> PathBuf {
    data_dir.join("ledger.redb")
}

/// The directory of the mint's store.
pub fn mint(data_dir: &Path) -> PathBuf {
    data_dir.join("mint")
}

/// The URL that the mint's tokens name.
pub(crate) fn mint_url(data_dir: &Path) -> PathBuf {
    mint(data_dir).join("public_url.json")
}

/// The offers that were made for OCEAN.
pub(crate) fn offers(data_dir: &Path) -> PathBuf {
    data_dir.join("offers.json")
}

/// What the watch over OCEAN's blocks keeps.
pub(crate) fn ocean_watch(data_dir: &Path) -> PathBuf {
    data_dir.join("ocean-watch.json")
}

/// The key that receipts are signed with.
pub fn receipt_key(data_dir: &Path) -> PathBuf {
    data_dir.join("receipt.key")
}

/// Audit files as they were asked for last; made again when it is gone.
pub fn audit_cache(data_dir: &Path) -> PathBuf {
    data_dir.join("audit-cache")
}

/// What miners were told, a file for each.
pub(crate) fn notices(data_dir: &Path) -> PathBuf {
    data_dir.join("notices")
}

/// What opens the operator's page.
pub fn operator_token(data_dir: &Path) -> PathBuf {
    data_dir.join("operator.token")
}

/// When the last backup was made.
pub(crate) fn last_backup(data_dir: &Path) -> PathBuf {
    data_dir.join("last-backup.json")
}

/// The restore that the directory came from.
pub(crate) fn restored(data_dir: &Path) -> PathBuf {
    data_dir.join("restored.json")
}

/// How far the mint's store and the ledger are, apart from both.
pub(crate) fn store_marks(data_dir: &Path) -> PathBuf {
    data_dir.join("stores.marks")
}

/// That the pool winds down.
pub(crate) fn wind_down(data_dir: &Path) -> PathBuf {
    data_dir.join("wind-down.json")
}

/// What devices did in the last hour; may be deleted at any time.
pub(crate) fn history(data_dir: &Path) -> PathBuf {
    data_dir.join("history.json")
}

/// The socket of the running process.
pub fn admin_socket(data_dir: &Path) -> PathBuf {
    data_dir.join("admin.sock")
}

/// Makes `data_dir` with mode 0700 unless it is there; one that others may enter is
/// closed to them.
///
/// # Errors
/// When it cannot be made, is no directory, or belongs to somebody else.
pub fn prepare(data_dir: &Path) -> Result<()> {
    let shown = data_dir.display();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .with_context(|| format!("pool.data_dir {shown} cannot be made"))?;
    let about =
        fs::metadata(data_dir).with_context(|| format!("pool.data_dir {shown} cannot be read"))?;
    let me = rustix::process::geteuid().as_raw();
    if about.uid() != me {
        bail!(
            "pool.data_dir {shown} belongs to user {}, and this is user {me}: run as its owner, or chown it",
            about.uid()
        );
    }
    if let Some(mode) = files::mode_for_others(&about) {
        tracing::warn!(data_dir = %shown, mode = format_args!("{mode:o}"), "others could enter the data directory; closing it to them");
        fs::set_permissions(data_dir, fs::Permissions::from_mode(0o700))
            .with_context(|| format!("pool.data_dir {shown} cannot be closed to others"))?;
    }
    Ok(())
}
