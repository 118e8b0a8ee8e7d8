//! All records, in memory and on disk, and the one way to change them.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use accounting::{MinerId, Sat, Work};
use anyhow::Context as _;
use async_trait::async_trait;
use bitcoin::secp256k1::XOnlyPublicKey;
use ledger::LedgerError;
use prometheus::Registry;
use serde::Serialize;
use signed::{Channel, MAX_SKEW_MS, SignedError, Target, Wish};
use thiserror::Error;
use tokio::sync::Notify;

use super::feed::{About, atom};
use super::files::Files;
use super::metrics::Metrics;
use super::news::News;
use super::record::{Delivery, Record};
use super::send::Outcome;
use super::target::{Policy, TargetError};
use super::tell::{Rules, Seen, WorkerSeen};

/// Miners that are looked at. When there are more, one with the least work makes room,
/// of those the one whose feed was not read for the longest time.
pub(super) const MAX_WATCHED: usize = 5_000;

/// Of them those with a target. When there are more, the key with the least work makes
/// room, unless that is the new one: places are to be had by work, since keys are free.
pub(super) const MAX_SUBSCRIBED: usize = 2_000;

/// Keys that have notices sent to the same target. An owner may have some; whoever has
/// many more floods a stranger's inbox.
const MAX_PER_TARGET: usize = 16;

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

