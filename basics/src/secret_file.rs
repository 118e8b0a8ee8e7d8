//! A secret in a file of its own, made once, for its owner alone.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use tempfile::NamedTempFile;

/// The text in `path`, without the line's end; `make` gives it when there is no such
/// file.
///
/// # Errors
/// It cannot be read or written, or others may read it. No error shows the text.
pub fn read_or_make(path: &Path, make: impl FnOnce() -> String) -> Result<String> {
    let shown = path.display();
    match fs::read_to_string(path) {
        Ok(text) => {
            let mode = fs::metadata(path)?.mode() & 0o777;
            if mode & 0o077 != 0 {
                bail!(
                    "{shown} can be read by others (mode {mode:o}): make it yours alone with chmod 600"
                );
            }
            Ok(text.trim().to_owned())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = make();
            write(path, &text).with_context(|| format!("{shown} cannot be written"))?;
            Ok(text)
        }
        Err(error) => Err(error).with_context(|| format!("{shown} cannot be read")),
    }
}

/// The file is whole on the disk before it has its name.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut draft = NamedTempFile::new_in(directory)?;
    writeln!(draft, "{text}")?;
    draft.as_file().sync_all()?;
    draft.persist_noclobber(path).map_err(|error| error.error)?;
    File::open(directory)?.sync_all()
}
