//! Files that are whole or not there at all, for their owner alone.

use std::fs::{self, File, Metadata};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use tempfile::NamedTempFile;

/// Puts `bytes` into the file `path`, with mode 0600. After a crash or a loss of power
/// there is the old file or the new one, never half of it. On disk when it returns.
///
/// # Errors
/// It cannot be written; then the old file is there.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    draft(path, bytes, true)?
        .persist(path)
        .map_err(|error| error.error)?;
    sync_directory(directory_of(path))
}

/// The same for what may be lost: nothing waits for the disk, and a loss of power may
/// leave the old file, or a damaged one.
///
/// # Errors
/// It cannot be written; then the old file is there.
pub fn replace_unsynced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    draft(path, bytes, false)?
        .persist(path)
        .map_err(|error| error.error)?;
    Ok(())
}

/// Makes the file `path`, with mode 0600: whole on the disk before it has its name. On
/// disk when it returns.
///
/// # Errors
/// It cannot be written, or there is a file already, which stays as it is.
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    draft(path, bytes, true)?
        .persist_noclobber(path)
        .map_err(|error| error.error)?;
    sync_directory(directory_of(path))
}

/// Tells whether files can be made in the directory `dir`; none is left there.
///
/// # Errors
/// None can.
pub fn can_make_files_in(dir: &Path) -> io::Result<()> {
    NamedTempFile::new_in(dir).map(drop)
}

/// A file beside `path`, which goes away unless it gets a name. Its mode is 0600.
fn draft(path: &Path, bytes: &[u8], durable: bool) -> io::Result<NamedTempFile> {
    let mut draft = NamedTempFile::new_in(directory_of(path))?;
    draft.write_all(bytes)?;
    if durable {
        draft.as_file().sync_all()?;
    }
    Ok(draft)
}

/// The text of a file; `None` when there is no such file.
///
/// # Errors
/// It cannot be read, or is no text.
pub fn read_if_there(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The directory that `path` has its name in.
pub fn directory_of(path: &Path) -> &Path {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// Syncs a directory: the names in it are on disk when it returns.
///
/// # Errors
/// It cannot be opened or synced.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The mode of what others than its owner may read, write or enter; `None` when it is its
/// owner's alone.
pub fn mode_for_others(about: &Metadata) -> Option<u32> {
    let mode = about.mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_its_owners_alone_and_replaced_as_a_whole() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        assert_eq!(read_if_there(&path).expect("none"), None);
        for (number, write) in [replace, replace_unsynced].into_iter().enumerate() {
            let text = format!("number {number}");
            // Whatever its mode was before.
            if number > 0 {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("its mode");
            }
            write(&path, text.as_bytes()).expect("writes");
            assert_eq!(read_if_there(&path).expect("reads"), Some(text));
            let about = fs::metadata(&path).expect("is there");
            assert_eq!(about.mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(dir.path()).expect("reads").count(), 1);
    }

    #[test]
    fn what_is_there_is_not_made_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        create(&path, b"first").expect("makes");
        let error = create(&path, b"second").expect_err("there is one");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).expect("reads"), b"first");
        assert_eq!(fs::read_dir(dir.path()).expect("reads").count(), 1);
    }

    #[test]
    fn a_name_alone_is_in_the_working_directory() {
        assert_eq!(directory_of(Path::new("file")), Path::new("."));
        assert_eq!(directory_of(Path::new("a/file")), Path::new("a"));
    }

    #[test]
    fn a_mode_for_others_is_told() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        create(&path, b"").expect("makes");
        for (mode, told) in [(0o600, None), (0o400, None), (0o640, Some(0o640))] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
            let about = fs::metadata(&path).expect("is there");
            assert_eq!(mode_for_others(&about), told, "{mode:o}");
        }
    }
}
