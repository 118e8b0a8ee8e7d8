//! Files that must be whole or not there at all.

use std::fs;
use std::io;
use std::path::Path;

use basics::files;
pub(crate) use basics::files::read_if_there;
pub(crate) use basics::version::NewerVersion;

/// Puts `text` into `path`, as [`files::replace`] does, and makes the directory when it is
/// not there.
pub(crate) fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(files::directory_of(path))?;
    files::replace(path, text.as_bytes())
}

/// As [`basics::version::check`].
pub(crate) fn check_version(text: &str, newest: u64) -> Result<(), NewerVersion> {
    basics::version::check(text.as_bytes(), newest)
}
