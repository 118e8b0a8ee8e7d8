//! All records, in memory and on disk. `change.rs` has the one way to change them, `wishes.rs`
//! what owners ask for.

mod change;
mod error;
mod wishes;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use accounting::{MinerId, Sat, Work};
use anyhow::Context as _;
use async_trait::async_trait;
use bitcoin::secp256k1::XOnlyPublicKey;
use ledger::LedgerError;
use prometheus::Registry;
use schemars::JsonSchema;
use serde::Serialize;
use signed::{Channel, Target};
use tokio::sync::Notify;

use super::feed::{About, atom};
use super::files::Files;
use super::metrics::Metrics;
use super::news::News;
use super::record::{Delivery, Record};
use super::send::Outcome;
use super::target::Policy;
use super::tell::{Rules, Seen, WorkerSeen};
use change::may_go;
pub use error::DeskError;

/// A feed that nobody reads is given up, in milliseconds.
const UNREAD_MS: u64 = 30 * 24 * 60 * 60 * 1000;

/// When a feed was read is remembered to the hour, or every reader would cost a write.
const READ_MS: u64 = 60 * 60 * 1000;

/// What is seen of miners.
#[async_trait]
pub trait Sight: Send + Sync + 'static {
    /// Whether miners are served now.
    fn is_serving(&self) -> bool;
    /// Whether the pool ever counted work of this key.
    async fn knows(&self, miner: &MinerId) -> Result<bool, LedgerError>;
    /// The workers of a key.
    async fn workers(&self, miner: &MinerId) -> Result<Vec<WorkerSeen>, LedgerError>;
    /// What the key can fetch now; `None` while the mint is not open.
    async fn ready(&self, miner: &MinerId) -> Option<Sat>;
}

/// A miner's present subscription, without the address of its target. Amounts are satoshis, times are
/// milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "NoticeSetting")]
pub struct Setting {
    /// The channel of the notices. Their address is known to its owner only.
    pub channel: Channel,
    /// Sats that are ready are told from this amount on.
    pub least_sat: Sat,
    /// When it was set.
    pub since_ms: u64,
    /// Tries in a row that failed.
    pub failures: u32,
}

/// The records and their rules.
pub struct Desk {
    about: About,
    pool: Option<XOnlyPublicKey>,
    policy: Policy,
    rules: Rules,
    sight: Arc<dyn Sight>,
    files: Arc<Files>,
    records: Mutex<BTreeMap<MinerId, Record>>,
    /// The work of each miner as of the last look at it; none before the first since the
    /// start.
    standing: Mutex<BTreeMap<MinerId, Work>>,
    /// One change at a time, so that the disk has what the memory has.
    changing: tokio::sync::Mutex<()>,
    /// There may be something to send.
    pub(super) wake: Notify,
    pub(super) metrics: Metrics,
}

impl Desk {
    /// The records in `directory`.
    ///
    /// # Errors
    /// The directory cannot be made or read, or a metric's name is taken.
    pub fn open(
        directory: &Path,
        about: About,
        pool: Option<XOnlyPublicKey>,
        (policy, rules): (Policy, Rules),
        sight: Arc<dyn Sight>,
        registry: &Registry,
    ) -> anyhow::Result<Arc<Desk>> {
        let opened = Files::open(directory);
        let (files, records) =
            opened.with_context(|| format!("{} cannot be used", directory.display()))?;
        let records = records.into_iter().map(|record| (record.miner, record));
        let desk = Desk {
            about,
            pool,
            policy,
            rules,
            sight,
            files: Arc::new(files),
            records: Mutex::new(records.collect()),
            standing: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            wake: Notify::new(),
            metrics: Metrics::register(registry)?,
        };
        desk.count();
        Ok(Arc::new(desk))
    }

    /// Which pool it is.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// The key that wishes are signed for.
    pub fn pool(&self) -> Option<XOnlyPublicKey> {
        self.pool
    }

    /// Where notices may be sent.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// A miner's target, if there is one.
    pub fn setting(&self, miner: &MinerId) -> Option<Setting> {
        let records = self.records();
        let to = records.get(miner)?.subscription.as_ref()?;
        Some(Setting {
            channel: to.target.channel,
            least_sat: to.least_sat,
            since_ms: to.since_ms,
            failures: to.failures,
        })
    }

    /// A miner's feed, and a text that changes when it does. From now on the miner is
    /// looked at.
    pub async fn feed(&self, miner: &MinerId, now_ms: u64) -> Result<(String, String), DeskError> {
        let fresh = |record: &Record| now_ms.saturating_sub(record.read_ms) < READ_MS;
        let known = self.records().get(miner).filter(|one| fresh(one)).cloned();
        let record = match known {
            Some(record) => record,
            None => {
                let read = |record: &mut Record| {
                    record.read_ms = now_ms;
                    Ok(())
                };
                self.change(miner, false, Some(now_ms), read).await?
            }
        };
        let version = format!("{}-{}", record.since_ms, record.last_number());
        Ok((atom(&record, &self.about), version))
    }

