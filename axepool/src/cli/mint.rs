//! `axepool mint parked`.

use std::process::ExitCode;

use anyhow::Result;
use basics::{humane, output};
use clap::Subcommand;
use mint::{Order, Parked};
use pool::admin::{MintParked, call};

use super::place::Place;

/// Manage the mint of the running pool
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: MintCommand,
}

#[derive(Debug, Subcommand)]
enum MintCommand {
    Parked(ParkedArgs),
}

/// List or retry outbox rows that the mint refused permanently (dead letters)
///
/// A row of the ledger's outbox that the mint cannot carry out is parked, so that the
/// others proceed. Its amount is still owed. The exit code is 1 while any row is parked.
#[derive(Debug, clap::Args)]
struct ParkedArgs {
    #[command(flatten)]
    place: Place,
    /// Retry the parked rows first
    #[arg(long)]
    retry: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> Result<ExitCode> {
    let MintCommand::Parked(args) = args.command;
    let MintParked { done, parked } = args.place.ask_running(call::mint_parked(args.retry))?;
    if args.json {
        output::json(&parked)?;
    } else {
        if args.retry {
            output::line(format!("{done} done now"))?;
        }
        output::line(render(&parked))?;
    }
    Ok(if parked.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn render(parked: &[Parked]) -> String {
    if parked.is_empty() {
        return "nothing is parked".to_owned();
    }
    let mut table = humane::table(
        &["row", "parked since (UTC)", "order", "sat", "error"],
        &[0, 3],
    );
    for Parked {
        row,
        reason,
        since_ms,
    } in parked
    {
        let (what, sat) = match &row.order {
            Order::CreateQuote { quote, .. } => (format!("make {quote}"), String::new()),
            Order::PayQuote { quote, amount, .. } => (format!("pay {quote}"), amount.to_string()),
            Order::SettleEpoch { epoch } => (format!("settle epoch {epoch}"), String::new()),
            Order::MergeEpoch { epoch, into } => {
                (format!("merge epoch {epoch} into {into}"), String::new())
            }
        };
        table.add_row([
            row.id.get().to_string(),
            humane::utc(*since_ms),
            what,
            sat,
            reason.clone(),
        ]);
    }
    table.to_string()
}
