//! `axepool init`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use basics::output;
use pool::config;
use pool::init::{Answers, Draft, Told, write_config, write_node};

use crate::init::{Dialogue, fill};

/// Write a config file by asking for the settings without a default
///
/// The file has every key in it, with an explanation. Each answer is checked at once, and
/// no existing file is overwritten. Without a terminal, give the answers as options, with
/// --yes, or as lines of the standard input.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The config file to write
    #[arg(long, value_name = "FILE", default_value = "axepool.toml")]
    config: PathBuf,
    /// The data directory, if not `data` beside the config file
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// mainnet, testnet, testnet4, signet or regtest
    #[arg(long)]
    network: Option<String>,
    /// The upstream's URL; OCEAN by default on mainnet
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// The bitcoin address to which OCEAN pays
    #[arg(long)]
    address: Option<String>,
    /// Whether strangers may mine here; this decides the split of payouts
    #[arg(long, value_name = "BOOL")]
    strangers: Option<bool>,
    /// The URL under which wallets reach this machine
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// The chain source: bitcoind's RPC or an Esplora server
    #[arg(long, value_name = "URL")]
    chain: Option<String>,
    /// Whether a lightning node runs in the pool
    #[arg(long, value_name = "BOOL")]
    lightning: Option<bool>,
    /// Ask nothing: settings without an option keep their default
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(args: Args) -> Result<ExitCode> {
    let path = args.config;
    if path.exists() {
        bail!(
            "{} is there already: change it by hand, or name another file with --config",
            path.display()
        );
    }
    let base = path.parent().unwrap_or(Path::new(""));
    let given = Answers {
        data_dir: args.data_dir,
        name: None,
        network: args.network,
        upstream: args.upstream,
        address: args.address,
        strangers: args.strangers,
        public_url: args.public_url,
        chain: args.chain,
        lightning: args.lightning,
    };
    let mut person = Dialogue::new((!args.yes).then(|| io::stdin().lock()));
    let mut draft = Draft::new();
    let told = fill(&mut draft, given, &mut person, base)?;
    if let Some(node) = &told.node
        && !write_node(&path, node)?
    {
        let node = base.join(&node.path);
        output::remark(format!("{} is there already, and stays", node.display()));
    }
    write_config(&path, &draft)?;
    say_what_is_next(&path, &told)?;
    Ok(ExitCode::SUCCESS)
}

fn say_what_is_next(path: &Path, told: &Told) -> Result<()> {
    let shown = path.display();
    output::line(format!("{shown} is written. Next steps:"))?;
    if let Some(node) = &told.node {
        output::line(format!(
            "  {}, beside it, has the node's settings: set its alias",
            node.path
        ))?;
    }
    if told.lacks_address {
        output::line(format!(
            "  axepool address --config {shown}       shows the node's address: put it in as \
             [upstream] address"
        ))?;
    } else {
        for warning in config::load(path)?.warnings {
            output::remark(format!("warning: {warning}"));
        }
    }
    output::line(format!(
        "  axepool check-config --config {shown}  prints every key and every problem"
    ))?;
    output::line(format!(
        "  axepool run --config {shown}           runs the pool"
    ))?;
    if told.node.is_some() {
        output::line(format!(
            "  axepool ocean-sign --config {shown}    prints the message that tells OCEAN to pay over lightning"
        ))?;
    }
    output::line(
        "  Copy the words that the first start makes (mint.mnemonic, node-mnemonic) to a safe \
         place",
    )?;
    Ok(())
}
