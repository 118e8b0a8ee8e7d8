//! `axepool node`.

mod recover;

use std::process::ExitCode;

use accounting::{Msat, Sat};
use anyhow::{Result, bail};
use basics::{humane, output};
use clap::Subcommand;
use payout::marks::GoOn;
use payout::node::PeerView;
use payout::outgoing::Outcome;
use payout::readiness::Mark;
use pool::admin::{Afterwards, NodeLook, NodeRequest, NodeStatus, Opening, Payment, Sent, call};

use super::place::Place;

/// So many closed channels are shown; the JSON has all that are kept.
const CLOSED_SHOWN: usize = 5;

/// Manage the lightning node of the running pool
///
/// OCEAN pays this node after each of its blocks. All subcommands use the admin socket.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: NodeCommand,
}

#[derive(Debug, Subcommand)]
enum NodeCommand {
    Status(StatusArgs),
    Connect(ConnectArgs),
    Open(OpenArgs),
    Close(CloseArgs),
    SendOnchain(SendArgs),
    Pay(PayArgs),
    Payments(PaymentsArgs),
    Recover(recover::Args),
    Accept(AcceptArgs),
}

/// Show the state of the node, and each reason why OCEAN cannot pay yet
///
/// The exit code is 0 if OCEAN can pay, else 1.
#[derive(Debug, clap::Args)]
struct StatusArgs {
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Connect to a peer, now and after every restart
#[derive(Debug, clap::Args)]
struct ConnectArgs {
    #[command(flatten)]
    place: Place,
    /// The peer, node_id@host:port
    #[arg(value_name = "PEER")]
    peer: String,
}

/// Open a channel to a peer, from the node's own wallet
///
/// The command refuses if miners' money would pay: the transaction costs a fee, and a
/// channel reserves money for its closing.
///
/// Your money in the channel can be sent (outbound capacity). To receive, the peer must
/// have money in a channel with you (inbound capacity): have a channel opened to this node,
/// or spend from your own.
#[derive(Debug, clap::Args)]
struct OpenArgs {
    #[command(flatten)]
    place: Place,
    /// The peer, node_id@host:port
    #[arg(value_name = "PEER")]
    peer: String,
    /// The channel's size in satoshis
    #[arg(value_name = "SAT")]
    size: Sat,
    /// Announce the channel to the network; the node must be a public one
    #[arg(long)]
    public: bool,
    /// Proceed even if the remaining assets are below the liabilities
    #[arg(long)]
    force: bool,
}

/// Close a channel
#[derive(Debug, clap::Args)]
struct CloseArgs {
    #[command(flatten)]
    place: Place,
    /// The channel's number, from axepool node status
    #[arg(value_name = "CHANNEL")]
    channel: u128,
    /// Close without the peer's cooperation: this costs more, and locks the money for some
    /// hundred blocks
    #[arg(long)]
    force: bool,
}

/// Send money on-chain from the node's wallet
///
/// The command refuses if the remaining assets would be below the liabilities to miners and
/// holders of ecash. To withdraw the fees that the pool earned, use axepool fee withdraw,
/// which also books the withdrawal.
#[derive(Debug, clap::Args)]
struct SendArgs {
    #[command(flatten)]
    place: Place,
    /// The destination address
    #[arg(value_name = "ADDRESS")]
    to: String,
    /// The amount in satoshis, or "all": everything except the reserve for closing channels
    #[arg(value_name = "SAT|all")]
    amount: String,
    /// Proceed even if the remaining assets are below the liabilities
    #[arg(long)]
    force: bool,
}

/// Pay an invoice or an offer over lightning, with the operator's money
///
/// The command refuses if the remaining assets would be below the liabilities to miners and
/// holders of ecash.
#[derive(Debug, clap::Args)]
struct PayArgs {
    #[command(flatten)]
    place: Place,
    /// A BOLT11 invoice or a BOLT12 offer
    #[arg(value_name = "INVOICE|OFFER")]
    to: String,
    /// The amount in satoshis, if the invoice or offer states none
    #[arg(value_name = "SAT")]
    amount: Option<Sat>,
    /// Proceed even if the remaining assets are below the liabilities
    #[arg(long)]
    force: bool,
}

/// List the node's outgoing payments with an unknown outcome
///
/// Most payments are decided within seconds. A payment of which a killed process left no
/// trace stays in the list until it is given up, and until then its burnt ecash is not
/// returned.
#[derive(Debug, clap::Args)]
struct PaymentsArgs {
    #[command(flatten)]
    place: Place,
    /// Declare this payment as not made, so that its ecash is returned; allowed only after
    /// two weeks, when the payment cannot be under way any more
    #[arg(long, value_name = "ID")]
    give_up: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Let the node start although its directory is not the last one
///
/// The pool compares the node's directory with what it knew of it before each start of the
/// node. One that is gone, an older copy or another node's does not start by itself: with an
/// older state of a channel the node can lose all the money in it. Put the last directory
/// there if there is one anywhere: the node starts with it within a minute.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("how").required(true)))]
struct AcceptArgs {
    #[command(flatten)]
    place: Place,
    /// Start from the node's words, with the store that is there put out of the way: the
    /// channels' peers close them, and axepool node recover fetches the money
    #[arg(long, group = "how")]
    set_aside: bool,
    /// Start with the store that is there. Only if you know that it is the last one, as after
    /// moving it to another disk
    #[arg(long, group = "how")]
    as_it_is: bool,
}

pub(super) fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        NodeCommand::Status(args) => status(&args),
        NodeCommand::Connect(args) => {
            let peer = args.peer.clone();
            let order = NodeRequest::Connect { peer };
            args.place.ask_running(call::node_order(order))?;
            output::line(format!("connected to {}", args.peer))?;
            Ok(ExitCode::SUCCESS)
        }
        NodeCommand::Open(args) => open(args),
        NodeCommand::Close(args) => {
            let (channel, force) = (args.channel, args.force);
            let order = NodeRequest::Close { channel, force };
            args.place.ask_running(call::node_order(order))?;
            output::line(
                "the channel is being closed: its money is in the node's wallet once that is confirmed",
            )?;
            Ok(ExitCode::SUCCESS)
        }
        NodeCommand::SendOnchain(args) => send(args),
        NodeCommand::Pay(args) => pay(args),
        NodeCommand::Payments(args) => payments(args),
        NodeCommand::Recover(args) => recover::run(&args),
        NodeCommand::Accept(args) => {
            let how = match args.as_it_is {
                true => GoOn::AsItIs,
                false => GoOn::SetAside,
            };
            let accept = NodeRequest::Accept { how };
            args.place.ask_running(call::node_order(accept))?;
            output::line("the node starts (axepool node status)")?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn open(args: OpenArgs) -> Result<ExitCode> {
    let request = NodeRequest::Open {
        peer: args.peer,
        size: args.size,
        public: args.public,
        force: args.force,
    };
    let Opening {
        channel,
        after,
        advice,
    } = args.place.ask_running(call::open_channel(request))?;
    advice.into_iter().for_each(output::remark);
    tell_after(after.as_ref());
    output::line(format!(
        "channel {channel} is being opened: it can be used once its transaction is confirmed (axepool node status)"
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn send(args: SendArgs) -> Result<ExitCode> {
    let amount = match args.amount.as_str() {
        "all" => None,
        sats => match sats.parse() {
            Ok(sats) => Some(sats),
            Err(_) => bail!("{sats:?} is neither a number of satoshis nor \"all\""),
        },
    };
    let request = NodeRequest::SendOnchain {
        to: args.to,
        amount,
        force: args.force,
    };
    let Sent { txid, after } = args.place.ask_running(call::send_onchain(request))?;
    tell_after(after.as_ref());
    output::line(txid.to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// What was estimated before an order was carried out.
pub(super) fn tell_after(after: Option<&Afterwards>) {
    if let Some(after) = after {
        output::remark(format!(
            "with at most {} sat to the network, {} msat are owed and {} msat are there when it is \
             done",
            after.fee_sat, after.owed_msat, after.there_msat
        ));
    }
}

fn pay(args: PayArgs) -> Result<ExitCode> {
    let request = NodeRequest::Pay {
        to: args.to,
        amount: args.amount,
        force: args.force,
    };
    tell_payment(args.place.ask_running(call::payment(request))?)
}

fn payments(args: PaymentsArgs) -> Result<ExitCode> {
    if let Some(id) = args.give_up {
        let give_up = NodeRequest::GiveUp { id };
        return tell_payment(args.place.ask_running(call::payment(give_up))?);
    }
    let payments = args.place.ask_running(call::undecided())?;
    if args.json {
        output::json(&payments)?;
    } else if payments.is_empty() {
        output::line("every payment is decided")?;
    } else {
        let mut table = humane::table(&["payment", "msat", "pending since (UTC)"], &[1]);
        for one in &payments {
            let since_ms = one.since_secs.saturating_mul(1000);
            let amount = match one.amount {
                // Nothing but its id is left of it.
                Msat::ZERO => "not known".to_owned(),
                amount => amount.to_string(),
            };
            table.add_row([one.id.clone(), amount, humane::utc(since_ms)]);
        }
        output::line(table.to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn tell_payment(payment: Payment) -> Result<ExitCode> {
    let Payment { id, state } = payment;
    match state {
        Outcome::Paid { spent, preimage } => {
            let preimage = preimage.map_or(String::new(), |proof| format!(", preimage {proof}"));
            output::line(format!("{id} paid, {spent} msat with fees{preimage}"))?;
            Ok(ExitCode::SUCCESS)
        }
        Outcome::NotPaid { why } => {
            output::line(format!("{id} NOT paid: {why}"))?;
            Ok(ExitCode::FAILURE)
        }
        Outcome::Pending => {
            output::line(format!(
                "{id} is under way: axepool node payments lists it until it is decided"
            ))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn status(args: &StatusArgs) -> Result<ExitCode> {
    let status = args.place.ask_running(call::node_status())?;
    if args.json {
        output::json(&status)?;
    } else {
        output::line(render(&status).trim_end())?;
    }
    let is_bad = |mark| mark == Mark::Bad;
    let is_well = status.node.is_some() && !status.checks.iter().any(|check| is_bad(check.mark));
    Ok(if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn render(status: &NodeStatus) -> String {
    let mut lines = vec![format!("node       {}", status.state)];
    if let Some(node) = &status.node {
        lines.extend(money(node));
        lines.extend(channels(node));
        lines.extend(peers(node));
    }
    let newest = status.closed.iter().take(CLOSED_SHOWN);
    lines.extend(newest.map(|one| format!("closed     {one}")));
    let older = status.closed.len().saturating_sub(CLOSED_SHOWN);
    if older > 0 {
        lines.push(format!(
            "           {older} older closed channels: --json lists them"
        ));
    }
    for check in &status.checks {
        let mark = match check.mark {
            Mark::Good => "good",
            Mark::Warn => "WARN",
            Mark::Bad => "BAD ",
        };
        lines.push(format!("{mark}       {}", check.said));
    }
    lines.join("\n")
}

fn money(node: &NodeLook) -> Vec<String> {
    let mut lines = vec![
        format!("channels   {} sat ours", node.channels_sat),
        format!(
            "on-chain   {} sat, {} to spend, {} kept for closing channels",
            node.on_chain_sat, node.spendable_sat, node.anchor_reserve_sat
        ),
    ];
    if !node.closing_sat.is_zero() {
        lines.push(format!(
            "closing    {} sat come back from closed channels",
            node.closing_sat
        ));
    }
    lines
}

fn channels(node: &NodeLook) -> Vec<String> {
    if node.channels.is_empty() {
        return Vec::new();
    }
    let header = [
        "channel",
        "peer",
        "capacity sat",
        "inbound sat",
        "largest receivable",
        "outbound sat",
        "state",
    ];
    let sat = |amount: Msat| amount.to_sat_floor().to_string();
    let mut table = humane::table(&header, &[2, 3, 4, 5]);
    for channel in &node.channels {
        let state = match (channel.is_ready, channel.is_usable) {
            (_, true) if channel.is_public => "usable, public",
            (_, true) => "usable",
            (true, false) => "peer offline",
            (false, _) => "unconfirmed",
        };
        table.add_row([
            channel.id.to_string(),
            humane::short_key(&channel.peer.to_string()),
            channel.size.to_string(),
            sat(channel.inbound),
            channel.inbound_part.map_or("?".to_owned(), sat),
            sat(channel.outbound),
            state.to_owned(),
        ]);
    }
    vec![table.to_string()]
}

fn peers(node: &NodeLook) -> Vec<String> {
    let line = |peer: &PeerView| {
        let state = if peer.is_connected { "here" } else { "AWAY" };
        format!("peer       {}@{} {state}", peer.node_id, peer.address)
    };
    node.peers.iter().map(line).collect()
}
