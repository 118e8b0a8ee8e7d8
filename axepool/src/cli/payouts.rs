//! `axepool payouts` and `axepool payouts show`.

use std::process::ExitCode;

use accounting::settle::{Found, NamedBy, PayoutKey};
use anyhow::Result;
use basics::{humane, output};
use clap::Subcommand;
use pool::admin::{
    EpochPart, MORE_COUNTED, PayoutFate, PayoutRow, PayoutSplit, Payouts, Way, call,
};
use pool::{amounts, control};

use super::place::Place;

/// How many payments are listed unless more are asked for.
const NEWEST: usize = 30;

/// The most letters of a foreign note that are shown.
const NOTE_CHARS: usize = 200;

/// List payments, or show the split of one
///
/// OCEAN pays after each of its blocks. The answer comes from the running pool, or from the
/// store if none runs.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// Print JSON; amounts are integers in the unit that their name ends in
    #[arg(long)]
    json: bool,
    /// Number of payments, the newest first
    #[arg(long, value_name = "N", default_value_t = NEWEST)]
    newest: usize,
    #[command(subcommand)]
    command: Option<PayoutsCommand>,
}

#[derive(Debug, Subcommand)]
enum PayoutsCommand {
    Show(ShowArgs),
    BookOut(BookOutArgs),
}

/// Write off a payment that a reorganisation removed from the chain
///
/// Miners keep the sats that they were paid of it. The operator bears the loss: it is
/// booked as a cost of the node. The command refuses while the chain has the payment. (If
/// the payment is in suspense, run axepool suspense to-fee first.) THIS CANNOT BE UNDONE.
#[derive(Debug, clap::Args)]
struct BookOutArgs {
    #[command(flatten)]
    place: Place,
    /// The payment, txid:vout
    #[arg(value_name = "KEY")]
    key: PayoutKey,
}

