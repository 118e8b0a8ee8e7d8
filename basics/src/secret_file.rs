//! A secret in a file of its own, made once, for its owner alone.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::files;

/// The text in `path`, without the line's end; `make` gives it when there is no such
/// file.
///
/// # Errors
/// It cannot be read or written, or others may read it. No error shows the text.
pub fn read_or_make(path: &Path, make: impl FnOnce() -> String) -> Result<String> {
    let shown = path.display();
    match fs::read_to_string(path) {
        Ok(text) => {
            if let Some(mode) = files::mode_for_others(&fs::metadata(path)?) {
                bail!(
                    "{shown} can be read by others (mode {mode:o}): make it yours alone with chmod 600"
                );
            }
            Ok(text.trim().to_owned())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = make();
            files::create(path, format!("{text}\n").as_bytes())
                .with_context(|| format!("{shown} cannot be written"))?;
            Ok(text)
        }
        Err(error) => Err(error).with_context(|| format!("{shown} cannot be read")),
    }
}
