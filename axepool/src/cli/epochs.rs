//! `axepool epochs` and `axepool epochs close`.

use std::process::ExitCode;
use std::time::Duration;

use accounting::{CloseCause, Epoch, EpochState};
use anyhow::{Result, bail};
use basics::{clock, humane, output};
use clap::Subcommand;

use super::place::{OTHER_VERSION, Place};
use crate::admin::{Reply, Request};
use crate::amounts;

/// List the epochs, or close the open one
///
/// An epoch is the span of shares between two OCEAN blocks; OCEAN's payment for it is split
/// by the work in it. The answer comes from the running pool, or from the store if none
/// runs.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// Print JSON; work is a decimal string, times are milliseconds since 1970
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<EpochsCommand>,
}

#[derive(Debug, Subcommand)]
enum EpochsCommand {
    Close(CloseArgs),
}

/// Close the open epoch now and open the next
///
/// Shares accepted earlier belong to the closed epoch, later ones to the next. Normally an
/// OCEAN block closes an epoch.
#[derive(Debug, clap::Args)]
struct CloseArgs {
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        None => list(&args.place, args.json),
        Some(EpochsCommand::Close(close)) => close_open(&close.place, close.json),
    }
}

fn list(place: &Place, json: bool) -> Result<ExitCode> {
    let Reply::Epochs { epochs } = place.ask(Request::Epochs)? else {
        bail!(OTHER_VERSION);
    };
    if json {
        output::json(&epochs)?;
    } else {
        output::line(render(&epochs, clock::now_ms()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn close_open(place: &Place, json: bool) -> Result<ExitCode> {
    let Reply::EpochClosed { epoch } = place.ask(Request::CloseEpoch)? else {
        bail!(OTHER_VERSION);
    };
    if json {
        output::json(&epoch)?;
    } else {
        output::line(format!(
            "closed epoch {}: {} shares of {} miners, work {}",
            epoch.id,
            humane::count(epoch.totals.shares),
            humane::count(epoch.totals.miners),
            amounts::work(epoch.totals.work),
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn render(epochs: &[Epoch], now_ms: u64) -> String {
    let header = [
        "epoch",
        "opened (UTC)",
        "state",
        "closed by",
        "miners",
        "shares",
        "work (difficulty 1)",
        "hashrate",
        "blocks",
        "fee",
    ];
    let mut table = humane::table(&header, &[0, 4, 5, 6, 7, 8, 9]);
    for epoch in epochs {
        let (state, cause) = match epoch.state {
            EpochState::Open => ("open".to_owned(), String::new()),
            EpochState::Closed { at_ms, cause } => (
                format!("closed {}", humane::utc(at_ms)),
                close_cause(&cause),
            ),
        };
        let until_ms = epoch.closed_ms().unwrap_or(now_ms);
        let length = Duration::from_millis(until_ms.saturating_sub(epoch.opened_ms));
        table.add_row([
            epoch.id.to_string(),
            humane::utc(epoch.opened_ms),
            state,
            cause,
            humane::count(epoch.totals.miners),
            humane::count(epoch.totals.shares),
            amounts::work(epoch.totals.work),
            humane::hashrate(amounts::rate(epoch.totals.work, length)),
            humane::count(epoch.totals.blocks),
            format!(
                "{}.{:02} %",
                epoch.terms.fee_bps / 100,
                epoch.terms.fee_bps % 100
            ),
        ]);
    }
    table.to_string()
}

fn close_cause(cause: &CloseCause) -> String {
    match cause {
        CloseCause::Command => "command".to_owned(),
        CloseCause::OceanBlock { height, .. } => format!("block {height}"),
    }
}
