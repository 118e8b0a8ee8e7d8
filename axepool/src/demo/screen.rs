//! What is seen while it runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use ledger::{Epoch, MinerId, Tally};
use proxy::SessionStatus;

use super::world::World;
use crate::humane;
use crate::pool::View;

/// More devices than this are summed up in one row.
const ROWS: usize = 20;

/// A moment of the demonstration.
pub(super) struct Now {
    running: Duration,
    left: Option<Duration>,
    epoch: Epoch,
    tallies: BTreeMap<MinerId, Tally>,
    sessions: Vec<SessionStatus>,
    ocean_accepted: u64,
    ocean_rejected: u64,
}

/// What this is, and how to look at it from outside.
pub(super) fn introduction(world: &World, view: &View, data_dir: &Path) -> String {
    let stratum = view
        .stratum()
        .first()
        .map_or(String::new(), ToString::to_string);
    format!(
        "{} simulated Bitaxes -> axepool at {stratum} -> a simulated OCEAN at {}\n\
         from another terminal: axepool status --data-dir {dir}   (or miners, epochs)",
        world.devices.len(),
        world.ocean.address(),
        dir = data_dir.display(),
    )
}

impl Now {
    /// Looks at everything once.
    pub(super) fn look(
        world: &World,
        view: &View,
        running: Duration,
        left: Option<Duration>,
    ) -> Result<Now> {
        let epoch = view.ledger.open_epoch();
        Ok(Now {
            running,
            left,
            epoch,
            tallies: view.ledger.tallies(epoch.id)?,
            sessions: view.sessions(world.devices.len()),
            ocean_accepted: world.ocean.read_books(simnet::pool::Books::accepted),
            ocean_rejected: world.ocean.read_books(simnet::pool::Books::rejected),
        })
    }

    /// One line, for a log.
    pub(super) fn line(&self) -> String {
        let rate: f64 = self.sessions.iter().map(|session| session.hashrate).sum();
        format!(
            "{:>4} s: {} devices, about {}, {} shares, work {:.4}, upstream {} accepted {} rejected",
            self.running.as_secs(),
            self.sessions.len(),
            humane::hashrate(rate),
            self.epoch.totals.shares,
            self.epoch.totals.work.hashes() as f64 / 4_294_967_296.0,
            self.ocean_accepted,
            self.ocean_rejected,
        )
    }

    /// The whole picture, for a screen.
    pub(super) fn frame(&self, world: &World) -> String {
        let header = [
            "device",
            "miner",
            "computes",
            "pool estimates",
            "difficulty",
            "shares",
            "work (hashes)",
            "part of work",
        ];
        let mut table = humane::table(&header, &[2, 3, 4, 5, 6, 7]);
        let whole = self.epoch.totals.work.hashes() as f64;
        for device in world.devices.iter().take(ROWS) {
            let tally = self.tallies.get(&device.miner);
            let session = self
                .sessions
                .iter()
                .find(|session| session.who.miner == device.miner);
            let work = tally.map_or(0.0, |tally| tally.work.hashes() as f64);
            table.add_row([
                device.worker.clone(),
                humane::short_key(&device.npub),
                humane::hashrate(device.hashrate),
                session.map_or("-".to_owned(), |session| humane::hashrate(session.hashrate)),
                session.map_or("-".to_owned(), |session| {
                    format!("{:.3e}", session.difficulty)
                }),
                humane::count(tally.map_or(0, |tally| tally.shares)),
                humane::si(work),
                humane::percent(work, whole),
            ]);
        }
        let more = match world.devices.len().saturating_sub(ROWS) {
            0 => String::new(),
            more => format!("and {more} more\n"),
        };
        let left = self.left.map_or("until Ctrl-C".to_owned(), |left| {
            format!("{} s left", left.as_secs())
        });
        format!(
            "{table}\n{more}epoch {}: {} shares, each durable before it was answered; \
             upstream: {} accepted, {} rejected; {} s, {left}",
            self.epoch.id,
            humane::count(self.epoch.totals.shares),
            self.ocean_accepted,
            self.ocean_rejected,
            self.running.as_secs(),
        )
    }
}
