//! Files on their way into a backup and out of it: whole, synced, for their owner alone.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use bitcoin::hashes::{Hash as _, HashEngine as _, sha256};
use tempfile::TempDir;

/// Bytes copied at once.
const CHUNK: usize = 1 << 20;

/// Copies `from` into a new file `to`, and gives its length and hash. On disk when it
/// returns.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<(u64, sha256::Hash)> {
    copy_of(File::open(from)?, to)
}

/// The same; `None` when there is no `from`.
pub(super) fn copy_if_there(from: &Path, to: &Path) -> io::Result<Option<(u64, sha256::Hash)>> {
    match File::open(from) {
        Ok(source) => copy_of(source, to).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn copy_of(mut source: File, to: &Path) -> io::Result<(u64, sha256::Hash)> {
    let mut target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    let sum = pass(&mut source, |bytes| target.write_all(bytes))?;
    target.sync_all()?;
    Ok(sum)
}

/// The length and hash of a file.
pub(super) fn sum(path: &Path) -> io::Result<(u64, sha256::Hash)> {
    pass(&mut File::open(path)?, |_| Ok(()))
}

fn pass(
    source: &mut File,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<(u64, sha256::Hash)> {
    let mut buffer = vec![0; CHUNK];
    let mut engine = sha256::Hash::engine();
    let mut length = 0_u64;
    loop {
        let count = source.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
            return Ok((length, sha256::Hash::from_engine(engine)));
        };
        engine.input(bytes);
        each(bytes)?;
        length = length.saturating_add(count as u64);
    }
}

/// A directory for its owner alone that goes away unless it gets a name.
pub(super) fn draft_in(parent: &Path, prefix: &str) -> io::Result<TempDir> {
    tempfile::Builder::new()
        .prefix(prefix)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)
}

/// Makes a directory for its owner alone.
pub(super) fn make_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// True when nothing is in the way at `path`: there is nothing, or an empty directory.
pub(super) fn is_free(path: &Path) -> io::Result<bool> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}
