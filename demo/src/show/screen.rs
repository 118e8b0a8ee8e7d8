//! What is seen while it runs.

use std::collections::BTreeMap;

use accounting::{Epoch, MinerId, Tally};
use anyhow::Result;
use basics::humane;
use pool::run::View;
use proxy::SessionStatus;

use super::world::World;

/// More devices than this are summed up in one row.
const ROWS: usize = 20;

/// A moment of the demonstration.
pub(super) struct Now {
    epoch: Epoch,
    tallies: BTreeMap<MinerId, Tally>,
    sessions: Vec<SessionStatus>,
    ocean_accepted: u64,
    ocean_rejected: u64,
}

impl Now {
    /// Looks at everything once.
    pub(super) fn look(world: &World, view: &View) -> Result<Now> {
        let epoch = view.ledger().open_epoch();
        Ok(Now {
            epoch,
            tallies: view.ledger().tallies(epoch.id)?,
            sessions: view.sessions(world.devices().len()),
            ocean_accepted: world.ocean.pool().read_books(simnet::pool::Books::accepted),
            ocean_rejected: world.ocean.pool().read_books(simnet::pool::Books::rejected),
        })
    }

    /// One line, for a log.
    pub(super) fn line(&self) -> String {
        let rate: f64 = self.sessions.iter().map(|session| session.hashrate).sum();
        format!(
            "{} devices, about {}, epoch {}: {} shares, work {:.4}, upstream {} accepted {} rejected",
            self.sessions.len(),
            humane::hashrate(rate),
            self.epoch.id,
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
        for device in world.devices().iter().take(ROWS) {
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
        let more = match world.devices().len().saturating_sub(ROWS) {
            0 => String::new(),
            more => format!("and {more} more\n"),
        };
        format!(
            "{table}\n{more}epoch {}: {} shares, each durable before it was answered; \
             upstream: {} accepted, {} rejected",
            self.epoch.id,
            humane::count(self.epoch.totals.shares),
            self.ocean_accepted,
            self.ocean_rejected,
        )
    }
}
