//! `axepool address`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use basics::output;
use payout::{Seed, payout_address};
use pool::admin::call;
use pool::config::{self, NodeConfig};

use super::place::Place;

/// Show an address of the lightning node's wallet
///
/// Without --deposit this prints the payout address, for [upstream] address: the wallet's
/// first address, always the same one. OCEAN pays to it the amounts that it cannot pay over
/// lightning, and money that arrives there is the miners'. The node need not run, and the
/// config needs only [lightning].
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// Print a fresh address for the operator's own money instead; needs a running pool
    #[arg(long)]
    deposit: bool,
    /// Do not print a QR code
    #[arg(long)]
    no_qr: bool,
}

pub(super) fn run(args: Args) -> Result<ExitCode> {
    let address = if args.deposit {
        args.place.ask_running(call::deposit_address())?
    } else {
        let node = node(args.place.config())?;
        payout_address(&seed(&node)?, node.settings.network)?.to_string()
    };
    output::line(&address)?;
    if output::is_screen()
        && !args.no_qr
        && let Some(qr) = wallet::terminal_qr(&address.to_uppercase(), true)
    {
        output::line(qr)?;
    }
    if !args.deposit {
        output::remark(format!(
            "for [upstream] address: what arrives there is the miners' (your own money goes to \
             axepool address --deposit). The words in {} are its key",
            node(args.place.config())?.settings.mnemonic_file.display()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// The node's part of the config file at `path`.
pub(super) fn node(path: &Path) -> Result<NodeConfig> {
    config::load_node(path)?.with_context(|| {
        format!(
            "{} names no lightning node: [lightning] config = \"...\", see ldk-node-config/. \
             (Without a node any address of your own wallet will do)",
            path.display()
        )
    })
}

/// The node's words; made now if there are none yet.
pub(super) fn seed(node: &NodeConfig) -> Result<Seed> {
    let settings = &node.settings;
    Ok(Seed::open(&settings.mnemonic_file, &settings.storage_dir)?)
}
