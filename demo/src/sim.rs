//! `axepool-demo sim`: the simulated sides alone, to be put beside a real pool.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::str::FromStr as _;
use std::time::Duration;

use accounting::TypedKey;
use anyhow::{Context, Result, bail};
use basics::{humane, output};
use clap::Subcommand;
use pool::run::signals::StopSignals;
use serde_json::json;
use simnet::bitaxe::{PoolAddress, SimBitaxe, SimBitaxeOptions};
use simnet::keys::SimKey;
use simnet::pool::{SimPool, SimPoolOptions};
use tokio::runtime::Builder;

/// Run a simulated OCEAN or simulated Bitaxes by themselves
///
/// To try a pool's set-up on one machine, give `run` a config whose [upstream] urls name
/// the simulated OCEAN and whose network is regtest.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    side: Side,
}

#[derive(Debug, Subcommand)]
enum Side {
    Pool(PoolArgs),
    Miners(MinersArgs),
}

/// A simulated OCEAN: a stratum server with templates, share check and books
///
/// The first line of its output is `listening on ADDRESS`; on Ctrl-C it prints its
/// books as one line of JSON.
#[derive(Debug, clap::Args)]
struct PoolArgs {
    /// The address to listen on; port 0 takes a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:23334")]
    listen: SocketAddr,
    /// The difficulty of a share; far below 1 for simulated miners
    #[arg(long, value_name = "D", default_value_t = 0.001)]
    difficulty: f64,
    /// Seconds between jobs
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    job_interval: u64,
}

/// Simulated Bitaxes, which really hash
///
/// Ends on Ctrl-C or after --seconds and prints what each one saw.
#[derive(Debug, clap::Args)]
struct MinersArgs {
    /// The pool's stratum address
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:3333")]
    target: String,
    /// Number of devices
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    count: u16,
    /// Hashes per second of each device
    #[arg(long, value_name = "H", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(0..=100_000_000))]
    hashrate: u32,
    /// The public key that all devices mine for, 66 hex digits or an npub: yours, to see what
    /// a device of your own would see. By default each has a key of its own
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// The same seed makes the same keys
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Seconds to run; until Ctrl-C by default
    #[arg(long, value_name = "S")]
    seconds: Option<u64>,
}

pub(crate) fn run(args: Args) -> Result<ExitCode> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    match args.side {
        Side::Pool(args) => runtime.block_on(pool(args)),
        Side::Miners(args) => runtime.block_on(miners(args)),
    }
}

async fn pool(args: PoolArgs) -> Result<ExitCode> {
    let options = SimPoolOptions {
        listen: args.listen,
        difficulty: args.difficulty,
        job_interval: Some(Duration::from_secs(args.job_interval)),
        ..SimPoolOptions::default()
    };
    // Before the line below: whoever reads it may send a signal at once.
    let stop = StopSignals::listen()?;
    let pool = SimPool::start(options)
        .await
        .context("the simulated OCEAN did not start")?;
    output::line(format!("listening on {}", pool.address()))?;
    stop.next().await;
    let books = pool.read_books(|books| {
        json!({
            "connections": books.connections,
            "users": books.users.keys().collect::<Vec<_>>(),
            "accepted": books.accepted(),
            "rejected": books.rejected(),
            "work": books.work().to_string(),
            "jobs": books.jobs,
            "blocks": books.blocks.len(),
        })
    });
    output::line(books.to_string())?;
    pool.stop().await.context("miners hold their connections")?;
    Ok(ExitCode::SUCCESS)
}

async fn miners(args: MinersArgs) -> Result<ExitCode> {
    if args
        .target
        .rsplit_once(':')
        .is_none_or(|(_, port)| port.parse::<u16>().is_err())
    {
        bail!("--target {}: give host:port, without a scheme", args.target);
    }
    // What was typed may be a secret key: an error does not repeat it.
    if let Some(key) = &args.key {
        TypedKey::from_str(key).context("--key")?;
    }
    let stop = StopSignals::listen()?;
    let devices: Vec<_> = (1..=args.count)
        .map(|number| device(&args, number))
        .collect();
    let length = args.seconds.map_or(Duration::MAX, Duration::from_secs);
    tokio::select! {
        _ = stop.next() => {}
        () = tokio::time::sleep(length) => {}
    }
    let mut table = humane::table(
        &[
            "device",
            "hashes",
            "accepted",
            "rejected",
            "difficulty",
            "connections",
        ],
        &[1, 2, 3, 4, 5],
    );
    for (worker, bitaxe) in &devices {
        let stats = bitaxe.stop().await;
        table.add_row([
            worker.clone(),
            humane::count(stats.hashes),
            humane::count(stats.accepted),
            humane::count(stats.rejected()),
            format!("{:.3e}", stats.difficulty),
            humane::count(stats.connections),
        ]);
    }
    output::line(table.to_string())?;
    Ok(ExitCode::SUCCESS)
}

fn device(args: &MinersArgs, number: u16) -> (String, SimBitaxe) {
    let worker = format!("bitaxe-{number}");
    let username = match &args.key {
        Some(key) => format!("{key}.{worker}"),
        None => SimKey::derive(args.seed, u64::from(number)).username(&worker),
    };
    let mut options = SimBitaxeOptions::new(
        PoolAddress::new(args.target.clone(), username),
        f64::from(args.hashrate),
    );
    options.seed = args
        .seed
        .wrapping_mul(1_000_003)
        .wrapping_add(u64::from(number));
    options.share_log = 0;
    (worker, SimBitaxe::start(options))
}
