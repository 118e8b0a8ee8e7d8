//! `axepool epochs` and `axepool epochs close`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use accounting::{CloseCause, Epoch, EpochId, EpochState};
use anyhow::Result;
use basics::{clock, humane, output};
use clap::Subcommand;
use pool::admin::{Epochs, call};
use pool::amounts;
use serde::Serialize;

use super::place::Place;

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

/// An epoch as JSON has it.
#[derive(Debug, Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    epoch: &'a Epoch,
    /// Its block is not in the chain any more.
    is_orphaned: bool,
    /// The epoch that its work counts in now.
    merged_into: Option<EpochId>,
}

fn list(place: &Place, json: bool) -> Result<ExitCode> {
    let Epochs { epochs, orphaned } = place.ask(call::epochs())?;
    let fates: BTreeMap<_, _> = orphaned
        .iter()
        .map(|one| (one.epoch, one.merged_into))
        .collect();
    let rows = epochs.iter().map(|epoch| Row {
        epoch,
        is_orphaned: fates.contains_key(&epoch.id),
        merged_into: fates.get(&epoch.id).copied().flatten(),
    });
    let rows: Vec<_> = rows.collect();
    if json {
        output::json(&rows)?;
    } else {
        output::line(render(&rows, clock::now_ms()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn close_open(place: &Place, json: bool) -> Result<ExitCode> {
    let epoch = place.ask(call::close_epoch())?;
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

fn render(rows: &[Row<'_>], now_ms: u64) -> String {
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
    for row in rows {
        let epoch = row.epoch;
        let (state, cause) = match epoch.state {
            EpochState::Open => ("open".to_owned(), String::new()),
            EpochState::Closed { at_ms, cause } => (closed(row, at_ms), close_cause(&cause)),
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

/// An epoch that is not open: one whose block was orphaned is mostly merged into another,
/// which gets its money.
fn closed(row: &Row<'_>, at_ms: u64) -> String {
    match (row.merged_into, row.is_orphaned) {
        (Some(into), _) => format!("merged into epoch {into}, its block is orphaned"),
        (None, true) => format!("closed {}, its block is orphaned", humane::utc(at_ms)),
        (None, false) => format!("closed {}", humane::utc(at_ms)),
    }
}

fn close_cause(cause: &CloseCause) -> String {
    match cause {
        CloseCause::Command => "command".to_owned(),
        CloseCause::OceanBlock { height, .. } => format!("block {height}"),
    }
}

#[cfg(test)]
mod tests {
    use accounting::EpochTerms;

    use super::*;

    #[track_caller]
    fn case(is_orphaned: bool, merged_into: Option<EpochId>, said: &str) {
        let mut epoch = Epoch::open(EpochId::FIRST, 0, EpochTerms::default());
        epoch.state = EpochState::Closed {
            at_ms: 0,
            cause: CloseCause::Command,
        };
        let row = Row {
            epoch: &epoch,
            is_orphaned,
            merged_into,
        };
        let shown = render(&[row], 0);
        assert!(shown.contains(said), "{shown}");
        assert_eq!(shown.contains("merged"), merged_into.is_some(), "{shown}");
    }

    #[test]
    fn an_epoch_that_is_merged_is_not_told_as_closed() {
        case(false, None, "closed 1970");
        case(true, None, "its block is orphaned");
        case(true, Some(EpochId::new(7)), "merged into epoch 7");
    }
}