    /// The miners that are looked at.
    pub(super) fn watched(&self) -> Vec<MinerId> {
        self.records().keys().copied().collect()
    }

    /// Looks at a miner, and writes into its feed what is news.
    pub(super) async fn look(
        &self,
        miner: &MinerId,
        now_ms: u64,
        serving_since_ms: Option<u64>,
    ) -> Result<(), DeskError> {
        let seen = Seen {
            now_ms,
            serving_since_ms,
            workers: self.sight.workers(miner).await?,
            ready: self.sight.ready(miner).await,
        };
        self.standing().insert(*miner, sum(&seen.workers));
        let look = |record: &mut Record| {
            for news in record.told.look(&seen, record.least_sat(), &self.rules) {
                record.note(news, now_ms);
            }
            Ok(())
        };
        match self.change(miner, false, None, look).await {
            Ok(_) => Ok(()),
            // It was given up meanwhile.
            Err(DeskError::Unknown(_)) => {
                self.standing().remove(miner);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Gives up feeds that nobody reads.
    pub(super) async fn tidy(&self, now_ms: u64) -> Result<(), DeskError> {
        let _changing = self.changing.lock().await;
        let unread = |record: &&Record| {
            may_go(record, now_ms) && now_ms.saturating_sub(record.read_ms) >= UNREAD_MS
        };
        let old: Vec<MinerId> = self
            .records()
            .values()
            .filter(unread)
            .map(|record| record.miner)
            .collect();
        for miner in old {
            self.forget(miner).await?;
        }
        Ok(())
    }

    /// What is to be sent now and for which `begin` has a place, the most urgent first:
    /// among equals the key with the most work, since keys are free.
    pub(super) fn due(
        &self,
        now_ms: u64,
        mut begin: impl FnMut(&MinerId, &Target) -> bool,
    ) -> Vec<Delivery> {
        let (records, standing) = (self.records(), self.standing());
        let urgencies = records.values().filter_map(|record| {
            let work = standing.get(&record.miner).copied().unwrap_or(Work::ZERO);
            Some((record.urgency(now_ms)?, Reverse(work), record))
        });
        let mut urgencies: Vec<_> = urgencies.collect();
        urgencies.sort_by_key(|(urgency, work, record)| (*urgency, *work, record.miner));
        let begun = urgencies.into_iter().filter_map(|(_, _, record)| {
            let to = record.subscription.as_ref()?;
            begin(&record.miner, &to.target).then_some(record)
        });
        begun.filter_map(|record| record.due(now_ms)).collect()
    }

    /// Writes down what became of a delivery.
    pub(super) async fn sent(
        &self,
        delivery: &Delivery,
        outcome: Outcome,
        now_ms: u64,
    ) -> Result<(), DeskError> {
        let result = outcome.label();
        self.metrics.deliveries.with_label_values(&[result]).inc();
        let write = |record: &mut Record| {
            match outcome {
                Outcome::Arrived => record.arrived(delivery, now_ms),
                Outcome::Held { asked_ms } => record.held(delivery, asked_ms, now_ms),
                Outcome::Failed => record.failed(delivery, now_ms),
            }
            Ok(())
        };
        let record = self.change(&delivery.miner, false, None, write).await?;
        let last = record.entries.back().map(|entry| &entry.news);
        if outcome == Outcome::Failed && last == Some(&News::Dropped) {
            self.metrics.dropped.inc();
        }
        Ok(())
    }

    /// Whether the sight serves miners.
    pub(super) fn is_serving(&self) -> bool {
        self.sight.is_serving()
    }

    fn subscribed(&self) -> usize {
        let records = self.records();
        let with = records
            .values()
            .filter(|record| record.subscription.is_some());
        with.count()
    }

    fn count(&self) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.metrics.watched.set(number(self.records().len()));
        self.metrics.subscribed.set(number(self.subscribed()));
    }

    fn records(&self) -> MutexGuard<'_, BTreeMap<MinerId, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Taken after [`Self::records`] where both are.
    fn standing(&self) -> MutexGuard<'_, BTreeMap<MinerId, Work>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sum(workers: &[WorkerSeen]) -> Work {
    let works = workers.iter().map(|worker| worker.work);
    works.fold(Work::ZERO, Work::saturating_add)
}

#[cfg(test)]
pub(super) mod tests;
