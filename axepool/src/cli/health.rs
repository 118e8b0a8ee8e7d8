//! `axepool health`.

use std::process::ExitCode;

use anyhow::{Result, bail};

use super::place::{OTHER_VERSION, Place};
use crate::admin::{Reply, Request};
use crate::output;

/// Tell whether the running pool is well: the exit code is 0, or 1
///
/// For container runtimes and scripts. It asks at the admin socket what /healthz and
/// /readyz tell at the metrics' listener. A pool that nobody can ask is not well.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// Ask whether miners are served, too, which a restart mends only seldom: an upstream
    /// that is down is not the pool's fault
    #[arg(long)]
    ready: bool,
}

pub(super) fn run(args: Args) -> Result<ExitCode> {
    let reply = args.place.ask_running(Request::Health)?;
    let Reply::Health {
        broken,
        not_ready,
        beside,
    } = reply
    else {
        bail!(OTHER_VERSION);
    };
    if let Some(why) = broken {
        output::line(format!("broken: {why}"))?;
        return Ok(ExitCode::FAILURE);
    }
    for why in &not_ready {
        output::line(format!("not ready: {why}"))?;
    }
    for what in &beside {
        output::line(format!("beside mining: {what}"))?;
    }
    if not_ready.is_empty() {
        output::line("ready")?;
    }
    Ok(if args.ready && !not_ready.is_empty() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
