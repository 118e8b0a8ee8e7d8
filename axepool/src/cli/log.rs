//! `axepool log`.

use std::process::ExitCode;

use anyhow::{Result, bail};

use super::place::{OTHER_VERSION, Place};
use crate::admin::{Reply, Request};
use crate::output;

/// Tell what the running pool logs, or change it until it ends
///
/// A room's name has levels of its own: `axepool log info,proxy=debug`. Rooms are axepool,
/// proxy, ledger, mint, payout, ldk and cdk, which is the mint's library: what strangers'
/// requests make that say is told only where cdk is named. What it logs from its start on is said in the
/// config, [log] levels.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// error, warn, info, debug or trace, or `info,proxy=debug`
    levels: Option<String>,
}

pub(super) fn run(args: Args) -> Result<ExitCode> {
    let request = Request::Log {
        levels: args.levels,
    };
    let Reply::Log { levels } = args.place.ask_running(request)? else {
        bail!(OTHER_VERSION);
    };
    output::line(levels)?;
    Ok(ExitCode::SUCCESS)
}
