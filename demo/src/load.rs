//! `axepool-demo load`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use basics::output;
use clap::ValueEnum;
use pool::open_files;
use simnet::load::{self, KeyForm, LoadMode, LoadOptions, ViewOptions};
use tokio::runtime::{Builder, Runtime};

/// Load a stratum server with thousands of thin miners and measure it
///
/// Each miner has a key of its own; with --views clients load pages instead. By default
/// only this machine may be the target; a server elsewhere must be your own. The exit code
/// is 1 if miners could not connect or lost their connections, if a share was rejected, or
/// if a page failed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The server's address
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:3333")]
    target: String,
    /// Connect with TLS, and trust the certificates in this PEM file alone
    #[arg(long, value_name = "FILE")]
    tls: Option<PathBuf>,
    /// The behaviour of the miners
    #[arg(long, value_enum, default_value_t = Mode::Shares)]
    mode: Mode,
    /// Number of miners
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    connections: u32,
    /// Seconds of measurement, once all miners are connected
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Stop after this number of accepted shares
    #[arg(long, value_name = "N")]
    max_shares: Option<u64>,
    /// Time limit for the miners to connect and get their first job
    #[arg(long, value_name = "S", default_value_t = 60)]
    ramp_seconds: u64,
    /// Number of miners that connect at the same time
    #[arg(long, value_name = "N", default_value_t = 64)]
    connecting_at_once: usize,
    /// Number of miners per local address, from 127.0.0.1 up
    #[arg(long, value_name = "N", default_value_t = 100)]
    per_address: usize,
    /// The seed of the miners' keys
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The format of the keys
    #[arg(long, value_enum, default_value_t = Keys::Npub)]
    keys: Keys,
    /// The difficulty that the miners suggest
    #[arg(long, value_name = "D")]
    suggest_difficulty: Option<f64>,
    /// The server's process id, to measure its CPU time and memory
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// Load this page instead, with --connections clients; several pages are loaded in turn
    #[arg(long, value_name = "URL")]
    views: Vec<String>,
    /// Views per second; unlimited by default
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
    /// They wait for jobs: the time from the first to the last miner that gets a job
    Notify,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Keys {
    /// NIP-19, 63 characters
    Npub,
    /// Compressed, 66 hex digits
    Hex,
}

pub(crate) fn run(args: Args) -> Result<ExitCode> {
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
