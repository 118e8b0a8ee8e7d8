//! Where things are: the wallet, the files in `~/.axepool`, the mint.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use basics::output;
use wallet::{Home, MintUrl, mint_address};

use crate::runtime::block_on;

/// Where the wallet is
#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// The wallet's directory [default: ~/.axepool/wallet]
    #[arg(long, value_name = "DIR", env = "AXEPOOL_WALLET", global = true)]
    wallet: Option<PathBuf>,
}

impl Place {
    /// Opens the wallet; of a new one the person is told to copy the words.
    pub(crate) fn open(&self) -> Result<Home> {
        let dir = self.dir()?;
        let home = block_on(async { Ok(Home::open(&dir).await?) })?;
        if home.new_words() {
            output::remark(format!(
                "a new wallet was made in {}. Copy the twelve words in {} to paper now: they bring \
                 back its ecash, and the miner's keys made from them, when this disk dies. A key \
                 that was made without them needs a copy of its own",
                dir.display(),
                home.mnemonic_path().display()
            ));
        }
        Ok(home)
    }

    /// The wallet's directory.
    pub(crate) fn dir(&self) -> Result<PathBuf> {
        match &self.wallet {
            Some(dir) => Ok(dir.clone()),
            None => default_place("wallet"),
        }
    }
}

/// A file or directory of this name in ~/.axepool.
pub(crate) fn default_place(name: &str) -> Result<PathBuf> {
    let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
    let home = home
        .ok_or_else(|| anyhow!("there is no home directory: say where with --wallet and --key"))?;
    Ok(home.join(".axepool").join(name))
}

/// A mint's address, as people write it.
pub(crate) fn parse_mint(text: &str) -> Result<MintUrl> {
    Ok(mint_address(text)?)
}
