//! Files with secrets in them: made once, never overwritten, for nobody else to read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A key or a mnemonic is far smaller; whatever is larger is another file.
const MAX_BYTES: u64 = 16 * 1024;

/// Why a file with a secret was not made or not read.
#[derive(Debug, Error)]
pub enum SecretFileError {
    /// It is there already.
    #[error("{0} exists already and is not overwritten: its secret may hold money")]
    Exists(PathBuf),
    /// Others can read it.
    #[error("{path} can be read by others (mode {mode:o}): make it yours alone with `chmod 600 {path}`", path = .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not text, or too large for what it should be.
    #[error("{0} is no text file with a secret in it")]
    NotText(PathBuf),
    /// The file system's answer.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// Makes `path` with `text`, mode 0600. It is whole on the disk before it has its name.
pub(crate) fn create(path: &Path, text: &str) -> Result<(), SecretFileError> {
    let io = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => SecretFileError::Exists(path.to_owned()),
        _ => SecretFileError::Io {
            path: path.to_owned(),
            source,
        },
    };
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let draft = parent.join(format!(".axepool-{:016x}.new", rand::random::<u64>()));
    let written = write_draft(&draft, text).and_then(|()| {
        // A link, unlike a rename, never replaces a file.
        fs::hard_link(&draft, path)?;
        File::open(parent)?.sync_all()
    });
    let removed = fs::remove_file(&draft);
    written.map_err(io)?;
    removed.map_err(io)
}

fn write_draft(draft: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Reads `path`, which nobody else may be able to read; `None` when it is not there.
pub(crate) fn read(path: &Path) -> Result<Option<String>, SecretFileError> {
    let io = |source| SecretFileError::Io {
        path: path.to_owned(),
        source,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    let metadata = file.metadata().map_err(io)?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SecretFileError::Open {
            path: path.to_owned(),
            mode,
        });
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(SecretFileError::NotText(path.to_owned()));
    }
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|_| SecretFileError::NotText(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_is_written_once_and_for_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        assert!(read(&path).unwrap().is_none());
        create(&path, "first\n").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(matches!(
            create(&path, "second\n"),
            Err(SecretFileError::Exists(_))
        ));
        assert_eq!(read(&path).unwrap().as_deref(), Some("first\n"));
        let names: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(names.len(), 1, "a draft stayed behind: {names:?}");
    }

    #[test]
    fn what_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        create(&path, "secret").unwrap();
        for (mode, good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path).is_ok(), good, "{mode:o}");
        }
    }

    #[test]
    fn what_is_no_secret_is_not_swallowed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        create(&path, &"x".repeat(20_000)).unwrap();
        assert!(matches!(read(&path), Err(SecretFileError::NotText(_))));
        assert!(matches!(
            read(dir.path().join("no").join("dir").as_path()),
            Ok(None)
        ));
        assert!(matches!(
            create(&dir.path().join("no").join("key"), "x"),
            Err(SecretFileError::Io { .. })
        ));
    }
}