/// Show how a payment was split: miner by miner, to the last msat
#[derive(Debug, clap::Args)]
struct ShowArgs {
    #[command(flatten)]
    place: Place,
    /// The payment: its hash, or txid:vout
    #[arg(value_name = "KEY")]
    key: PayoutKey,
    /// Print JSON; work is a decimal string
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        None => list(&args.place, args.newest, args.json),
        Some(PayoutsCommand::BookOut(args)) => {
            let payout = args.key;
            let fee = args.place.ask(call::book_out(payout))?;
            output::line(format!(
                "{payout} is booked out: the node has cost {} msat in all",
                fee.node_costs_msat
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        Some(PayoutsCommand::Show(show)) => {
            let payout = show.key;
            let split = show.place.ask(call::payout(payout))?;
            if show.json {
                output::json(&split)?;
            } else {
                output::line(render_split(&split))?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn list(place: &Place, newest: usize, json: bool) -> Result<ExitCode> {
    let Payouts { payouts, more } = place.ask(call::payouts(newest))?;
    match (json, payouts.is_empty() && more == 0) {
        (true, _) => output::json(&payouts)?,
        (false, true) => output::line("nothing has come yet")?,
        (false, false) => output::line(render(&payouts))?,
    }
    if let Some(left_out) = left_out(newest, more) {
        output::remark(left_out);
    }
    Ok(ExitCode::SUCCESS)
}

/// How many payments a list of the `newest` has not, and how to see them.
fn left_out(newest: usize, more: usize) -> Option<String> {
    let all = newest.saturating_add(more);
    match more {
        0 => None,
        MORE_COUNTED.. => Some(format!(
            "at least {more} older payments are not listed: --newest N lists more of them"
        )),
        _ => Some(format!(
            "{more} older payments are not listed: --newest {all} lists all"
        )),
    }
}

/// A table of payments.
pub(super) fn render(payouts: &[PayoutRow]) -> String {
    let header = [
        "received (UTC)",
        "payment",
        "via",
        "sat",
        "epochs",
        "fee sat",
        "miners",
        "audit",
        "state",
    ];
    let mut table = humane::table(&header, &[3, 5, 6, 7]);
    for row in payouts {
        let (whom, fee, miners, audit) = match &row.state {
            PayoutFate::Settled {
                epochs,
                fee_msat,
                miners,
                audit,
                ..
            } => (
                epochs.iter().map(epoch_part).collect::<Vec<_>>().join(", "),
                amounts::msat_as_sat(*fee_msat),
                humane::count(*miners),
                audit.to_string(),
            ),
            _ => Default::default(),
        };
        table.add_row([
            humane::utc(row.received_ms),
            row.payout.to_string(),
            way(row.via).to_owned(),
            amounts::msat_as_sat(row.amount_msat),
            whom,
            fee,
            miners,
            audit,
            fate(row),
        ]);
    }
    table.to_string()
}

fn epoch_part(part: &EpochPart) -> String {
    let block = part
        .block
        .map(|block| format!(" (block {})", block.height))
        .unwrap_or_default();
    format!("epoch {}{block}", part.epoch)
}

fn way(way: Way) -> &'static str {
    match way {
        Way::Lightning => "lightning",
        Way::OnChain => "on-chain",
    }
}

fn fate(row: &PayoutRow) -> String {
    match &row.state {
        PayoutFate::Settled { .. } => "settled".to_owned(),
        PayoutFate::Suspended { why } => format!("SUSPENDED: {}", control::suspense(*why, row.via)),
        PayoutFate::Gathered => "too small to be split by itself: with the next one".to_owned(),
        PayoutFate::Operators => "the operator's: not for the OCEAN offer".to_owned(),
        PayoutFate::ToFee => "the operator's: taken out of suspense".to_owned(),
    }
}

fn found(found: Found, via: Way) -> String {
    match found {
        Found::Named { epoch, by } => {
            let by = match by {
                NamedBy::Hash => "the block's hash in its note",
                NamedBy::PayoutHeight => "the height of payout in its note",
                NamedBy::FoundHeight => "the block's height in its note",
            };
            format!("epoch {epoch}, by {by}")
        }
        Found::Deep => {
            let none = match via {
                Way::Lightning => "its note names none",
                Way::OnChain => "a payment on-chain names none",
            };
            format!("the epochs whose block was deep enough: {none}")
        }
        Found::Assigned { epoch } => format!("epoch {epoch}, by the operator's command"),
    }
}

/// A payment and its split.
pub(super) fn render_split(split: &PayoutSplit) -> String {
    let row = &split.payout;
    let mut lines = vec![
        format!("payment    {}", row.payout),
        format!(
            "received   {} (UTC) {}",
            humane::utc(row.received_ms),
            over(row.via)
        ),
        format!(
            "amount     {} sat ({} msat)",
            amounts::msat_as_sat(row.amount_msat),
            row.amount_msat
        ),
    ];
    if let Some(note) = &row.note {
        let plain = note.chars().filter(|c| !c.is_control());
        let shown: String = plain.take(NOTE_CHARS).collect();
        lines.push(format!("note       {shown:?}"));
    }
    if let Some(refused) = row.amount_refused_msat {
        lines.push(format!(
            "           TOLD AGAIN with {refused} msat, which is not used"
        ));
    }
    lines.push(format!("state      {}", fate(row)));
    let PayoutFate::Settled {
        found: how,
        epochs,
        fee_msat,
        audit,
        ..
    } = &row.state
    else {
        return lines.join("\n");
    };
    lines.push(format!("for        {}", found(*how, row.via)));
    for part in epochs {
        let over = match part.pays_over == part.epoch {
            true => String::new(),
            false => format!(", over the work of epoch {}: it has none", part.pays_over),
        };
        lines.push(format!(
            "           {}: {} msat{over}",
            epoch_part(part),
            part.amount_msat
        ));
    }
    lines.push(format!("fee        {fee_msat} msat"));
    lines.push(format!("audit file {audit}"));
    lines.push(String::new());
    lines.push(miners(split));
    lines.join("\n")
}

fn over(via: Way) -> &'static str {
    match via {
        Way::Lightning => "over lightning",
        Way::OnChain => "on-chain",
    }
}

fn miners(split: &PayoutSplit) -> String {
    let header = [
        "miner",
        "work (difficulty 1)",
        "allocated msat",
        "carry before",
        "paid sat",
        "carry after",
        "quote of epoch",
    ];
    let mut table = humane::table(&header, &[1, 2, 3, 4, 5, 6]);
    for row in &split.miners {
        table.add_row([
            row.miner.to_string(),
            amounts::work(row.work),
            humane::count(row.allocated_msat.get()),
            row.carry_before_msat.to_string(),
            humane::count(row.paid_sat.get()),
            row.carry_after_msat.to_string(),
            row.quote_epoch.to_string(),
        ]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payments_that_are_not_listed_are_told_with_the_flag() {
        assert_eq!(left_out(30, 0), None);
        let few = left_out(30, 12).expect("some");
        assert!(
            few.contains("12 older") && few.contains("--newest 42"),
            "{few}"
        );
        let many = left_out(30, MORE_COUNTED).expect("many");
        assert!(
            many.contains("at least 1000") && many.contains("--newest"),
            "{many}"
        );
        left_out(usize::MAX, 1).expect("no overflow");
    }
}
