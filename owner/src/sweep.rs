//! `sweep`: what a key has earned, into the wallet.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use basics::{humane, output};
use tokio::signal::unix::{SignalKind, signal};
use wallet::{Destination, OwnerKey, Progress, Purse, Restored, Swept, WalletError};

use crate::key::read_key;
use crate::place::{Place, parse_mint};
use crate::runtime::block_on;

/// Lines about progress come no faster.
const BETWEEN_LINES: Duration = Duration::from_secs(2);

/// Fetch what a key has earned into the wallet
///
/// Finds the key's paid quotes and the tokens that the pool made for it, and turns them
/// into ecash in the wallet. It can be stopped at any point: the next run goes on.
///
/// Pays out by itself with --to, from cron for instance:
///
///   17 * * * *  axepool-wallet sweep --mint https://pool.example --to me@example.com --above 5000
///
/// or with --watch as a container's command, its volume at /root/.axepool.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The pool's address, as its page shows it
    #[arg(long, value_name = "URL", env = "AXEPOOL_MINT")]
    mint: String,
    /// The key's file [default: ~/.axepool/key]
    #[arg(long, value_name = "FILE", env = "AXEPOOL_KEY")]
    key: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// Keep running, and check again at intervals
    #[arg(long)]
    watch: bool,
    /// Seconds between two checks with --watch
    #[arg(long, value_name = "S", default_value_t = 600, requires = "watch",
          value_parser = clap::value_parser!(u64).range(10..=604_800))]
    every: u64,
    /// Pay the whole balance of the wallet to this lightning address or BOLT12 offer
    #[arg(long, value_name = "ADDRESS|OFFER")]
    to: Option<String>,
    /// Pay only when the balance is at least this many sat
    #[arg(long, value_name = "SAT", default_value_t = 1000, requires = "to")]
    above: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

struct Job {
    key: OwnerKey,
    to: Option<Destination>,
    above: u64,
    json: bool,
}

pub(crate) fn run(args: Args) -> Result<ExitCode> {
    // What is wrong with the arguments is said before anything is opened.
    let mint = parse_mint(&args.mint)?;
    let to: Option<Destination> = args.to.as_deref().map(str::parse).transpose()?;
    let job = Job {
        key: read_key(args.key.as_deref())?,
        to: to.map(Destination::standing).transpose()?,
        above: args.above,
        json: args.json,
    };
    let home = args.place.open()?;
    let purse = home.purse(&mint)?;
    block_on(async {
        let mut end = signal(SignalKind::terminate())?;
        let work = async {
            if args.watch {
                watch(&purse, &job, Duration::from_secs(args.every)).await
            } else {
                once(&purse, &job).await
            }
        };
        tokio::select! {
            done = work => done,
            // To be dropped in the middle is what every step is made for.
            _ = tokio::signal::ctrl_c() => Ok(stopped()),
            _ = end.recv() => Ok(stopped()),
        }
    })
}

fn stopped() -> ExitCode {
    output::remark("stopped; the next run goes on from here");
    ExitCode::SUCCESS
}

async fn watch(purse: &Purse, job: &Job, every: Duration) -> Result<ExitCode> {
    loop {
        if let Err(error) = once(purse, job).await {
            match error.downcast_ref::<WalletError>() {
                Some(passing) if passing.passes() => output::remark(format!("{error:#}")),
                _ => return Err(error),
            }
        }
        tokio::time::sleep(every).await;
    }
}

async fn once(purse: &Purse, job: &Job) -> Result<ExitCode> {
    let mut said = Instant::now();
    let mut progress = |step: Progress| {
        if let Some(line) = describe(step)
            && (matches!(step, Progress::Restored(_)) || said.elapsed() >= BETWEEN_LINES)
        {
            output::remark(line);
            said = Instant::now();
        }
    };
    let swept = purse.sweep(&job.key, &mut progress).await?;
    if job.json {
        output::json(&swept)?;
    } else {
        output::line(render(&swept))?;
    }
    pay_out(purse, job).await?;
    Ok(if swept.left.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn pay_out(purse: &Purse, job: &Job) -> Result<()> {
    let Some(to) = &job.to else { return Ok(()) };
    let Some(paid) = purse.pay_all(to, job.above).await? else {
        return Ok(());
    };
    if paid.amount_sat == 0 {
        bail!("the mint says that it paid nothing to {to}");
    }
    let line = format!(
        "paid {} sat to {to}, fee {} sat",
        humane::count(paid.amount_sat),
        humane::count(paid.fee_sat)
    );
    if job.json {
        output::remark(line);
    } else {
        output::line(line)?;
    }
    Ok(())
}

fn describe(step: Progress) -> Option<String> {
    match step {
        Progress::Recovered(recovered) => Some(format!(
            "earlier operations: {} brought to their end, {} undone, {} still open",
            recovered.completed, recovered.undone, recovered.open
        )),
        Progress::Restored(restored) if restored == Restored::default() => None,
        Progress::Restored(restored) => Some(format!(
            "the wallet's words were in use before: {} sat of them are in the wallet now",
            humane::count(restored.restored_sat)
        )),
        Progress::Tokens { done, of } if of > 1 => Some(format!("{done} of {of} tokens")),
        Progress::Tokens { .. } => None,
        Progress::Quotes { done, of, sat } => Some(format!(
            "{} of {} quotes, {} sat",
            humane::count(done as u64),
            humane::count(of as u64),
            humane::count(sat)
        )),
    }
}

fn render(swept: &Swept) -> String {
    let mut lines = Vec::new();
    match swept.why_nothing() {
        Some(why) => lines.push(why.to_owned()),
        None => lines.push(format!(
            "{} sat fetched: {} quotes with {} sat, {} tokens with {} sat",
            humane::count(swept.received_sat),
            humane::count(swept.quotes as u64),
            humane::count(swept.quotes_sat),
            humane::count(swept.tokens as u64),
            humane::count(swept.tokens_sat),
        )),
    }
    for left in &swept.left {
        let sat = left.sat.map_or(String::new(), |sat| {
            format!(" with {} sat", humane::count(sat))
        });
        lines.push(format!("not fetched: {}{sat}: {}", left.what, left.why));
    }
    lines.push(format!(
        "{} sat in the wallet",
        humane::count(swept.balance_sat)
    ));
    lines.join("\n")
}
