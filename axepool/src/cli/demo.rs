//! `axepool demo`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;

use crate::demo;

/// Show the pool at work, on this machine alone
///
/// Starts a simulated OCEAN, the real pool and simulated Bitaxes of different hashrate,
/// each with a key of its own, and shows who does how much. At the end the epoch is
/// closed and the pool's books are compared with the simulated OCEAN's and with the
/// devices': the exit code is 0 if they agree, else 1. Nothing leaves this machine.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many simulated Bitaxes
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=200))]
    miners: u16,
    /// How long they mine
    #[arg(long, value_name = "S", default_value_t = 45, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Mine until Ctrl-C instead
    #[arg(long, conflicts_with = "seconds")]
    keep_running: bool,
    /// The hashes a second of all together; they really are computed, on this machine
    #[arg(long, value_name = "H", default_value_t = 600_000, value_parser = clap::value_parser!(u64).range(1_000..=1_000_000_000))]
    hashrate: u64,
    /// The same seed makes the same keys and the same work
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Keep the pool's data here; by default they are removed at the end
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

pub(super) fn run(args: Args) -> Result<ExitCode> {
    demo::run(&demo::Options {
        miners: args.miners,
        length: (!args.keep_running).then(|| Duration::from_secs(args.seconds)),
        hashrate: args.hashrate,
        seed: args.seed,
        data_dir: args.data_dir,
    })
}
