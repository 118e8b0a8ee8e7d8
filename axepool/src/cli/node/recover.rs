//! `axepool node recover`.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use bitcoin::Address;
use bitcoin::address::NetworkUnchecked;
use payout::chain::Unspent;
use payout::{ChainClient, Forgotten};

use super::ask;
use crate::admin::{NodeReply, NodeRequest};
use crate::cli::address;
use crate::cli::place::{OTHER_VERSION, Place};
use crate::cli::wallet::block_on;
use crate::config::NodeConfig;
use crate::{humane, output};

/// After a restore: fetch what peers paid out for channels that the node does not know
///
/// A node that starts from its words alone has lost its channels. Its peers close them, each
/// when the node meets it again, and the money arrives at keys of the words that the node's
/// wallet does not look at. This looks for it on the chain and sends it to the wallet. It
/// takes some minutes, may be done again at any time, and finds only what is in a block: do
/// it once each peer has closed.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// The fee of the transaction, in satoshis per vbyte
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    sat_per_vbyte: u32,
    /// Only tell what is there
    #[arg(long)]
    look: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let node = address::node(args.place.config())?;
    let words = &node.settings.mnemonic_file;
    // New ones would be made, and would be nobody's.
    if !words.try_exists()? {
        bail!(
            "{} is not there: put the node's words there first",
            words.display()
        );
    }
    let forgotten = Forgotten::of(&address::seed(&node)?, node.settings.network)?;
    let found = look(&client(&node)?, &forgotten)?;
    let sat: u64 = found.iter().map(|one| one.output.value.to_sat()).sum();
    for one in &found {
        let sat = humane::count(one.output.value.to_sat());
        output::line(format!("{sat:>15} sat  {}", one.outpoint))?;
    }
    if found.is_empty() {
        output::line(
            "nothing of this node's channels is on the chain. A peer closes when the node meets \
             it (axepool node connect), and what it pays out is found when it is in a block",
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.look {
        return Ok(ExitCode::SUCCESS);
    }
    let NodeReply::DepositAddress { address } = ask(&args.place, NodeRequest::DepositAddress)?
    else {
        bail!(OTHER_VERSION);
    };
    let address: Address<NetworkUnchecked> = address.parse().context(OTHER_VERSION)?;
    let address = address.require_network(node.settings.network)?;
    let transaction = forgotten.send(&found, &address, args.sat_per_vbyte)?;
    // Another client: the connections of the first ended with what it ran on.
    let chain = client(&node)?;
    let txid = block_on(async {
        let sent = chain.broadcast(&transaction).await;
        sent.context("the transaction to the wallet was not taken (see --sat-per-vbyte)")
    })?;
    let sent: u64 = transaction
        .output
        .iter()
        .map(|output| output.value.to_sat())
        .sum();
    output::line(format!(
        "sent to the node's wallet: {} sat, {} sat of it as the fee, in {txid}",
        humane::count(sat),
        humane::count(sat.saturating_sub(sent)),
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn client(node: &NodeConfig) -> Result<ChainClient> {
    ChainClient::new(&node.chain)?.context(
        "the chain is read from an Electrum server, which cannot be asked this: let [chain] url \
         name bitcoind's RPC or an Esplora server",
    )
}

fn look(chain: &ChainClient, forgotten: &Forgotten) -> Result<Vec<Unspent>> {
    let scripts = forgotten.scripts();
    output::remark("looking through all that is unspent: this takes some minutes");
    let told = |done: usize| {
        if done > 0 && done.is_multiple_of(200) {
            output::remark(format!("{done} of {} places", scripts.len()));
        }
    };
    block_on(async {
        let found = chain.unspent(scripts, told).await;
        found.context("what is unspent cannot be looked through")
    })
}
