//! `axepool health`.

use std::process::ExitCode;

use anyhow::Result;
use basics::output;
use pool::admin::{Health, call};
use web::first_run;

use super::place::Place;

/// Check the health of the running pool: the exit code is 0 or 1
///
/// For container runtimes and scripts. The admin socket gives the same answers as /healthz
/// and /readyz of the metrics listener. A pool that does not answer is unhealthy; one that
/// waits to be set up (AXEPOOL_FIRST_RUN) is healthy, and not ready.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// Also check readiness, that is whether miners are served. A restart seldom helps
    /// here: an upstream that is down is not the pool's fault
    #[arg(long)]
    ready: bool,
}

pub(super) fn run(args: Args) -> Result<ExitCode> {
    if first_run::is_waiting(args.place.config()) {
        output::line("not ready: there is no config yet, and the first-run page waits")?;
        return Ok(ExitCode::from(u8::from(args.ready)));
    }
    let Health {
        broken,
        not_ready,
        beside,
    } = args.place.ask_running(call::health())?;
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
