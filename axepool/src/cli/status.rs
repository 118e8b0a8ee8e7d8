//! `axepool status`.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use basics::{humane, output};
use pool::admin::{MintState, MintStatus, Status, call};
use pool::amounts;

use super::place::Place;

/// Show the status of the running pool
///
/// The exit code is 0 if miners are served, 1 if they are not or no pool runs.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> Result<ExitCode> {
    let status = args.place.ask_running(call::status())?;
    if args.json {
        output::json(&status)?;
    } else {
        output::line(render(&status).trim_end())?;
    }
    Ok(if status.not_ready.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn render(status: &Status) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<10} {value}");
    };
    let up = Duration::from_millis(status.now_ms.saturating_sub(status.started_ms));
    row("pool", format!("{} on {}", status.name, status.network));
    row(
        "process",
        format!(
            "{} of axepool {}, up {}",
            status.pid,
            status.version,
            humane::duration(up)
        ),
    );
    row("stratum", addresses(&status.stratum));
    if !status.stratum_tls.is_empty() {
        row("with TLS", addresses(&status.stratum_tls));
    }
    row("http", addresses(&status.http));
    if !status.onion.is_empty() {
        row("for tor", addresses(&status.onion));
    }
    row("metrics", addresses(&status.metrics));
    let operator = status.operator.as_deref();
    row("operator", operator.unwrap_or("off").to_owned());
    row(
        "miners",
        format!(
            "{} connections, {} workers mining",
            status.connections, status.workers
        ),
    );
    row("upstream", upstream(status));
    if let Some(error) = status
        .upstream
        .last_error
        .as_ref()
        .filter(|_| !status.upstream.up)
    {
        row("", error.clone());
    }
    for left in &status.upstream.left {
        let ago = humane::ago(0, left.since_secs.saturating_mul(1000));
        row("", format!("{} was left {ago}: {}", left.url, left.why));
    }
    let totals = &status.ledger.epoch.totals;
    row(
        "epoch",
        format!(
            "{}: {} shares of {} miners, work {}",
            status.ledger.epoch.id,
            humane::count(totals.shares),
            humane::count(totals.miners),
            amounts::work(totals.work)
        ),
    );
    row("mint", mint(&status.mint));
    row(
        "node",
        status.node.clone().unwrap_or_else(|| "none".to_owned()),
    );
    row(
        "backup",
        match status.backup_ms {
            Some(made_ms) => humane::ago(made_ms, status.now_ms),
            None => "none was made (axepool backup)".to_owned(),
        },
    );
    if let Some(word) = &status.winding_down {
        let until = humane::utc(word.until_ms);
        row(
            "ends",
            format!("WINDING DOWN, mint up until {until} (axepool wind-down)"),
        );
    }
    for trouble in &status.beside {
        row("beside", trouble.clone());
    }
    match status.not_ready.split_first() {
        None => row("ready", "yes".to_owned()),
        Some((first, others)) => {
            row("ready", format!("no: {first}"));
            others
                .iter()
                .for_each(|reason| row("", format!("    {reason}")));
        }
    }
    text
}

fn mint(mint: &MintStatus) -> String {
    let state = match mint.state {
        MintState::Off => "off",
        MintState::Opening => "NOT OPEN, tried again by itself",
        MintState::Open if mint.failing.is_some() => "open, FAILING, tried again by itself",
        MintState::Open => "open",
    };
    let mut text = format!(
        "{} {state}, {} rows of the outbox to do",
        mint.public_url, mint.outbox_waiting
    );
    if let (Some(outstanding), Some(waiting)) = (mint.outstanding_sat, mint.paid_unissued_sat) {
        let _ = write!(text, ", {outstanding} sat out, {waiting} sat to fetch");
    }
    if let Some(parked) = mint.parked.filter(|parked| *parked > 0) {
        let _ = write!(text, ", {parked} PARKED (axepool mint parked)");
    }
    text
}

fn upstream(status: &Status) -> String {
    let upstream = &status.upstream;
    let since = humane::duration(Duration::from_secs(upstream.since_secs));
    if !upstream.up {
        return format!("{} DOWN for {since}", upstream.url);
    }
    let job = upstream
        .last_job_secs
        .map_or("none".to_owned(), |secs| humane::ago(0, secs * 1000));
    let difficulty = upstream
        .difficulty
        .map_or("unknown".to_owned(), |number| format!("{number}"));
    format!(
        "{} up for {since}, difficulty {difficulty}, last job {job}, {} of {} lanes, room for {} more miners",
        upstream.url, upstream.lanes_up, upstream.lanes, upstream.prefixes_free
    )
}

fn addresses(list: &[SocketAddr]) -> String {
    let texts: Vec<_> = list.iter().map(SocketAddr::to_string).collect();
    if texts.is_empty() {
        "off".to_owned()
    } else {
        texts.join(" ")
    }
}