/// Why something about notices cannot be done.
#[derive(Debug, Error)]
pub enum DeskError {
    /// The wish is not signed by that key for this pool, not of now, or not later than the
    /// last one taken.
    #[error(transparent)]
    Signed(#[from] SignedError),
    /// The place that the wish names.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A key without work.
    #[error("this pool counted no share of the key {0} yet")]
    Unknown(MinerId),
    /// No room for another miner.
    #[error(
        "this pool already has its maximum of subscribed miners, and all of them have more work here"
    )]
    Full,
    /// The last wish was taken a moment ago.
    #[error("the last request of this key was accepted a moment ago: try again in {} s", wait_ms.div_ceil(1000))]
    Soon {
        /// The key's next wish is taken then, in milliseconds.
        wait_ms: u64,
    },
    /// As many other keys as may have their notices sent there.
    #[error("{MAX_PER_TARGET} other keys already use this target: that is the limit")]
    Shared,
    /// The pool has no key that a wish could be signed for.
    #[error("this pool takes no signed requests now")]
    NoKey,
    /// The ledger.
    #[error("the books cannot be read now: try again later")]
    Ledger(#[from] LedgerError),
    /// The disk.
    #[error("the request cannot be stored now: try again later")]
    Disk(#[from] io::Error),
}

/// What everybody may know of a miner's target. Amounts are satoshis, times are
/// milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// How it is sent. Where to is for its owner to know.
    pub channel: Channel,
    /// Sats that are ready are told from this amount on.
    pub least_sat: Sat,
    /// Since when.
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

    /// Grants a signed wish; it is durable when this returns.
    pub async fn grant(
        &self,
        miner: &MinerId,
        wish: &Wish,
        now_ms: u64,
    ) -> Result<Option<Setting>, DeskError> {
        let pool = self.pool.ok_or(DeskError::NoKey)?;
        if let Some(target) = &wish.target {
            self.policy.place(target)?;
        }
        // Before anything is made for it: whoever has no key gets no record.
        let last_ms = self.records().get(miner).map_or(0, |one| one.signed_ms);
        wish.check(&pool, miner, last_ms, now_ms)?;
        if let Some(record) = self.records().get(miner) {
            self.check_wait(record, now_ms)?;
        }
        let work = sum(&self.sight.workers(miner).await?);
        let grant = |record: &mut Record| {
            wish.check(&pool, miner, record.signed_ms, now_ms)?;
            self.check_wait(record, now_ms)?;
            let Some(target) = &wish.target else {
                record.grant(wish, false, now_ms);
                return Ok(());
            };
            if record.subscription.is_none() && self.subscribed() >= MAX_SUBSCRIBED {
                let least = self.least_subscribed().ok_or(DeskError::Full)?;
                if least.0 >= work {
                    return Err(DeskError::Full);
                }
            }
            let is_told = self.others_at(miner, target, now_ms)?;
            let confirm = !is_told && !record.is_confirmed(None, now_ms);
            record.grant(wish, confirm, now_ms);
            Ok(())
        };
        self.change(miner, true, Some(now_ms), grant).await?;
        self.metrics.wishes.with_label_values(&["granted"]).inc();
        self.standing().insert(*miner, work);
        while self.subscribed() > MAX_SUBSCRIBED
            && let Some((_, least)) = self.least_subscribed()
        {
            self.displace(&least, now_ms).await?;
        }
        self.wake.notify_one();
        Ok(self.setting(miner))
    }

    /// An error while the key's last wish is too new.
    fn check_wait(&self, record: &Record, now_ms: u64) -> Result<(), DeskError> {
        match record.wish_wait_ms(now_ms) {
            0 => Ok(()),
            wait_ms => {
                self.metrics.wishes.with_label_values(&["too_soon"]).inc();
                Err(DeskError::Soon { wait_ms })
            }
        }
    }

    /// Of those with a target the key with the least work, and its work. Who was not
    /// looked at since the start is not judged.
    fn least_subscribed(&self) -> Option<(Work, MinerId)> {
        let (records, standing) = (self.records(), self.standing());
        let subscribed = records.values().filter(|one| one.subscription.is_some());
        let known = subscribed.filter_map(|one| Some((*standing.get(&one.miner)?, one.miner)));
        known.min()
    }

    /// Whether another key had `target` told within the hour that notices are on.
    fn others_at(&self, miner: &MinerId, target: &Target, now_ms: u64) -> Result<bool, DeskError> {
        let records = self.records();
        let others = || records.values().filter(|one| one.miner != *miner);
        let is_there = |one: &&Record| {
            let to = one.subscription.as_ref();
            to.is_some_and(|to| to.target == *target)
        };
        if others().filter(is_there).count() >= MAX_PER_TARGET {
            return Err(DeskError::Shared);
        }
        Ok(others().any(|one| one.is_confirmed(Some(target), now_ms)))
    }

    async fn displace(&self, miner: &MinerId, now_ms: u64) -> Result<(), DeskError> {
        let displace = |record: &mut Record| {
            record.displace(now_ms);
            Ok(())
        };
        match self.change(miner, false, None, displace).await {
            Ok(_) | Err(DeskError::Unknown(_)) => Ok(()),
            Err(error) => Err(error),
        }
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

    /// Changes a record, a `durable` change on disk before here. One that is not there is made with
    /// `make_ms`, the time, for a miner with work; without it the miner is unknown.
    async fn change(
        &self,
        miner: &MinerId,
        durable: bool,
        make_ms: Option<u64>,
        change: impl FnOnce(&mut Record) -> Result<(), DeskError>,
    ) -> Result<Record, DeskError> {
        let _changing = self.changing.lock().await;
        let before = self.records().get(miner).cloned();
        let mut record = match (&before, make_ms) {
            (Some(record), _) => record.clone(),
            (None, Some(now_ms)) if self.sight.knows(miner).await? => {
                self.make_room(now_ms).await?;
                Record::new(*miner, now_ms)
            }
            (None, _) => return Err(DeskError::Unknown(*miner)),
        };
        change(&mut record)?;
        if before.as_ref() == Some(&record) {
            return Ok(record);
        }
        let (files, written) = (Arc::clone(&self.files), record.clone());
        let done = self.on_disk(move || files.write(&written, durable)).await;
        // What was seen or sent is so, whether or not the disk takes it: with a full one
        // nobody shall be told the same every few seconds.
        if done.is_ok() || !durable {
            self.records().insert(*miner, record.clone());
            self.count();
        }
        done?;
        Ok(record)
    }

    /// Makes room for one more.
    async fn make_room(&self, now_ms: u64) -> Result<(), DeskError> {
        let oldest = {
            let records = self.records();
            if records.len() < MAX_WATCHED {
                return Ok(());
            }
            let standing = self.standing();
            let work = |record: &Record| standing.get(&record.miner).copied();
            let free = records.values().filter(|record| may_go(record, now_ms));
            let oldest = free.min_by_key(|one| (work(one), one.read_ms, one.miner));
            oldest.map(|record| record.miner)
        };
        self.forget(oldest.ok_or(DeskError::Full)?).await
    }

    async fn forget(&self, miner: MinerId) -> Result<(), DeskError> {
        let files = Arc::clone(&self.files);
        self.on_disk(move || files.remove(&miner)).await?;
        self.records().remove(&miner);
        self.standing().remove(&miner);
        self.count();
        Ok(())
    }

    async fn on_disk(
        &self,
        work: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| Err(io::Error::other(error)))
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

/// Whether a record may be forgotten: nobody has it sent, and no wish that it remembers
/// could be played again.
fn may_go(record: &Record, now_ms: u64) -> bool {
    record.subscription.is_none() && record.signed_ms.saturating_add(2 * MAX_SKEW_MS) < now_ms
}

#[cfg(test)]
pub(super) mod tests;
