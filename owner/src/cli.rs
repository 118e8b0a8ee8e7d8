//! The command line of `axepool-wallet`, and what `axepool` takes of it.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::{audit, key, notices, reissue, sweep, wallet_command};

/// The wallet of a Bitaxe owner at an Axepool
///
/// A miner is a public key, typed as the stratum username; there are no accounts. Whoever
/// has the secret key fetches what it earned, as ecash, from the pool's mint.
#[derive(Debug, Parser)]
#[command(
    name = "axepool-wallet",
    version,
    arg_required_else_help = true,
    subcommand_required = true
)]
#[command(after_help = "First steps:\n  \
    axepool-wallet key new                            a key to mine with\n  \
    axepool-wallet sweep --mint https://pool.example  what the key has earned\n  \
    axepool-wallet wallet balance                     what the wallet has")]
pub struct Cli {
    /// What to log to stderr: error, warn, info, debug, trace, or `info,wallet=debug`
    #[arg(long, global = true, env = "AXEPOOL_LOG", value_name = "FILTER")]
    log: Option<String>,
    #[command(subcommand)]
    command: Command,
}

/// The owner's commands.
#[derive(Debug, Subcommand)]
#[allow(missing_docs, reason = "each command's help is with its arguments")]
pub enum Command {
    Key(key::Args),
    Sweep(sweep::Args),
    Wallet(wallet_command::Args),
    Reissue(reissue::Args),
    Notices(notices::Args),
    Audit(audit::Args),
}

impl Command {
    /// What is logged where nobody says so.
    pub fn log_levels(&self) -> &'static str {
        match self {
            // What cdk has to say of a mint, the command says better.
            Command::Sweep(_) | Command::Wallet(_) => "warn,cdk=off",
            Command::Key(_) | Command::Reissue(_) | Command::Notices(_) | Command::Audit(_) => {
                "warn"
            }
        }
    }

    /// Does what was asked.
    ///
    /// # Errors
    /// Whatever kept it from being done, told for the person at the terminal.
    pub fn run(self) -> Result<ExitCode> {
        match self {
            Command::Key(args) => key::run(args),
            Command::Sweep(args) => sweep::run(args),
            Command::Wallet(args) => wallet_command::run(args),
            Command::Reissue(args) => reissue::run(args),
            Command::Notices(args) => notices::run(args),
            Command::Audit(args) => audit::run(args),
        }
    }
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// Whatever kept it from being done, told for the person at the terminal.
    pub fn run(self) -> Result<ExitCode> {
        let levels = self.log.as_deref().unwrap_or(self.command.log_levels());
        let filter = EnvFilter::try_new(levels).with_context(|| format!("--log {levels:?}"))?;
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .init();
        self.command.run()
    }
}
