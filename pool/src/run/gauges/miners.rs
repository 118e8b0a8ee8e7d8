//! The miners that work most, each with series of its own. Their number is bounded,
//! since keys are strangers' to make; the label is the public key, which the pool's
//! pages show anyhow, and never the name of a worker.

use std::cmp::Reverse;
use std::sync::{Arc, Mutex, PoisonError};

use accounting::{MinerId, Resolution, Work};
use ledger::{LedgerError, Reader, RecentWork};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, IntGauge, Opts, Registry};

use super::{clip, gauge};
use crate::control::HASHRATE_BUCKETS;
use crate::run::history::History;

/// So many have series.
const MOST: usize = 50;

/// What is shown of each.
const FAMILIES: [(&str, &str); 3] = [
    (
        "axepool_miner_hashrate_hashes_per_second",
        "The estimated hashrate of a miner now, as its page shows it; of those with the most recent work",
    ),
    (
        "axepool_miner_work_hashes",
        "A miner's work in the open epoch, expected hashes",
    ),
    (
        "axepool_miner_last_share_timestamp_seconds",
        "When a miner's last share of the open epoch came, seconds since 1970",
    ),
];

/// The gauges.
#[derive(Debug)]
pub(super) struct Miners {
    active: IntGauge,
    top: Top,
}

/// A miner to show.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Row {
    miner: MinerId,
    /// In the order of [`FAMILIES`].
    values: [f64; 3],
}

impl Miners {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let top = Top::new()?;
        registry.register(Box::new(top.clone()))?;
        Ok(Miners {
            active: gauge(
                registry,
                "axepool_miners_active",
                "Miners with a share in the last half hour, about",
            )?,
            top,
        })
    }

    pub(super) fn look(
        &self,
        reader: &Reader,
        history: &History,
        now_ms: u64,
    ) -> Result<(), LedgerError> {
        let recent = reader.recent_work(Resolution::TenMinutes, HASHRATE_BUCKETS, now_ms)?;
        self.active.set(clip(recent.miners.len() as u64));
        let epoch = reader.open_epoch().id;
        let mut rows = Vec::new();
        for miner in busiest(&recent) {
            let tally = reader.tally(epoch, &miner)?;
            let hashrate = history.hashrate_of(&miner);
            let work = tally.map_or(Work::ZERO, |tally| tally.work);
            let last_ms = tally.map_or(0, |tally| tally.last_ms);
            rows.push(Row {
                miner,
                values: [hashrate, work.hashes() as f64, last_ms as f64 / 1000.0],
            });
        }
        self.top.show(&rows);
        Ok(())
    }
}

/// Those with the most recent work, ties by key.
fn busiest(recent: &RecentWork) -> Vec<MinerId> {
    let mut miners: Vec<(Reverse<Work>, MinerId)> = recent
        .miners
        .iter()
        .map(|(miner, work)| (Reverse(*work), *miner))
        .collect();
    miners.sort_unstable();
    miners.truncate(MOST);
    miners.into_iter().map(|(_, miner)| miner).collect()
}

/// Families that are replaced as a whole: a scrape sees all of one look, and nobody who
/// has left.
#[derive(Clone, Debug)]
struct Top(Arc<Shown>);

#[derive(Debug)]
struct Shown {
    descs: Vec<Desc>,
    families: Mutex<Vec<GaugeVec>>,
}

impl Top {
    fn new() -> Result<Self, prometheus::Error> {
        let families = families()?;
        let descs = families.iter().flat_map(Collector::desc).cloned().collect();
        Ok(Top(Arc::new(Shown {
            descs,
            families: Mutex::new(families),
        })))
    }

    fn show(&self, rows: &[Row]) {
        let families = families().expect("they were made before, of the same names");
        for Row { miner, values } in rows {
            let label = miner.npub();
            for (family, value) in families.iter().zip(values) {
                family.with_label_values(&[&label]).set(*value);
            }
        }
        *self
            .0
            .families
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = families;
    }
}

fn families() -> Result<Vec<GaugeVec>, prometheus::Error> {
    let make = |(name, help): (&str, &str)| GaugeVec::new(Opts::new(name, help), &["miner"]);
    FAMILIES.into_iter().map(make).collect()
}

impl Collector for Top {
    fn desc(&self) -> Vec<&Desc> {
        self.0.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let families = self.0.families.lock();
        let families = families.unwrap_or_else(PoisonError::into_inner);
        families.iter().flat_map(Collector::collect).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prometheus::TextEncoder;

    use super::*;

    fn miner(number: u8) -> MinerId {
        simnet::keys::SimKey::derive(1, u64::from(number))
            .npub
            .parse()
            .expect("a key")
    }

    #[test]
    fn the_busiest_are_shown_and_no_more() {
        let keys = (0..60).map(|number| (miner(number), Work::from_hashes(u128::from(number) + 1)));
        let miners: BTreeMap<MinerId, Work> = keys.collect();
        let recent = RecentWork {
            since_ms: 0,
            miners,
        };
        let busiest = busiest(&recent);
        assert_eq!(busiest.len(), MOST);
        assert_eq!(busiest.first(), Some(&miner(59)));
        assert_eq!(busiest.last(), Some(&miner(10)));
    }

    #[test]
    fn who_leaves_is_not_shown_any_more() {
        let registry = Registry::new();
        let miners = Miners::register(&registry).expect("a fresh registry");
        let row = |number| Row {
            miner: miner(number),
            values: [1.0, 2.0, 3.0],
        };
        let shown = || {
            let text = TextEncoder::new().encode_to_string(&registry.gather());
            let text = text.expect("text");
            [1, 2].map(|number| text.matches(&miner(number).npub()).count())
        };
        miners.top.show(&[row(1), row(2)]);
        assert_eq!(shown(), [3, 3]);
        miners.top.show(&[row(2)]);
        assert_eq!(shown(), [0, 3]);
    }
}
