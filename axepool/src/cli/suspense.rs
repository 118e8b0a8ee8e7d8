//! `axepool suspense`.

use std::process::ExitCode;

use accounting::EpochId;
use accounting::settle::PayoutKey;
use anyhow::Result;
use basics::output;
use clap::Subcommand;
use pool::admin::{PayoutFate, PayoutSplit, call};
use pool::amounts;

use super::payouts::{render, render_split};
use super::place::Place;

/// List and assign payments in suspense
///
/// A payment waits in suspense if it names no known block or its owner is unknown. It
/// resolves by itself when its block becomes known; otherwise you decide.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: SuspenseCommand,
}

#[derive(Debug, Subcommand)]
enum SuspenseCommand {
    List(ListArgs),
    Assign(AssignArgs),
    ToFee(ToFeeArgs),
}

/// List the payments in suspense
///
/// The exit code is 0 if no payment waits, else 1.
#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Give a payment to the miners of a closed epoch
///
/// The payment is split at once by the work in that epoch and by its terms, and paid to the
/// miners' quotes. THIS CANNOT BE UNDONE: sats paid to a quote are the miner's.
#[derive(Debug, clap::Args)]
struct AssignArgs {
    #[command(flatten)]
    place: Place,
    /// The payment: its hash, or txid:vout
    #[arg(value_name = "KEY")]
    payout: PayoutKey,
    /// The epoch's number (axepool epochs)
    #[arg(value_name = "EPOCH")]
    epoch: EpochId,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Book a payment to the operator's balance
///
/// Use this for money that you sent to the payout address yourself, for example: axepool
/// fee withdraw pays it back. No miner gets any of it. THIS CANNOT BE UNDONE.
#[derive(Debug, clap::Args)]
struct ToFeeArgs {
    #[command(flatten)]
    place: Place,
    /// The payment: its hash, or txid:vout
    #[arg(value_name = "KEY")]
    payout: PayoutKey,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        SuspenseCommand::List(args) => list(&args),
        SuspenseCommand::Assign(args) => {
            let (payout, epoch) = (args.payout, args.epoch);
            tell(&args.place.ask(call::assign(payout, epoch))?, args.json)
        }
        SuspenseCommand::ToFee(args) => {
            let split = args.place.ask(call::to_fee(args.payout))?;
            tell(&split, args.json)
        }
    }
}

fn list(args: &ListArgs) -> Result<ExitCode> {
    let suspended = args.place.ask(call::suspense())?.payouts;
    if args.json {
        output::json(&suspended)?;
    } else if suspended.is_empty() {
        output::line("nothing is in suspense")?;
    } else {
        output::line(render(&suspended))?;
        output::line(
            "\naxepool suspense assign KEY EPOCH  gives one to the miners of a closed epoch\n\
             axepool suspense to-fee KEY        takes one for the operator\n\
             Neither can be undone.",
        )?;
    }
    Ok(if suspended.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn tell(split: &PayoutSplit, json: bool) -> Result<ExitCode> {
    if json {
        output::json(split)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let PayoutFate::ToFee = split.payout.state {
        let amount = amounts::msat_as_sat(split.payout.amount_msat);
        output::line(format!("{amount} sat are the operator's now"))?;
    } else {
        output::line(render_split(split))?;
    }
    Ok(ExitCode::SUCCESS)
}
