//! `axepool load`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use simnet::load::{self, KeyForm, LoadMode, LoadOptions, ViewOptions};
use tokio::runtime::{Builder, Runtime};

use crate::{open_files, output};

/// Load a stratum server with thousands of thin miners and measure it
///
/// Each miner has a key of its own; with --views it is the pages that are loaded. By default only this machine is a target; a server
/// elsewhere must be your own. The exit code is 1 if miners could not connect or lost
/// their connections, or if a share was rejected or a page did not come.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The server
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:3333")]
    target: String,
    /// Connect with TLS, and trust the certificates in this PEM file alone
    #[arg(long, value_name = "FILE")]
    tls: Option<PathBuf>,
    /// What the miners do
    #[arg(long, value_enum, default_value_t = Mode::Shares)]
    mode: Mode,
    /// How many miners
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    connections: u32,
    /// How long is measured, from when all miners are there
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Stop as soon as so many shares have been accepted
    #[arg(long, value_name = "N")]
    max_shares: Option<u64>,
    /// How long the miners may take to connect and to get their first job
    #[arg(long, value_name = "S", default_value_t = 60)]
    ramp_seconds: u64,
    /// How many may be connecting at once
    #[arg(long, value_name = "N", default_value_t = 64)]
    connecting_at_once: usize,
    /// Miners that share a local address, 127.0.0.1 and up
    #[arg(long, value_name = "N", default_value_t = 100)]
    per_address: usize,
    /// The miners' keys follow from it
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How the keys are written
    #[arg(long, value_enum, default_value_t = Keys::Npub)]
    keys: Keys,
    /// What the miners suggest as their difficulty
    #[arg(long, value_name = "D")]
    suggest_difficulty: Option<f64>,
    /// The server's process id, to see what it uses
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// Instead of miners: those who look at this page, --connections of them; several
    /// pages are looked at in turn
    #[arg(long, value_name = "URL")]
    views: Vec<String>,
    /// So many views begin in a second; as many as there can be unless given
    #[arg(long, value_name = "N", requires = "views", value_parser = clap::value_parser!(u32).range(1..))]
    views_per_second: Option<u32>,
    /// Allow a target that is not this machine: only for a server of your own
    #[arg(long)]
    allow_remote: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    /// Each keeps one valid share in flight
    Shares,
    /// They hold their connections
    Idle,
    /// They wait for jobs: from the first to the last who is told
    Notify,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Keys {
    /// NIP-19, 63 characters
    Npub,
    /// Compressed, 66 hex digits
    Hex,
}

pub(super) fn run(args: Args) -> Result<ExitCode> {
    let connections = usize::try_from(args.connections)?;
    open_files::raise_for(connections, "--connections");
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    if !args.views.is_empty() {
        return look(&runtime, &args, connections);
    }
    let report = runtime.block_on(load::run(options(&args, connections)))?;
    if args.json {
        output::json(&report)?;
    } else {
        output::line(report.to_string().trim_end())?;
    }
    let all_well = report.failed_connections.is_empty()
        && report.lost_connections == 0
        && report.rejected.is_empty();
    Ok(if all_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Loads the pages.
fn look(runtime: &Runtime, args: &Args, viewers: usize) -> Result<ExitCode> {
    let report = runtime.block_on(load::look(ViewOptions {
        urls: args.views.clone(),
        per_second: args.views_per_second,
        viewers,
        duration: Duration::from_secs(args.seconds),
        allow_remote: args.allow_remote,
    }))?;
    if args.json {
        output::json(&report)?;
    } else {
        output::line(report.to_string().trim_end())?;
    }
    Ok(match report.failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn options(args: &Args, connections: usize) -> LoadOptions {
    let mode = match args.mode {
        Mode::Shares => LoadMode::Shares,
        Mode::Idle => LoadMode::Idle,
        Mode::Notify => LoadMode::Notify,
    };
    LoadOptions {
        tls: args.tls.clone(),
        allow_remote: args.allow_remote,
        duration: Duration::from_secs(args.seconds),
        max_shares: args.max_shares,
        ramp_timeout: Duration::from_secs(args.ramp_seconds),
        connecting_at_once: args.connecting_at_once,
        connections_per_address: args.per_address,
        seed: args.seed,
        key_form: match args.keys {
            Keys::Npub => KeyForm::Npub,
            Keys::Hex => KeyForm::Hex,
        },
        suggest_difficulty: args.suggest_difficulty,
        pid: args.pid,
        ..LoadOptions::new(args.target.clone(), mode, connections)
    }
}
