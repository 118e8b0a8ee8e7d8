//! The rows of one miner, side by side: a share finds all it changes with one look-up.

use accounting::{EpochId, MinerId, Resolution, ShareRecord, Tally, Work, Worker, WorkerName};

use crate::state::base::{Base, BucketKey};
use crate::state::slot;

/// What a share of a miner changes.
#[derive(Debug)]
pub(super) struct MinerRows {
    /// The epoch of the tally.
    pub(super) epoch: EpochId,
    /// `None` before the first share in that epoch.
    pub(super) tally: Option<Tally>,
    pub(super) buckets: Buckets,
    /// All of them.
    pub(super) workers: Vec<WorkerRow>,
    /// The base does not have the tally as it is here.
    pub(super) dirty: bool,
}

#[derive(Debug)]
pub(super) struct WorkerRow {
    pub(super) worker: Worker,
    pub(super) dirty: bool,
}

/// The buckets that are being filled: one of each resolution, and for a while those
/// before them.
#[derive(Debug, Default)]
pub(super) struct Buckets(Vec<Filling>);

#[derive(Clone, Copy, Debug)]
pub(super) struct Filling {
    pub(super) resolution: Resolution,
    pub(super) slot: u64,
    pub(super) work: Work,
    pub(super) dirty: bool,
}

impl Filling {
    /// As a row of the store.
    pub(super) fn row(&self, who: Option<MinerId>) -> (BucketKey, Work) {
        (
            BucketKey {
                resolution: self.resolution,
                slot: self.slot,
                who,
            },
            self.work,
        )
    }
}

impl Buckets {
    /// Reads the buckets of a time.
    pub(super) fn prepare<B: Base>(
        &mut self,
        who: Option<MinerId>,
        time_ms: u64,
        base: &mut B,
    ) -> Result<(), B::Error> {
        for resolution in Resolution::ALL {
            let slot = slot(resolution, time_ms);
            if self.find(resolution, slot).is_none() {
                let work = base.bucket(&BucketKey {
                    resolution,
                    slot,
                    who,
                })?;
                // No more room than a key needs that comes once: such keys are free.
                if self.0.is_empty() {
                    self.0.reserve_exact(Resolution::ALL.len());
                }
                self.0.push(Filling {
                    resolution,
                    slot,
                    work,
                    dirty: false,
                });
            }
        }
        Ok(())
    }

    /// Adds to the buckets of a time, which are prepared.
    pub(super) fn add(&mut self, time_ms: u64, work: Work) {
        for resolution in Resolution::ALL {
            if let Some(filling) = self.find(resolution, slot(resolution, time_ms)) {
                filling.work = filling.work.saturating_add(work);
                filling.dirty = true;
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Filling> {
        self.0.iter()
    }

    /// After a checkpoint: the base has all of them, the latest two are kept.
    pub(super) fn keep_latest(&mut self) {
        self.0.iter_mut().for_each(|filling| filling.dirty = false);
        if let Some(first) = self.0.len().checked_sub(Resolution::ALL.len()) {
            self.0.drain(..first);
        }
    }

    /// The newest are at the end, and nearly always what is sought.
    fn find(&mut self, resolution: Resolution, slot: u64) -> Option<&mut Filling> {
        self.0
            .iter_mut()
            .rev()
            .find(|filling| filling.resolution == resolution && filling.slot == slot)
    }
}

impl MinerRows {
    pub(super) fn load<B: Base>(
        epoch: EpochId,
        miner: &MinerId,
        base: &mut B,
    ) -> Result<Self, B::Error> {
        let workers = base.workers(miner)?;
        Ok(MinerRows {
            epoch,
            tally: base.tally(epoch, miner)?,
            buckets: Buckets::default(),
            workers: workers
                .into_iter()
                .map(|worker| WorkerRow {
                    worker,
                    dirty: false,
                })
                .collect(),
            dirty: false,
        })
    }

    /// Credits the share's device. True when its row was clean before.
    pub(super) fn add_to_worker(&mut self, share: &ShareRecord) -> bool {
        let name = &share.who.worker;
        let folded = || {
            let full = self.named() >= Worker::MAX_NAMED;
            full.then(|| self.position(&WorkerName::clean(Worker::OTHERS)))
                .flatten()
        };
        let at = self.position(name).or_else(folded);
        let Some(row) = at.and_then(|at| self.workers.get_mut(at)) else {
            self.first_of_worker(share);
            return true;
        };
        row.worker.add(share);
        !std::mem::replace(&mut row.dirty, true)
    }

    fn first_of_worker(&mut self, share: &ShareRecord) {
        let full = self.named() >= Worker::MAX_NAMED;
        let name = if full {
            WorkerName::clean(Worker::OTHERS)
        } else {
            share.who.worker.clone()
        };
        let worker = Worker::first(name, share);
        if self.workers.is_empty() {
            self.workers.reserve_exact(1);
        }
        self.workers.push(WorkerRow {
            worker,
            dirty: true,
        });
    }

    fn position(&self, name: &WorkerName) -> Option<usize> {
        self.workers.iter().position(|row| row.worker.name == *name)
    }

    /// How many workers have rows of their own.
    fn named(&self) -> usize {
        self.workers
            .iter()
            .filter(|row| row.worker.name.as_str() != Worker::OTHERS)
            .count()
    }
}
