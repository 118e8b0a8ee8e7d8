//! `axepool miners` and `axepool miners suspect`.

use std::process::ExitCode;

use accounting::EpochId;
use anyhow::Result;
use basics::{clock, humane, output};
use clap::Subcommand;
use pool::admin::{Miners, SuspectRow, call};
use pool::amounts;

use super::place::Place;

/// A chance above it is not worth a line: one honest miner in twenty has it.
const WORTH_A_LOOK: f64 = 0.05;

/// List the miners of an epoch
///
/// A miner is a public key; its devices are its workers. The answer comes from the running
/// pool, or from the store if none runs.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// The epoch's number; the open one by default
    #[arg(long, value_name = "N")]
    epoch: Option<EpochId>,
    /// List each miner's workers too
    #[arg(long)]
    workers: bool,
    /// Print JSON; work is a decimal string, times are milliseconds since 1970
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<MinersCommand>,
}

#[derive(Debug, Subcommand)]
enum MinersCommand {
    Suspect(SuspectArgs),
}

/// List miners suspected of block withholding
///
/// The pool pays for shares at its own low difficulty, but earns only from shares that meet
/// OCEAN's. A miner that withholds the latter is paid by the others. For each miner this
/// compares the expected number of such shares with the actual number, over the newest 100
/// epochs. Among many miners some are unlucky by chance: suspect a miner whose chance is
/// below one in a thousand times the number of miners.
#[derive(Debug, clap::Args)]
struct SuspectArgs {
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        Some(MinersCommand::Suspect(suspect)) => suspects(&suspect.place, suspect.json),
        None => list(&args),
    }
}

fn list(args: &Args) -> Result<ExitCode> {
    let miners = args.place.ask(call::miners(args.epoch, args.workers))?;
    if args.json {
        output::json(&miners)?;
    } else {
        output::line(render(&miners, clock::now_ms()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn render(miners: &Miners, now_ms: u64) -> String {
    let header = [
        "miner",
        "hashrate",
        "work (difficulty 1)",
        "share of work",
        "shares",
        "last share",
    ];
    let mut table = humane::table(&header, &[1, 2, 3, 4]);
    let whole = miners.epoch.totals.work.hashes() as f64;
    for row in &miners.miners {
        table.add_row([
            row.miner.npub(),
            humane::hashrate(row.hashrate),
            amounts::work(row.tally.work),
            humane::percent(row.tally.work.hashes() as f64, whole),
            humane::count(row.tally.shares),
            humane::ago(row.tally.last_ms, now_ms),
        ]);
        for worker in &row.workers {
            table.add_row([
                format!("  {} (all epochs)", worker.name),
                String::new(),
                amounts::work(worker.work),
                String::new(),
                humane::count(worker.shares),
                humane::ago(worker.last_ms, now_ms),
            ]);
        }
    }
    let state = if miners.epoch.is_open() {
        "open"
    } else {
        "closed"
    };
    format!("epoch {} ({state})\n{table}", miners.epoch.id)
}

fn suspects(place: &Place, json: bool) -> Result<ExitCode> {
    let suspects = place.ask(call::suspects())?;
    if json {
        output::json(&suspects)?;
        return Ok(ExitCode::SUCCESS);
    }
    let odd: Vec<_> = suspects
        .iter()
        .filter(|row| row.chance < WORTH_A_LOOK)
        .collect();
    if odd.is_empty() {
        output::line(
            "nobody: every miner has about as many upstream-grade shares as their work leads one to expect",
        )?;
    } else {
        output::line(render_suspects(&odd))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn render_suspects(suspects: &[&SuspectRow]) -> String {
    let header = [
        "miner",
        "work (difficulty 1)",
        "upstream-grade expected",
        "found",
        "chance of an honest miner",
    ];
    let mut table = humane::table(&header, &[1, 2, 3, 4]);
    for row in suspects {
        table.add_row([
            row.miner.npub(),
            amounts::work(row.work),
            format!("{:.2}", row.expected),
            humane::count(row.found),
            format!("{:.1e}", row.chance),
        ]);
    }
    table.to_string()
}
