//! A config that is complete is written: by `axepool init`, and by the first-run page.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use basics::files;

use super::{Draft, NodeFile, base_of};

/// Writes the node's settings beside the config `path`, unless they are there already.
/// True when they were written.
///
/// # Errors
/// They cannot be written.
pub fn write_node(path: &Path, node: &NodeFile) -> Result<bool> {
    let place = base_of(path).join(&node.path);
    if place.exists() {
        return Ok(false);
    }
    create(&place, node.text)?;
    Ok(true)
}

/// Writes the config. No existing file is overwritten.
///
/// # Errors
/// It cannot be written, or there is one already.
pub fn write_config(path: &Path, draft: &Draft) -> Result<()> {
    create(path, &draft.text())
}

/// Writes a new file, for its owner alone: a password may be in it.
fn create(path: &Path, text: &str) -> Result<()> {
    let cannot = || format!("{} cannot be written", path.display());
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        fs::create_dir_all(dir).with_context(cannot)?;
    }
    files::create(path, text.as_bytes()).with_context(cannot)
}
