//! `axepool restore`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use accounting::Sat;
use anyhow::{Context, Result, bail};
use basics::{humane, output};
use clap::Subcommand;
use mint::OldClaims;
use pool::admin::{RestoreRequest, RestoreStatus, call};
use pool::backup::{self, Cause, Outcome, RestoreRecord};

use super::place::Place;

/// Restore a data directory from a backup, and accept the possible loss
///
/// A restored pool mines and counts work at once. Until `axepool restore accept` its mint
/// issues, swaps and melts nothing, and payments wait in suspense: the pool cannot know
/// which ecash was spent and issued, and which payments were made, after the backup.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<RestoreCommand>,
    /// The backup
    #[arg(value_name = "DIR", required = true)]
    backup: Option<PathBuf>,
    /// The data directory to create: a new or an empty one
    #[arg(long, value_name = "NEW", required = true)]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum RestoreCommand {
    Status(StatusArgs),
    Accept(AcceptArgs),
}

/// Show the possible loss of a restored pool, and the bound to accept
#[derive(Debug, clap::Args)]
struct StatusArgs {
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Accept the possible loss and open the mint
///
/// From then on ecash and quotes from before the restore are honoured up to the bound in
/// all, first come, first served, and never beyond it. THIS CANNOT BE UNDONE.
#[derive(Debug, clap::Args)]
struct AcceptArgs {
    #[command(flatten)]
    place: Place,
    /// The bound in satoshis, as `axepool restore status` prints it, including --paid-since
    #[arg(long, value_name = "SAT")]
    bound: u64,
    /// OCEAN's payments for the miners after the backup, in satoshis: their ecash may come
    /// from these
    #[arg(long, value_name = "SAT", default_value_t = 0)]
    paid_since: u64,
    /// Ecash that was melted since, in satoshis, when the node's journal of payments was lost
    /// together with the mint's store and nothing here knows of it: it counts as claimed
    #[arg(long, value_name = "SAT", default_value_t = 0)]
    melted_since: u64,
}

pub(super) fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        Some(RestoreCommand::Status(args)) => {
            let status = args
                .place
                .ask_running(call::restore(RestoreRequest::Look))?;
            if args.json {
                output::json(&status)?;
            } else {
                output::line(render(&status).trim_end())?;
            }
        }
        Some(RestoreCommand::Accept(args)) => {
            let request = RestoreRequest::Accept {
                bound: Sat::new(args.bound),
                paid_since: Sat::new(args.paid_since),
                melted_since: Sat::new(args.melted_since),
            };
            let status = args.place.ask_running(call::restore(request))?;
            output::line(render(&status).trim_end())?;
        }
        None => {
            let (Some(from), Some(to)) = (&args.backup, &args.data_dir) else {
                bail!("name the backup and --data-dir");
            };
            let mut told = |progress: backup::Progress| {
                output::remark(format!("{} ...", progress.step));
            };
            let to = std::path::absolute(to)?;
            let outcome = backup::restore(from, &to, &mut told)
                .with_context(|| format!("{} is not restored", from.display()))?;
            output::line(next_steps(&outcome, &to).trim_end())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn next_steps(outcome: &Outcome, to: &std::path::Path) -> String {
    let Outcome { manifest, record } = outcome;
    let mut text = format!(
        "{} is restored as of {}: ledger {}, now {}\n",
        to.display(),
        humane::utc(record.made_ms),
        record.before,
        record.after
    );
    let mut line = |said: String| {
        let _ = writeln!(text, "- {said}");
    };
    let short = |print: &String| print.chars().take(16).collect::<String>();
    if manifest.with_secrets {
        line("the mnemonics were in the backup and are in their places".to_owned());
    } else {
        if let Some(print) = &manifest.mint_words {
            let print = short(print);
            line(format!(
                "put the mint's mnemonic (fingerprint {print}) at {}",
                to.join("mint/mint.mnemonic").display()
            ));
        }
        if let Some(print) = &manifest.node_words {
            let print = short(print);
            line(format!(
                "put the node's mnemonic (fingerprint {print}) at {}",
                to.join("node-mnemonic").display()
            ));
        }
    }
    if let Some(config) = &manifest.config {
        line(format!(
            "the config file was {}: let its pool.data_dir be the new directory",
            config.display()
        ));
    }
    for left_out in &manifest.left_out {
        line(format!("not restored: {left_out}"));
    }
    if manifest.node_words.is_some() {
        line(
            "once the node is up, axepool node recover fetches its on-chain money: on bitcoind \
             its wallet begins at the chain's tip and sees nothing older"
                .to_owned(),
        );
    }
    if !manifest.channel_peers.is_empty() {
        line(format!(
            "once it runs, axepool node connect each of those whom the node had channels with, so \
             that they close them and axepool node recover finds the money: {}",
            manifest.channel_peers.join(", ")
        ));
    }
    line(
        "start it, and see axepool restore status: until axepool restore accept the mint is \
         closed and payments wait in suspense"
            .to_owned(),
    );
    text
}

fn render(status: &RestoreStatus) -> String {
    let RestoreStatus {
        record,
        claims,
        has_mint,
    } = status;
    let restored = humane::utc(record.restored_ms);
    let mut text = match record.cause {
        Cause::Backup => format!(
            "restored on {restored} from a backup of {}\n",
            humane::utc(record.made_ms)
        ),
        cause => format!("found at the start on {restored}: {}\n", cause.in_words()),
    };
    for cause in &record.also {
        let _ = writeln!(text, "found as well: {}", cause.in_words());
    }
    match record.accepted {
        Some(accepted) => {
            let _ = writeln!(text, "accepted on {}", humane::utc(accepted.at_ms));
            let _ = match accepted.height {
                _ if !record.cause.holds_payments() => Ok(()),
                Some(height) => writeln!(
                    text,
                    "payments on-chain up to block {height} wait in suspense when they are found"
                ),
                None => writeln!(
                    text,
                    "there was no chain source: every payment on-chain waits in suspense. Once \
                     the config names one, accept again with the same bound"
                ),
            };
        }
        None => not_accepted(&mut text, record),
    }
    match claims {
        Some(claims) => bound(&mut text, claims, record.accepted.is_some()),
        None if *has_mint => text.push_str("the mint is not open yet: see axepool status\n"),
        None if record.accepted.is_none() => {
            text.push_str("the mint is off. To go on: axepool restore accept --bound 0\n");
        }
        None => {}
    }
    text
}

const SPENT: &str = "- ecash that was spent since would be taken again, and quotes that were \
                     issued since would be issued again\n";
const BOOKS: &str = "- payouts since are not in the books; those that are found again wait in \
                     suspense (axepool suspense), since the miners may have them already\n\
                     - shares since are lost; receipts that miners hold show them\n";
const SHARES: &str = "- shares of the last minutes are lost; receipts that miners hold show them\n";

fn not_accepted(text: &mut String, record: &RestoreRecord) {
    const CLOSED: &str = "NOT ACCEPTED: the mint issues, swaps and melts nothing";
    const HELD: &str = ", and every payment waits in suspense";
    const OLDER: &str = "The files are not the last ones. If you have those, stop the pool and put \
                         them in their place first: what is there now is honoured up to the bound \
                         below.\n";
    let since = match record.cause {
        Cause::Backup => format!("What happened after {} is", humane::utc(record.made_ms)),
        _ => "What happened since these files were the last ones is".to_owned(),
    };
    let _ = match record.cause {
        Cause::Backup => write!(text, "{CLOSED}{HELD}.\n{since} not known here:\n"),
        Cause::MintLost | Cause::MintOlder => write!(
            text,
            "{CLOSED}. Payments are booked as ever.\n{OLDER}{since} not known to the mint:\n"
        ),
        Cause::LedgerLost | Cause::LedgerOlder => write!(
            text,
            "{CLOSED}{HELD}.\n{OLDER}{since} not known to the ledger:\n"
        ),
        Cause::JournalLost => {
            write!(text, "{CLOSED}. Payments are booked as ever.\n{OLDER}")
        }
        Cause::Copied => write!(
            text,
            "{CLOSED}{HELD}.\nIf you moved the directory and nothing ran since, accept: nothing \
             is missing then.\n{OLDER}{since} not known here:\n"
        ),
    };
    let causes = || std::iter::once(record.cause).chain(record.also.iter().copied());
    let lost: Vec<&str> = causes().flat_map(what_is_lost).copied().collect();
    for line in [SPENT, BOOKS, SHARES] {
        if lost.contains(&line) {
            text.push_str(line);
        }
    }
}

/// The losses that a cause may bring, in words.
fn what_is_lost(cause: Cause) -> &'static [&'static str] {
    match cause {
        Cause::Backup | Cause::Copied => &[SPENT, BOOKS],
        Cause::MintLost | Cause::MintOlder => &[SPENT],
        Cause::LedgerLost | Cause::LedgerOlder => &[BOOKS],
        Cause::JournalLost => &[SHARES],
    }
}

fn bound(text: &mut String, claims: &OldClaims, accepted: bool) {
    let _ = writeln!(
        text,
        "ecash and quotes from before: at most {} sat are honoured in all, {} sat were",
        claims.bound_sat, claims.claimed_sat
    );
    if !claims.melted_sat.is_zero() {
        let _ = writeln!(
            text,
            "of these {} sat were melted since, by the node's journal of payments",
            claims.melted_sat
        );
    }
    if !claims.told_melted_sat.is_zero() {
        let _ = writeln!(
            text,
            "of these {} sat were melted since, by the operator's word",
            claims.told_melted_sat
        );
    }
    if !accepted && !claims.is_complete {
        text.push_str("the mint still reads what was paid to it: look again in a moment\n");
    } else if !accepted {
        let _ = writeln!(
            text,
            "That is what was out and not issued then. If OCEAN paid since, its miners may hold \
             that as ecash: add it.\nTo go on:  axepool restore accept --bound {}\n\
             or, with X sat paid since:  axepool restore accept --paid-since X --bound {}+X",
            claims.bound_sat, claims.bound_sat
        );
    }
}
