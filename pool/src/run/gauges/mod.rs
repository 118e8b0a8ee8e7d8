//! Gauges that need a query of the books, the miners or the disk.
//!
//! Each room counts events where they happen, and registers its metrics with the one
//! registry of the process; counters are resolved before the hot path. This module updates
//! the gauges that need a query: every ten seconds, beside mining, and less often if a
//! query takes long. Labels come from closed sets or the config, except for the public keys
//! of the fifty busiest miners.

mod books;
mod disk;
mod miners;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use basics::clock;
use ledger::{LedgerError, Reader};
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};
use tokio_util::sync::CancellationToken;

use super::View;
use crate::config::Config;
use crate::control::SUSPECT_EPOCHS;
use books::Books;
use disk::Disk;
use miners::Miners;

/// How often it is looked, unless a look takes long.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// A look may take this part of the time: one of 0.5 s is followed by 10 s without.
const LOOK_SHARE: u32 = 20;

/// How often withholding is looked for: that reads every tally of a hundred epochs.
const SUSPECT_EVERY: Duration = Duration::from_secs(600);

/// The same for withholding.
const SUSPECT_SHARE: u32 = 200;

/// So likely may an honest pool be to have one suspect at all.
const FALSE_ALARM: f64 = 0.001;

/// The gauges, registered.
#[derive(Debug)]
pub(super) struct Gauges {
    books: Books,
    miners: Miners,
    disk: Disk,
    suspects: IntGauge,
}

impl Gauges {
    /// Registers them.
    ///
    /// # Errors
    /// A metric's name is taken.
    pub(super) fn register(config: &Config, registry: &Registry) -> Result<Arc<Self>> {
        let gauges = Gauges::make(config, registry).context("the books' metrics")?;
        Ok(Arc::new(gauges))
    }

    fn make(config: &Config, registry: &Registry) -> Result<Self, prometheus::Error> {
        let build = family(
            registry,
            "axepool_build_info",
            "1, with version and network as labels",
            &["version", "network"],
        )?;
        let network = config.network.to_string();
        build
            .with_label_values(&[env!("CARGO_PKG_VERSION"), &network])
            .set(1);
        Ok(Gauges {
            books: Books::register(registry)?,
            miners: Miners::register(registry)?,
            disk: Disk::register(config.data_dir.clone(), registry)?,
            suspects: gauge(
                registry,
                "axepool_withholding_suspects",
                "Miners suspected of block withholding: they found too few upstream-grade shares in the newest epochs for bad luck",
            )?,
        })
    }

    /// Looks until `cancel`.
    pub(super) async fn run(self: Arc<Self>, view: Arc<View>, cancel: CancellationToken) {
        let looking =
            Arc::clone(&self).repeat(Arc::clone(&view), (LOOK_EVERY, LOOK_SHARE), Gauges::look);
        let suspecting = self.repeat(view, (SUSPECT_EVERY, SUSPECT_SHARE), |gauges, view| {
            gauges.suspect(view.ledger.reader())
        });
        // The last look may be under way when the pool stops: it waits for no one.
        cancel
            .run_until_cancelled(async { tokio::join!(looking, suspecting) })
            .await;
    }

    async fn repeat(
        self: Arc<Self>,
        view: Arc<View>,
        (every, share): (Duration, u32),
        look: fn(&Gauges, &View) -> Result<(), LedgerError>,
    ) {
        loop {
            let begun = Instant::now();
            let (gauges, seen) = (Arc::clone(&self), Arc::clone(&view));
            let looked = tokio::task::spawn_blocking(move || look(&gauges, &seen)).await;
            match looked.unwrap_or(Err(LedgerError::Closed)) {
                Ok(()) => {}
                Err(error) => tracing::warn!(%error, "the books cannot be read for the metrics"),
            }
            tokio::time::sleep(every.max(begun.elapsed() * share)).await;
        }
    }

    fn look(&self, view: &View) -> Result<(), LedgerError> {
        let reader = view.ledger.reader();
        if let Some(free_bytes) = self.disk.look() {
            view.room.is(free_bytes);
        }
        self.miners.look(reader, view.history(), clock::now_ms())?;
        self.books.look(reader, view.paying.tip_height())
    }

    fn suspect(&self, reader: &Reader) -> Result<(), LedgerError> {
        let suspects = reader.suspects(SUSPECT_EPOCHS)?;
        let chances = suspects.iter().map(|suspect| suspect.chance);
        self.suspects.set(clip(beyond_luck(chances.collect())));
        Ok(())
    }
}

/// How many of those who found fewer than expected are beyond luck. About half of all
/// honest miners find fewer, so there are twice as many miners, and with many miners
/// some are unlucky.
fn beyond_luck(chances: Vec<f64>) -> u64 {
    let miners = 2.0 * chances.len() as f64;
    let beyond = chances
        .iter()
        .filter(|chance| **chance * miners < FALSE_ALARM);
    beyond.count() as u64
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    let gauge = IntGauge::new(name, help)?;
    registry.register(Box::new(gauge.clone())).map(|()| gauge)
}

fn family(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntGaugeVec, prometheus::Error> {
    let family = IntGaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(family.clone())).map(|()| family)
}

/// A gauge's value, held at what it can show.
fn clip(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(chances: &[f64], suspects: u64) {
        assert_eq!(beyond_luck(chances.to_vec()), suspects, "{chances:?}");
    }

    #[test]
    fn with_many_miners_some_are_unlucky() {
        case(&[], 0);
        case(&[0.3], 0);
        case(&[0.0004], 1);
        // The same chance among a hundred is nothing.
        let mut crowd = vec![0.5; 99];
        crowd.push(0.0004);
        case(&crowd, 0);
        crowd.push(0.000_001);
        case(&crowd, 1);
    }
}
