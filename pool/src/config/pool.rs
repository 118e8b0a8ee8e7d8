//! `[pool]`: the chain, the data, the name.

use std::path::{Path, PathBuf};

use bitcoin::Network;

use super::from_base;
use super::reader::Section;
use super::setting::Refusal;

pub(super) struct Pool {
    pub(super) network: Network,
    pub(super) data_dir: PathBuf,
    /// As the file says it, for defaults that are in it.
    pub(super) data_dir_given: PathBuf,
    pub(super) name: String,
}

pub(super) fn read(section: &mut Section<'_>, base: &Path) -> Pool {
    let network = section.get("network", Network::Bitcoin);
    let data_dir_given = section.get("data_dir", PathBuf::from("data"));
    Pool {
        network,
        data_dir: from_base(base, data_dir_given.clone()),
        data_dir_given,
        name: section.get_if("name", "My Axepool".to_owned(), |name| short_line(name)),
    }
}

/// It stands on pages and in window titles.
fn short_line(name: &str) -> Result<(), Refusal> {
    const MOST: usize = 64;
    if name.trim().is_empty() || name.chars().count() > MOST || name.chars().any(char::is_control) {
        return Err(Refusal::new(
            "not a name",
            format!("give one line of 1 to {MOST} characters"),
        ));
    }
    Ok(())
}
