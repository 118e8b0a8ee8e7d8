//! The demonstration: the real pool between a simulated OCEAN and simulated Bitaxes,
//! and at the end a comparison of everybody's books.

mod screen;
mod verdict;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ledger::{CloseCause, EpochId};
use tempfile::TempDir;

use crate::config::{self, Config};
use crate::http::Health as _;
use crate::pool::{Pool, View, signals};
use crate::{clock, output};
use world::World;

/// How long the pool may take until it serves miners.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// How long the last shares may take to be answered and booked everywhere.
const SETTLED_WITHIN: Duration = Duration::from_secs(10);

/// How often a screen is drawn anew.
const FRAME: Duration = Duration::from_secs(1);

/// How often a line is written where there is no screen.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// What is shown.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// How many devices.
    pub(crate) miners: u16,
    /// How long they mine; `None` is until Ctrl-C.
    pub(crate) length: Option<Duration>,
    /// Hashes a second of all devices.
    pub(crate) hashrate: u64,
    /// Where keys and nonces come from.
    pub(crate) seed: u64,
    /// Where the pool's data stay; `None` is a directory for the time being.
    pub(crate) data_dir: Option<PathBuf>,
}

/// Runs it; the exit code is 0 if all books agree.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let (data_dir, _removed_at_the_end) = data_dir(options)?;
    let world = World::start(options)?;
    let pool = Pool::start(config(&world, data_dir.clone())?).context("the pool did not start")?;
    let first = pool.block_on(fresh_epoch(pool.view()))?;
    pool.block_on(ready(pool.view()))?;
    let world = world.switch_on(pool.view().stratum()[0], options);

    if !output::is_screen() {
        output::line(screen::introduction(&world, pool.view(), &data_dir))?;
    }
    let watched = pool.block_on(watch(&pool, &world, options, &data_dir));
    let books = watched.and_then(|()| {
        output::line("stopping the devices, closing the epoch, comparing the books ...")?;
        pool.block_on(settle(pool.view(), &world, first))
    });
    let stopped = pool.stop();
    let books = books?;
    stopped?;
    output::line(verdict::table(&books))?;
    let checks = verdict::checks(&books);
    output::line(verdict::render(&checks))?;
    Ok(if checks.iter().all(|check| check.agrees) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn data_dir(options: &Options) -> Result<(PathBuf, Option<TempDir>)> {
    match &options.data_dir {
        Some(path) => Ok((path.clone(), None)),
        None => {
            let made = tempfile::Builder::new().prefix("axepool-demo-").tempdir();
            let made = made.context("no directory for the demonstration's data")?;
            Ok((made.path().join("data"), Some(made)))
        }
    }
}

/// An ordinary config of the ordinary pool, with difficulties for devices that are ten
/// million times slower than a Bitaxe.
fn config(world: &World, data_dir: PathBuf) -> Result<Config> {
    let text = format!(
        "[pool]\nnetwork = \"regtest\"\nname = \"Demonstration\"\n\
         [upstream]\nurls = [\"stratum+tcp://{}\"]\naddress = \"{}\"\n\
         [stratum]\nlisten = \"127.0.0.1:0\"\nmin_difficulty = 1e-9\nstart_difficulty = {:e}\n\
         target_shares_per_minute = {}\n\
         [http]\nlisten = \"127.0.0.1:0\"\n[metrics]\nlisten = \"127.0.0.1:0\"\n",
        world.ocean.address(),
        world::ADDRESS,
        world.start_difficulty,
        world::SHARES_PER_MINUTE,
    );
    match config::parse(&text, std::path::Path::new("")) {
        Ok(loaded) => Ok(Config {
            data_dir,
            ..loaded.config
        }),
        Err(list) => Err(config::Problems {
            source: "the demonstration's config".to_owned(),
            list,
        }
        .into()),
    }
}

/// The open epoch, without shares: what an earlier demonstration left is closed first.
async fn fresh_epoch(view: &View) -> Result<EpochId> {
    let open = view.ledger.open_epoch();
    if open.totals.shares == 0 {
        return Ok(open.id);
    }
    let closed = view
        .ledger
        .close_epoch(CloseCause::Command, clock::now_ms())
        .await?;
    Ok(closed.id.next())
}

async fn ready(view: &View) -> Result<()> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        let reasons = view.not_ready();
        if reasons.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!(
                "the pool serves no miners after {READY_WITHIN:?}: {}",
                reasons.join("; ")
            );
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Shows what goes on until the time is up or somebody presses Ctrl-C.
async fn watch(
    pool: &Pool,
    world: &World,
    options: &Options,
    data_dir: &std::path::Path,
) -> Result<()> {
    let started = Instant::now();
    let is_screen = output::is_screen();
    let mut every = tokio::time::interval(if is_screen { FRAME } else { LINE_EVERY });
    let stop = signals::stop_signal();
    tokio::pin!(stop);
    loop {
        let left = options
            .length
            .map(|length| length.saturating_sub(started.elapsed()));
        let time_is_up = tokio::time::sleep(left.unwrap_or(Duration::MAX));
        tokio::select! {
            signal = &mut stop => return signal.map(|_| ()),
            failure = pool.failed() => return Err(failure),
            () = time_is_up => return Ok(()),
            _ = every.tick() => {
                let now = screen::Now::look(world, pool.view(), started.elapsed(), left)?;
                if is_screen {
                    let introduction = screen::introduction(world, pool.view(), data_dir);
                    output::redraw(format!("{introduction}\n\n{}", now.frame(world)))?;
                } else {
                    output::line(now.line())?;
                }
            }
        }
    }
}

/// Stops the devices, waits until everything is booked, closes the epoch, and collects
/// what everybody says.
async fn settle(view: &View, world: &World, first: EpochId) -> Result<verdict::Books> {
    let stop = signals::stop_signal();
    let settling = async {
        let devices = world.drain(SETTLED_WITHIN).await?;
        wait_for_upstream(view, world, first).await?;
        view.ledger
            .close_epoch(CloseCause::Command, clock::now_ms())
            .await?;
        verdict::Books::collect(view, world, devices, first)
    };
    tokio::select! {
        books = settling => books,
        signal = stop => bail!("ended by {} before the books were compared", signal?),
    }
}

/// Waits until the simulated OCEAN's answers are booked; if they are not in time, the
/// comparison tells.
async fn wait_for_upstream(view: &View, world: &World, first: EpochId) -> Result<()> {
    let deadline = Instant::now() + SETTLED_WITHIN;
    while Instant::now() < deadline {
        let ours = verdict::sums(&view.ledger, first)?;
        let theirs = world
            .ocean
            .read_books(|books| books.accepted() + books.rejected());
        let answered = ours.upstream_accepted + ours.upstream_refused;
        if answered == theirs && answered == ours.upstream_found {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
