//! `[pool]`: the chain, the data, the name.

use std::path::{Path, PathBuf};

use bitcoin::Network;

use super::from_base;
use super::reader::Section;
use super::setting::Refusal;

pub(super) struct Pool {
    pub(super) network: Network,
    pub(super) data_dir: PathBuf,
    pub(super) name: String,
}

pub(super) fn read(section: &mut Section<'_>, base: &Path) -> Pool {
    Pool {
        network: section.get("network", Network::Bitcoin),
        data_dir: from_base(base, section.get("data_dir", PathBuf::from("data"))),
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
