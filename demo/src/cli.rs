//! The command line of `axepool-demo`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::{load, show, sim};

/// Show the whole pool at work, on this machine alone
///
/// Starts a chain of its own, a simulated OCEAN with a lightning node, the real pool with
/// its node and its mint, and simulated Bitaxes, each with a key of its own. They mine,
/// OCEAN finds blocks and pays over lightning, the miners' quotes are paid, and owners
/// fetch their sats and spend them. At the end the pool's books are compared with the
/// simulated OCEAN's, with the devices' and with the wallets': the exit code is 0 if they
/// agree, else 1. Nothing leaves this machine.
///
/// `sim` and `load` are the same simulated sides and a load generator, for a pool of your own.
#[derive(Debug, Parser)]
#[command(name = "axepool-demo", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to log to stderr: error, warn, info, debug, trace, or `info,proxy=debug`
    #[arg(long, global = true, env = "AXEPOOL_LOG", value_name = "FILTER")]
    log: Option<String>,
    #[command(flatten)]
    show: show::Args,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Sim(sim::Args),
    Load(load::Args),
}

impl Cli {
    /// Does what was asked; without a subcommand that is the demonstration.
    ///
    /// # Errors
    /// Whatever kept it from being done, told for the person at the terminal.
    pub fn run(self) -> Result<ExitCode> {
        let quiet = match &self.command {
            // What is made anew each time is worth no warning.
            None => "error",
            Some(_) => "warn",
        };
        let _logs = pool::logs::start(self.log.as_deref().unwrap_or(quiet))?;
        match self.command {
            None => show::run(&self.show.options()),
            Some(Command::Sim(args)) => sim::run(args),
            Some(Command::Load(args)) => load::run(args),
        }
    }
}
