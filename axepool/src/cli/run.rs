//! `axepool run`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::config;
use crate::pool::{Pool, signals};

/// Run the pool
///
/// Ends on SIGTERM or Ctrl-C: it stops accepting, answers what is under way, makes it
/// durable and closes, within ten seconds. A second signal ends it at once, which
/// loses no share that was answered.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The config file; [upstream] address is all that it must have
    #[arg(long, value_name = "FILE", default_value = "axepool.toml")]
    config: PathBuf,
}

pub(super) fn run(args: Args) -> Result<ExitCode> {
    let config = config::load(&args.config)?.config;
    let pool = Pool::start(config).context("the pool did not start")?;
    let ended = pool.block_on(async {
        tokio::select! {
            signal = signals::stop_signal() => signal.map(|name| tracing::info!(signal = name, "stopping")),
            failure = pool.failed() => Err(failure),
        }
    });
    let stopped = pool.stop();
    ended?;
    stopped?;
    Ok(ExitCode::SUCCESS)
}
