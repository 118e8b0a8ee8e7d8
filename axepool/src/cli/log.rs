//! `axepool log`.

use std::process::ExitCode;

use anyhow::Result;
use basics::output;
use pool::admin::call;

use super::place::Place;

/// Show or change the log levels of the running pool
///
/// Each room can have its own level: `axepool log info,proxy=debug`. Rooms are axepool,
/// proxy, ledger, mint, payout, ldk and cdk (the mint's library). Lines of cdk that
/// strangers' requests cause are logged only if a level names cdk. The change lasts until
/// the process ends; [log] levels of the config sets the levels at the start.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// error, warn, info, debug or trace, or `info,proxy=debug`
    levels: Option<String>,
}

pub(super) fn run(args: Args) -> Result<ExitCode> {
    let levels = args.place.ask_running(call::log(args.levels))?;
    output::line(levels)?;
    Ok(ExitCode::SUCCESS)
}
