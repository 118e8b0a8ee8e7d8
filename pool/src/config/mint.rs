//! `[mint]`: the mint's own settings, beside those that epochs record as their terms.

use std::path::{Path, PathBuf};

use super::from_base;
use super::pool::Pool;
use super::reader::Section;
use super::setting::{Refusal, SecretFile};

/// The mint's settings. Where its store is and under which URL it is reached is told
/// elsewhere: `pool.data_dir`, `http.public_url`.
#[derive(Clone, Debug)]
pub struct MintSettings {
    /// False: the pool tallies, and the quotes are made when it is switched on.
    pub enabled: bool,
    /// The file with the mnemonic; made at the first start.
    pub mnemonic_file: PathBuf,
    /// The mint's name, as wallets show it; the pool's unless given.
    pub name: String,
    /// One line about it.
    pub description: String,
    /// A message that wallets shall show, if any.
    pub motd: Option<String>,
    /// Requests worked on at once; more are told to come back.
    pub max_requests: usize,
}

pub(super) fn read(section: &mut Section<'_>, pool: &Pool, base: &Path) -> MintSettings {
    let mnemonic = section.get(
        "mnemonic",
        SecretFile(pool.data_dir_given.join("mint").join("mint.mnemonic")),
    );
    MintSettings {
        enabled: section.get("enabled", true),
        mnemonic_file: from_base(base, mnemonic.0),
        name: section.get_if("name", pool.name.clone(), |text| line(text)),
        description: section.get_if(
            "description",
            "The mint of a Bitaxe pool: work becomes ecash".to_owned(),
            |text| line(text),
        ),
        motd: section.optional("motd"),
        max_requests: section.number("max_requests", 128, 1..=10_000),
    }
}

/// It stands in wallets.
fn line(text: &str) -> Result<(), Refusal> {
    const MOST: usize = 200;
    if text.trim().is_empty() || text.chars().count() > MOST || text.chars().any(char::is_control) {
        return Err(Refusal::new(
            "not a line of text",
            format!("give one line of 1 to {MOST} characters"),
        ));
    }
    Ok(())
}
