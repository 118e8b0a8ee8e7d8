//! `axepool node recover`.

use std::process::ExitCode;

use accounting::Sat;
use anyhow::{Context, Result, bail};
use basics::{humane, output};
use bitcoin::address::NetworkUnchecked;
use bitcoin::{Address, ScriptBuf, Transaction};
use payout::chain::Unspent;
use payout::own_coins::Sorted;
use payout::{ChainClient, Forgotten, OwnCoins};
use pool::admin::{AskError, NodeRequest, WalletView, call};
use pool::config::NodeConfig;

use crate::cli::address;
use crate::cli::place::Place;

/// Fetch the node's money that its wallet does not see after a restore
///
/// After a node started from its seed words alone, two kinds of its money are on the chain.
/// First, older coins of its wallet: on bitcoind a new wallet begins at the chain's tip.
/// Second, the balances of its lost channels: each peer closes its channel when the node
/// connects to it again, and pays to keys that follow from the seed words but that the
/// wallet does not watch. This command finds both and sends them to the wallet. It takes
/// some minutes, may be repeated at any time, and finds only confirmed outputs: run it at
/// once, and again when each peer has closed its channel.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// The fee of the transactions, in satoshis per vbyte
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    sat_per_vbyte: u32,
    /// Only list the money, send nothing
    #[arg(long)]
    look: bool,
}

/// What was found, and who signs for it.
struct Lost {
    forgotten: Forgotten,
    /// Paid out by peers for channels.
    of_channels: Vec<Unspent>,
    own: OwnCoins,
    /// Coins of the wallet.
    of_wallet: Sorted,
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
    let lost = look(args, &node)?;
    tell(&lost)?;
    let nothing = lost.of_channels.is_empty() && lost.of_wallet.unseen.is_empty();
    if args.look {
        return Ok(ExitCode::SUCCESS);
    }
    if nothing {
        sought(args)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rate = args.sat_per_vbyte;
    if !lost.of_wallet.unseen.is_empty() {
        let to = deposit_address(args, &node)?;
        let sent = lost.own.send(&lost.of_wallet.unseen, &to, rate)?;
        send(args, &node, &lost.of_wallet.unseen, &sent)?;
        if sent.input.len() < lost.of_wallet.unseen.len() {
            output::remark("some are left for another run, or are not worth their fee");
        }
    }
    if !lost.of_channels.is_empty() {
        let to = deposit_address(args, &node)?;
        let sent = lost.forgotten.send(&lost.of_channels, &to, rate)?;
        send(args, &node, &lost.of_channels, &sent)?;
    }
    sought(args)?;
    Ok(ExitCode::SUCCESS)
}

/// The status needs not remind of it any more.
fn sought(args: &Args) -> Result<()> {
    args.place
        .ask_running(call::node_order(NodeRequest::Sought))
}

/// Goes through all that is unspent, once for both kinds.
fn look(args: &Args, node: &NodeConfig) -> Result<Lost> {
    let WalletView {
        first_block,
        external,
        internal,
    } = args.place.ask_running(call::node_wallet())?;
    let (seed, network) = (address::seed(node)?, node.settings.network);
    let forgotten = Forgotten::of(&seed, network)?;
    let own = OwnCoins::of(&seed, network, (external, internal))?;
    let mut scripts = forgotten.scripts().to_vec();
    // A wallet that asks for each of its addresses sees its coins itself.
    if first_block > 0 {
        scripts.extend(own.scripts().cloned());
    }
    let (found, tip) = search(&client(node)?, &scripts)?;
    let of_wallet = own.sort(&found, first_block, tip);
    let is_channels = |one: &Unspent| forgotten.scripts().contains(&one.output.script_pubkey);
    let of_channels = found.into_iter().filter(is_channels).collect();
    Ok(Lost {
        forgotten,
        of_channels,
        own,
        of_wallet,
    })
}

fn tell(lost: &Lost) -> Result<()> {
    let rows = |coins: &[Unspent], what: &str| -> Result<()> {
        for one in coins {
            let sat = humane::count(one.output.value.to_sat());
            output::line(format!("{sat:>15} sat  {}  {what}", one.outpoint))?;
        }
        Ok(())
    };
    rows(&lost.of_wallet.unseen, "a coin of the wallet")?;
    rows(&lost.of_channels, "from a channel")?;
    rows(
        &lost.of_wallet.young,
        "young: perhaps a coinbase, to be fetched when it is 100 blocks old",
    )?;
    if lost.of_channels.is_empty() && lost.of_wallet == Sorted::default() {
        output::line(
            "nothing of this node is on the chain that its wallet does not see. A peer closes \
             when the node meets it (axepool node connect), and what it pays out is found when \
             it is in a block",
        )?;
    }
    Ok(())
}

/// An address that the node's wallet watches from now on.
fn deposit_address(args: &Args, node: &NodeConfig) -> Result<Address> {
    let address = args.place.ask_running(call::deposit_address())?;
    let address: Address<NetworkUnchecked> = address.parse().context(AskError::OtherAnswer)?;
    Ok(address.require_network(node.settings.network)?)
}

fn send(args: &Args, node: &NodeConfig, found: &[Unspent], sent: &Transaction) -> Result<()> {
    let spent = |outpoint| found.iter().find(|one| one.outpoint == outpoint);
    let spent = sent
        .input
        .iter()
        .filter_map(|one| spent(one.previous_output));
    let sat: u64 = spent.map(|one| one.output.value.to_sat()).sum();
    let arrives: u64 = sent.output.iter().map(|one| one.value.to_sat()).sum();
    let fee = sat.saturating_sub(arrives);
    let keep = NodeRequest::Fetching {
        txid: sent.compute_txid(),
        fee: Sat::new(fee),
    };
    args.place.ask_running(call::node_order(keep))?;
    // Another client: the connections of the first ended with what it ran on.
    let chain = client(node)?;
    let txid = block_on(async {
        let taken = chain.broadcast(sent).await;
        taken.context("the transaction to the wallet was not taken (see --sat-per-vbyte)")
    })?;
    output::line(format!(
        "sent to the node's wallet: {} sat, {} sat of it as the fee, in {txid}",
        humane::count(sat),
        humane::count(fee),
    ))?;
    Ok(())
}

/// Runs questions to the chain to their end.
fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(Box::pin(work))
}

fn client(node: &NodeConfig) -> Result<ChainClient> {
    Ok(ChainClient::new(&node.chain)?)
}

/// What is unspent at `scripts`, and the chain's last block.
fn search(chain: &ChainClient, scripts: &[ScriptBuf]) -> Result<(Vec<Unspent>, u32)> {
    output::remark("looking through all that is unspent: this takes some minutes");
    let told = |done: usize| {
        if done > 0 && done.is_multiple_of(200) {
            output::remark(format!("{done} of {} places", scripts.len()));
        }
    };
    block_on(async {
        let found = chain.unspent(scripts, told).await;
        let found = found.context("what is unspent cannot be looked through")?;
        let info = chain.info().await;
        let info = info.context("the chain's last block is not known")?;
        Ok((found, info.height))
    })
}
