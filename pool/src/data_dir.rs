//! The directory that holds everything the pool knows. Nobody but its owner gets in.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

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

/// A `pool.data_dir` in which nothing can be kept.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// It is not there and cannot be made.
    #[error("pool.data_dir {} cannot be made: {error}", .dir.display())]
    Make {
        /// The directory.
        dir: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It is there, and not as the pool needs it.
    #[error("pool.data_dir {} cannot be read: {error}", .dir.display())]
    Read {
        /// The directory.
        dir: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It is another user's.
    #[error(
        "pool.data_dir {} belongs to user {owner}, and this is user {me}: run as its owner, or \
         chown it",
        .dir.display()
    )]
    Owner {
        /// The directory.
        dir: PathBuf,
        /// The number of the user whose it is.
        owner: u32,
        /// The number of the user who runs the pool.
        me: u32,
    },
    /// Others may enter it, and go on to.
    #[error("pool.data_dir {} cannot be closed to others: {error}", .dir.display())]
    Close {
        /// The directory.
        dir: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl DataDirError {
    /// True when somebody has to mend it first, and another try ends in the same way: a path
    /// through a file, missing permission, a disk that nobody may write to, another user's
    /// directory. False where the disk is at fault, which may be over soon.
    pub fn is_settled(&self) -> bool {
        use io::ErrorKind as Kind;
        match self {
            DataDirError::Owner { .. } => true,
            DataDirError::Make { error, .. }
            | DataDirError::Read { error, .. }
            | DataDirError::Close { error, .. } => matches!(
                error.kind(),
                Kind::PermissionDenied
                    | Kind::NotADirectory
                    | Kind::AlreadyExists
                    | Kind::ReadOnlyFilesystem
                    | Kind::InvalidFilename
                    | Kind::InvalidInput
            ),
        }
    }
}

/// Makes `data_dir` with mode 0700 unless it is there; one that others may enter is
/// closed to them.
///
/// # Errors
/// When it cannot be made, is no directory, or belongs to somebody else.
pub fn prepare(data_dir: &Path) -> Result<(), DataDirError> {
    let dir = || data_dir.to_owned();
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(data_dir);
    made.map_err(|error| DataDirError::Make { dir: dir(), error })?;
    let about = fs::metadata(data_dir);
    let about = about.map_err(|error| DataDirError::Read { dir: dir(), error })?;
    let (owner, me) = (about.uid(), rustix::process::geteuid().as_raw());
    if owner != me {
        let dir = dir();
        return Err(DataDirError::Owner { dir, owner, me });
    }
    if let Some(mode) = files::mode_for_others(&about) {
        tracing::warn!(data_dir = %data_dir.display(), mode = format_args!("{mode:o}"), "others could enter the data directory; closing it to them");
        let closed = fs::set_permissions(data_dir, fs::Permissions::from_mode(0o700));
        closed.map_err(|error| DataDirError::Close { dir: dir(), error })?;
    }
    Ok(())
}
