//! `sweep`: what a key has earned, into the wallet.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use basics::humane::{self, duration};
use basics::output;
use tokio::signal::unix::{SignalKind, signal};
use wallet::{Destination, Home, HomeError, OwnerKey, Progress, Purse, Swept, WalletError};

use crate::key::read_key;
use crate::payouts::Payouts;
use crate::place::{Place, parse_mint};
use crate::runtime::block_on;

/// Lines about progress come no faster.
const BETWEEN_LINES: Duration = Duration::from_secs(2);

/// Fetch what a key has earned into the wallet
///
/// Finds the key's paid quotes and the tokens that the pool made for it, and turns them
/// into ecash in the wallet. It can be stopped at any point: the next run goes on. A wallet
/// whose words were in use before is searched for first, as `wallet restore` does.
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
    ///
    /// Any spelling of it will do, and the address of your page at the pool (.../miners/KEY).
    #[arg(long, value_name = "URL", env = "AXEPOOL_MINT")]
    mint: String,
    /// The key's file [default: ~/.axepool/key]
    #[arg(long, value_name = "FILE", env = "AXEPOOL_KEY")]
    key: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// Keep running, and check again at intervals
    ///
    /// A mint that is away or refuses, a wallet in use, and a payout that fails or is too
    /// small for its fee do not end the command: it says so, and goes on at the next check.
    /// A failed payout is tried again when the balance changes, or after a growing wait of
    /// up to six hours. The command ends when the wallet's own store fails.
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
    let every = Duration::from_secs(args.every);
    let home = match args.watch {
        true => open_in_time(&args.place, every)?,
        false => args.place.open()?,
    };
    let purse = home.purse(&mint)?;
    block_on(async {
        let mut end = signal(SignalKind::terminate())?;
        let work = async {
            if args.watch {
                watch(&purse, &job, every).await
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

/// Waits for another process that has the wallet, and says so.
fn open_in_time(place: &Place, every: Duration) -> Result<Home> {
    loop {
        match place.open() {
            Err(error) if is_in_use(&error) => {
                output::remark(format!("{error:#}; the next try is in {}", duration(every)));
                std::thread::sleep(every);
            }
            opened => return opened,
        }
    }
}

fn is_in_use(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(HomeError::InUse(_)))
}

/// Ends only for an error that no waiting changes.
async fn watch(purse: &Purse, job: &Job, every: Duration) -> Result<ExitCode> {
    let mut payouts = Payouts::new(every);
    loop {
        match fetch(purse, job).await {
            Ok(_) => pay_out_in_time(purse, job, &mut payouts).await?,
            Err(error) => output::remark(passing(error)?),
        }
        tokio::time::sleep(every).await;
    }
}

/// What an error says that may well pass; the error itself where none of this is so.
fn passing(error: anyhow::Error) -> Result<String> {
    match error.downcast_ref::<WalletError>() {
        Some(known) if !known.is_final() => Ok(format!("{error:#}")),
        _ => Err(error),
    }
}

async fn pay_out_in_time(purse: &Purse, job: &Job, payouts: &mut Payouts) -> Result<()> {
    let balance_sat = purse.balance_sat().await?;
    if job.to.is_none() || !payouts.are_due(balance_sat, Instant::now()) {
        return Ok(());
    }
    let Err(error) = pay_out(purse, job).await else {
        payouts.succeeded();
        return Ok(());
    };
    // To ask whether the mint pays again costs nothing: each check does.
    let paused = matches!(error.downcast_ref(), Some(WalletError::NoMelts { .. }));
    let said = passing(error)?;
    if paused {
        output::remark(said);
        return Ok(());
    }
    let wait = payouts.failed(purse.balance_sat().await?, Instant::now());
    output::remark(format!(
        "{said}\nThe next payout is tried when the balance changes, or in {}",
        duration(wait)
    ));
    Ok(())
}

async fn once(purse: &Purse, job: &Job) -> Result<ExitCode> {
    let swept = fetch(purse, job).await?;
    pay_out(purse, job).await?;
    Ok(if swept.left.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn fetch(purse: &Purse, job: &Job) -> Result<Swept> {
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
    Ok(swept)
}

async fn pay_out(purse: &Purse, job: &Job) -> Result<()> {
    let Some(to) = &job.to else { return Ok(()) };
    let Some(paid) = purse.pay_all(to, job.above).await? else {
        return Ok(());
    };
    if paid.amount_sat == 0 {
        let why = format!("the mint says that it paid nothing to {to}");
        return Err(WalletError::PaymentFailed(why).into());
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
        Progress::Restored(restored) if restored.restored_sat == 0 && restored.pending_sat == 0 => {
            None
        }
        Progress::Restored(restored) => Some(format!(
            "the wallet's words were in use before: {} sat that were missing here are in the \
             wallet now, and {} sat are in payments that have not ended",
            humane::count(restored.restored_sat),
            humane::count(restored.pending_sat)
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
