//! The command line. Each command is a module with its arguments and a `run`.

mod address;
mod backup;
mod check_config;
mod epochs;
mod fee;
mod health;
mod init;
mod log;
mod miners;
mod mint;
mod moved;
mod node;
mod ocean_sign;
mod offer;
mod payouts;
mod place;
mod restore;
mod run;
mod status;
mod suspense;
mod wind_down;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// A proxy pool for Bitaxes that pays in ecash
///
/// Axepool mines at OCEAN as one miner, on behalf of everybody who points a device at
/// it. A miner is a public key, typed as the stratum username; there are no accounts.
#[derive(Debug, Parser)]
#[command(
    name = "axepool",
    version,
    arg_required_else_help = true,
    subcommand_required = true
)]
#[command(after_help = "First steps:\n  \
    axepool-demo                                the whole at work, on this machine alone\n  \
    axepool init                                a config, by asking for what it needs\n  \
    axepool check-config --config axepool.toml  what a config file means, every key with its value\n  \
    axepool run --config axepool.toml           the pool itself; two lines of config are enough:\n\n      \
    [upstream]\n      address = \"bc1...\"")]
pub struct Cli {
    /// The log level for stderr: error, warn, info, debug, trace, or `info,proxy=debug`
    #[arg(long, global = true, env = "AXEPOOL_LOG", value_name = "FILTER")]
    log: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Args),
    Run(run::Args),
    CheckConfig(check_config::Args),
    Status(status::Args),
    Health(health::Args),
    Log(log::Args),
    Epochs(epochs::Args),
    Miners(miners::Args),
    Payouts(payouts::Args),
    Suspense(suspense::Args),
    Fee(fee::Args),
    Backup(backup::Args),
    Restore(restore::Args),
    WindDown(wind_down::Args),
    Mint(mint::Args),
    Node(node::Args),
    Address(address::Args),
    Offer(offer::Args),
    OceanSign(ocean_sign::Args),
    #[command(flatten)]
    Owner(owner::Command),
    #[command(flatten)]
    Moved(moved::Command),
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// Whatever kept it from being done, told for the person at the terminal.
    pub fn run(self) -> Result<ExitCode> {
        let quiet = match &self.command {
            Command::Run(_) => "info",
            Command::Owner(command) => command.log_levels(),
            _ => "warn",
        };
        let mut logs = pool::logs::start(self.log.as_deref().unwrap_or(quiet))?;
        match self.command {
            Command::Init(args) => init::run(args),
            Command::Run(args) => run::run(args, &mut logs, self.log.is_some()),
            Command::CheckConfig(args) => check_config::run(args),
            Command::Status(args) => status::run(args),
            Command::Health(args) => health::run(args),
            Command::Log(args) => log::run(args),
            Command::Epochs(args) => epochs::run(args),
            Command::Miners(args) => miners::run(args),
            Command::Payouts(args) => payouts::run(args),
            Command::Suspense(args) => suspense::run(args),
            Command::Fee(args) => fee::run(args),
            Command::Backup(args) => backup::run(args),
            Command::Restore(args) => restore::run(args),
            Command::WindDown(args) => wind_down::run(args),
            Command::Mint(args) => mint::run(args),
            Command::Node(args) => node::run(args),
            Command::Address(args) => address::run(args),
            Command::Offer(args) => offer::run(args),
            Command::OceanSign(args) => ocean_sign::run(args),
            Command::Owner(command) => command.run(),
            Command::Moved(command) => command.run(),
        }
    }
}
