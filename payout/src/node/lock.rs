//! One process for one node: two that run on one directory, of two pools perhaps, would
//! each write channel states that the other does not know, and lose the channels' money.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The file in the node's directory. The lock is the kernel's and ends with its holder,
/// whatever ends that; the file stays.
const NAME: &str = "node.lock";

/// Longer than what holders write, in bytes.
const MAX_HOLDER: u64 = 4096;

/// Why the node's directory cannot be used.
#[derive(Debug, Error)]
pub(super) enum LockError {
    #[error("{path} cannot be locked: {error}")]
    File { path: PathBuf, error: io::Error },
    #[error(
        "{dir} is in use by {holder}: a node's directory belongs to one pool alone (storage_dir in \
         the node's settings)"
    )]
    Taken { dir: PathBuf, holder: String },
}

/// The node's directory, ours until this is dropped.
#[derive(Debug)]
pub(super) struct DirLock {
    _file: File,
}

impl DirLock {
    /// Takes `dir`, making it where it is missing. `holder`: who has it from now on, for
    /// whoever comes second.
    pub(super) fn take(dir: &Path, holder: &str) -> Result<DirLock, LockError> {
        let path = dir.join(NAME);
        let unusable = |error| LockError::File {
            path: path.clone(),
            error,
        };
        std::fs::create_dir_all(dir).map_err(unusable)?;
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let mut file = opened.map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Taken {
                    dir: dir.to_owned(),
                    holder: name_of(&mut file),
                });
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{holder}"));
        written.map_err(unusable)?;
        Ok(DirLock { _file: file })
    }
}

fn name_of(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(MAX_HOLDER).read_to_string(&mut text);
    let named = text.lines().next().map(str::trim);
    match (read, named.filter(|name| !name.is_empty())) {
        (Ok(_), Some(name)) => name.to_owned(),
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_one_holders_until_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        let node = dir.path().join("node");
        let first = DirLock::take(&node, "process 7").unwrap();
        let refused = DirLock::take(&node, "process 8").unwrap_err().to_string();
        assert!(refused.contains("in use by process 7"), "{refused}");
        drop(first);
        let _second = DirLock::take(&node, "8").unwrap();
        let refused = DirLock::take(&node, "process 9").unwrap_err().to_string();
        assert!(refused.contains("in use by 8:"), "{refused}");
    }
}
