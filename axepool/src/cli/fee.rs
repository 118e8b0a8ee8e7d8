//! `axepool fee`.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::str::FromStr;

use accounting::{MSAT_PER_SAT, Sat};
use anyhow::Result;
use basics::{humane, output};
use bitcoin::Txid;
use clap::Subcommand;
use pool::admin::{FeeStatus, MoneyRequest, WithdrawalOutcome, WithdrawalRow, call};
use pool::control;

use super::node::tell_after;
use super::place::Place;

/// Show or withdraw the operator's balance
///
/// The balance consists of the fees, of payments that were not for the miners, and of
/// payments that you took out of suspense, less the costs of the node.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: FeeCommand,
}

#[derive(Debug, Subcommand)]
enum FeeCommand {
    Status(StatusArgs),
    Withdraw(WithdrawArgs),
    Resolve(ResolveArgs),
}

/// Show the operator's balance and the outcome of each withdrawal
///
/// The exit code is 1 while the outcome of a withdrawal is unknown.
#[derive(Debug, clap::Args)]
struct StatusArgs {
    #[command(flatten)]
    place: Place,
    /// Print JSON; sums are decimal strings
    #[arg(long)]
    json: bool,
}

/// Withdraw the operator's balance on-chain
///
/// The money is sent from the wallet of the running pool's node. The amount is limited to
/// the operator's balance, and the command refuses if miners' money would pay. The
/// withdrawal is booked before it is sent. The network fee comes on top; `all` leaves the
/// network fee in the balance. The exit code is 1 if nothing was sent.
#[derive(Debug, clap::Args)]
struct WithdrawArgs {
    #[command(flatten)]
    place: Place,
    /// The destination address
    #[arg(long, value_name = "ADDRESS")]
    to: String,
    /// The amount in satoshis, or `all`
    #[arg(value_name = "AMOUNT")]
    amount: Wanted,
    /// Proceed even if the remaining assets are below the liabilities
    #[arg(long)]
    force: bool,
    /// The id of an earlier attempt whose answer was lost: with the same id the money is
    /// sent only once
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Record the outcome of a withdrawal whose outcome is unknown
///
/// This is needed after a crash between booking and sending. First look for a transaction
/// to the withdrawal's address (axepool fee status prints it). A wrong outcome makes the
/// books wrong by the amount, and CANNOT BE UNDONE.
#[derive(Debug, clap::Args)]
struct ResolveArgs {
    #[command(flatten)]
    place: Place,
    /// The withdrawal's id
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    outcome: Outcome,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Outcome {
    /// It was sent, in this transaction
    #[arg(long, value_name = "TXID")]
    sent: Option<Txid>,
    /// There is no transaction, and none can appear any more: return the money to the
    /// balance
    #[arg(long)]
    not_sent: bool,
}

/// How much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Sats(Sat),
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            _ if text == "all" => Ok(Wanted::All),
            Ok(sats) if sats != Sat::ZERO => Ok(Wanted::Sats(sats)),
            _ => Err(format!("{text:?} is neither whole satoshis nor `all`")),
        }
    }
}

pub(super) fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        FeeCommand::Status(args) => status(&args),
        FeeCommand::Withdraw(args) => withdraw(args),
        FeeCommand::Resolve(args) => {
            let (id, txid) = (args.id, args.outcome.sent);
            let request = MoneyRequest::Resolve { id, txid };
            tell(&args.place.ask(call::withdrawal(request))?, args.json)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn status(args: &StatusArgs) -> Result<ExitCode> {
    let status = args.place.ask(call::fee())?;
    if args.json {
        output::json(&status)?;
    } else {
        output::line(render(&status).trim_end())?;
    }
    let unknown = |row: &WithdrawalRow| row.outcome == WithdrawalOutcome::Unknown;
    Ok(match status.withdrawals.iter().any(unknown) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

fn withdraw(args: WithdrawArgs) -> Result<ExitCode> {
    let amount = match args.amount {
        Wanted::All => None,
        Wanted::Sats(sats) => Some(sats),
    };
    let id = args.id.unwrap_or_else(control::withdrawal_id);
    let request = MoneyRequest::Withdraw {
        id: id.clone(),
        to: args.to,
        amount,
        force: args.force,
    };
    let row = args.place.ask(call::withdrawal(request)).inspect_err(|_| {
        output::remark(format!(
            "if the answer was lost: axepool fee status tells whether it is booked; --id {id} asks again for the same one"
        ));
    })?;
    tell(&row, args.json)?;
    tell_after(row.after.as_ref());
    Ok(match row.outcome {
        WithdrawalOutcome::Sent { .. } => ExitCode::SUCCESS,
        WithdrawalOutcome::Returned { .. } | WithdrawalOutcome::Unknown => ExitCode::FAILURE,
    })
}

fn tell(row: &WithdrawalRow, json: bool) -> Result<()> {
    if json {
        output::json(row)?;
    } else {
        output::line(format!(
            "{} sat to {}: {}",
            humane::count(row.amount_sat.get()),
            row.to,
            outcome(&row.outcome)
        ))?;
    }
    Ok(())
}

fn outcome(outcome: &WithdrawalOutcome) -> String {
    match outcome {
        WithdrawalOutcome::Sent { txid } => format!("sent, transaction {txid}"),
        WithdrawalOutcome::Returned { why: Some(why) } => {
            format!("NOT SENT, the money is back: {why}")
        }
        WithdrawalOutcome::Returned { why: None } => "not sent, the money is back".to_owned(),
        WithdrawalOutcome::Unknown => {
            "TRANSACTION UNKNOWN: look for one to that address, then axepool fee resolve".to_owned()
        }
    }
}

fn render(status: &FeeStatus) -> String {
    let mut text = String::new();
    let mut row = |name: &str, msat: u128| {
        let _ = writeln!(text, "{name:<14} {:>20} sat", sats(msat));
    };
    row("fees", status.fee_msat);
    row("node costs", status.node_costs_msat);
    row("withdrawn", status.withdrawn_msat);
    row("withdrawable", status.withdrawable_msat);
    if status.withdrawals.is_empty() {
        return text;
    }
    let mut table = humane::table(&["withdrawal", "sat", "to", "outcome"], &[1]);
    for row in &status.withdrawals {
        table.add_row([
            row.id.clone(),
            humane::count(row.amount_sat.get()),
            row.to.clone(),
            outcome(&row.outcome),
        ]);
    }
    let _ = write!(text, "\n{table}");
    text
}

fn sats(msat: u128) -> String {
    let thousand = u128::from(MSAT_PER_SAT);
    let whole = u64::try_from(msat / thousand).unwrap_or(u64::MAX);
    format!("{}.{:03}", humane::count(whole), msat % thousand)
}
