//! The demonstration: the real pool on a chain of its own, between a simulated OCEAN and
//! simulated Bitaxes, from the first share to sats that their owners spend; and at the
//! end a comparison of everybody's books.

mod act;
mod args;
mod lasting;
mod money;
mod owners;
mod screen;
mod setup;
mod story;
mod verdict;
mod world;

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use basics::output;
use tempfile::TempDir;

pub(crate) use args::Args;
use story::Story;
use world::World;

/// What is shown.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// How many devices.
    pub(crate) miners: u16,
    /// How many blocks OCEAN finds.
    pub(crate) blocks: u16,
    /// How long the devices mine for each block, where they mine freely.
    pub(crate) length: Duration,
    /// Goes on until Ctrl-C.
    pub(crate) keep_running: bool,
    /// Then with so much between two blocks; `None` is often at first, and rarely later.
    pub(crate) block_every: Option<Duration>,
    /// Where miners and browsers find the pool.
    pub(crate) listen: IpAddr,
    /// Hashes a second of all devices.
    pub(crate) hashrate: u64,
    /// With a seed each device mines so many shares an epoch and then waits for the
    /// others, so that the money repeats; without, all mine freely.
    pub(crate) seed: Option<u64>,
    /// Where the pool's data stay; `None` is a directory for the time being.
    pub(crate) data_dir: Option<PathBuf>,
}

/// Runs it; the exit code is 0 if all books agree.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let (data_dir, scratch) = directories(options)?;
    let mut story = Story::begin()?;
    let world = World::start(options, scratch.path())?;
    let config = setup::config(&world, options.listen, data_dir.clone())?;
    let pool = web::start(config).context("the pool did not start")?;
    let told = pool.block_on(act::all(
        &mut story,
        &pool,
        &world,
        options,
        &data_dir,
        scratch.path(),
    ));
    let stopped = pool.stop();
    let ended = world.stop();
    let books = told?;
    stopped?;
    ended?;
    output::line(money::table(&books))?;
    let checks = verdict::checks(&books);
    output::line(verdict::render(&checks))?;
    Ok(if checks.iter().all(|check| check.agrees) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The pool's directory, and one for everything simulated, which is removed at the end.
fn directories(options: &Options) -> Result<(PathBuf, TempDir)> {
    let scratch = tempfile::Builder::new().prefix("axepool-demo-").tempdir();
    let scratch = scratch.context("no directory for the demonstration's data")?;
    let Some(data_dir) = &options.data_dir else {
        return Ok((scratch.path().join("data"), scratch));
    };
    // Its chain is new each time: money of another one means nothing on it.
    let is_used = std::fs::read_dir(data_dir).is_ok_and(|mut entries| entries.next().is_some());
    anyhow::ensure!(
        !is_used,
        "--data-dir {} is not empty: name a new directory",
        data_dir.display()
    );
    Ok((data_dir.clone(), scratch))
}
