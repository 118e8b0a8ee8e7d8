//! `axepool backup`.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use basics::{clock, humane, output};
use ledger::Reader;
use pool::admin::{BackupDone, BackupRequest, BackupState, Call, call};
use pool::backup::{self, Order, Progress, Sources, series};
use pool::{control, data_dir};

use super::place::Place;

/// How often the running process is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(300);

/// Make a backup of all stores in a directory
///
/// The pool may run meanwhile: everything acknowledged before the start of the backup is in
/// it. The mnemonics are not, unless --with-secrets is given: keep their files separately,
/// since a backup without them restores nothing. The lightning node's channels are never in
/// a backup.
///
/// A running pool writes the backup itself, so it needs write access to the directory
/// (under systemd: /var/lib/axepool-backups).
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The directory for the backup: a new or an empty one
    #[arg(
        value_name = "DIR",
        required_unless_present = "into",
        conflicts_with = "into"
    )]
    to: Option<PathBuf>,
    /// An existing directory instead, in which the backup gets a subdirectory named by the
    /// time
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// Number of backups to keep there: older ones are removed once the new one is complete
    #[arg(long, value_name = "N", requires = "into")]
    keep: Option<NonZeroUsize>,
    /// Include the mnemonics and the config file: anybody with this backup has all the
    /// money
    #[arg(long)]
    with_secrets: bool,
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> Result<ExitCode> {
    let into = args.into.map(std::path::absolute).transpose()?;
    let to = match (&into, args.to) {
        (Some(into), _) => series::next(into, clock::now_ms()),
        (None, Some(to)) => std::path::absolute(to)?,
        (None, None) => bail!("where to? Name a directory, or one to put it --into"),
    };
    let config = std::path::absolute(args.place.config())?;
    let order = Order {
        to,
        config: config.try_exists()?.then_some(config),
        with_secrets: args.with_secrets,
        // A pool that runs knows them.
        channel_peers: Vec::new(),
    };
    let done = match args.place.ask_if_running(start(&order))? {
        Some(state) => follow(&args.place, state)?,
        None => alone(&args.place, &order)?,
    };
    if args.json {
        output::json(&done)?;
    } else {
        output::line(render(&done))?;
    }
    if let (Some(into), Some(keep)) = (into, args.keep) {
        let gone = series::prune(&into, keep, &done.to).context(
            "the backup is made, but one that is older than those to keep is still there",
        )?;
        for old in gone {
            output::remark(format!("removed {}", old.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn start(order: &Order) -> Call<BackupState> {
    call::backup(BackupRequest::Start {
        to: order.to.clone(),
        config: order.config.clone(),
        with_secrets: order.with_secrets,
    })
}

/// Waits for the running process, and tells how far it is.
fn follow(place: &Place, first: BackupState) -> Result<BackupDone> {
    let mut shown = Shown::default();
    let mut state = first;
    loop {
        match state {
            BackupState::Running(progress) => shown.show(&progress),
            BackupState::Done(done) => return Ok(done),
            BackupState::Failed { why } => bail!("{why}"),
            BackupState::Busy => bail!("another backup is being made: try again when it is done"),
            BackupState::Idle => bail!("the running axepool started anew meanwhile"),
        }
        std::thread::sleep(ASK_EVERY);
        state = place.ask_running(call::backup(BackupRequest::Look))?;
    }
}

/// Makes it here, since nothing runs.
fn alone(place: &Place, order: &Order) -> Result<BackupDone> {
    let config = place.full_config()?;
    let sources = Sources::of(&config);
    let reader =
        Reader::open(&data_dir::ledger(sources.data_dir())).context(control::NOTHING_RUNS)?;
    let mut shown = Shown::default();
    let manifest = backup::make(&sources, &reader, order, &mut |progress| {
        shown.show(&progress)
    })?;
    Ok(BackupDone::of(&manifest, &order.to))
}

/// What was told last, so that a step is told once and long ones every so often.
#[derive(Default)]
struct Shown {
    step: String,
    tenths: u64,
}

impl Shown {
    fn show(&mut self, progress: &Progress) {
        let Progress { step, done, of } = progress;
        let tenths = done.saturating_mul(10).checked_div(*of).unwrap_or(0);
        if step.is_empty() || (*step == self.step && tenths == self.tenths) {
            return;
        }
        self.step.clone_from(step);
        self.tenths = tenths;
        match *of {
            0 => output::remark(format!("{step} ...")),
            of => output::remark(format!(
                "{step}: {} of {} rows",
                humane::count(*done),
                humane::count(of)
            )),
        }
    }
}

fn render(done: &BackupDone) -> String {
    let mut text = format!(
        "the backup is in {} ({} KB), as of {}",
        done.to.display(),
        humane::count(done.bytes.div_ceil(1000)),
        humane::utc(done.made_ms),
    );
    text.push_str(secrets(done.with_secrets, &done.to).as_str());
    for left_out in &done.left_out {
        text.push_str("\nnot in it: ");
        text.push_str(left_out);
    }
    text
}

fn secrets(with: bool, to: &Path) -> String {
    match with {
        true => format!(
            "\nthe mnemonics are in it: whoever reads {} has all the money",
            to.display()
        ),
        false => "\nthe mnemonics are NOT in it (--with-secrets): keep copies of their files, or \
                  it restores nothing"
            .to_owned(),
    }
}
