//! The accounting itself: entries in, sums out. No clock, no disk, no chance: the same
//! entries give the same sums, now and when the journal is replayed.
//!
//! The state holds whole rows over those of the last checkpoint (the [`Base`]): a row
//! is read from the base before it is first touched, so applying an entry cannot fail.
//! A reader that prefers our rows to the base's is right before, during and after a
//! checkpoint.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod apply;
mod base;
mod checkpoint;
mod miner;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use accounting::{
    BlockFound, Bucket, Epoch, EpochId, HashMark, MinerId, OutboxId, OutboxRow, QuotedShare,
    Resolution, SessionId, Tally, Work, Worker,
};
use bitcoin::BlockHash;
use hashbrown::HashMap;

pub(crate) use apply::Outcome;
pub(crate) use base::{Base, BucketKey, SessionRow};
pub(crate) use checkpoint::{Checkpoint, Prune, PruneFrom, Pruned};
use miner::{Buckets, MinerRows};

/// Past so many rows in memory the clean ones are let go after a checkpoint.
const KEPT_ROWS: usize = 40_000;

/// Epoch, miner, and the place among all shares of the epoch: a miner's are in the
/// order of the ledger.
pub(crate) type QuotedKey = (EpochId, MinerId, u32);

/// The open epoch and all rows that the base does not have yet.
#[derive(Debug)]
pub(crate) struct State {
    /// The number of the last batch applied.
    batch: u64,
    /// The number of the next outbox row.
    next_outbox: OutboxId,
    /// The time of the last share: the only clock there is in here.
    now_ms: u64,
    /// The ten minutes in which rows were pruned last.
    pruned_slot: u64,
    /// Where the pruning goes on, while it is not done.
    prune_from: Option<PruneFrom>,
    open: Epoch,
    /// Epochs closed since the checkpoint.
    closed: Vec<Epoch>,
    /// Which epoch each block closed, but for dissolved ones: some 700 a year.
    closed_by: HashMap<BlockHash, EpochId>,
    /// Epochs dissolved since the checkpoint: their blocks are not in `closed_by`.
    dissolved: Vec<EpochId>,
    miners: HashMap<MinerId, MinerRows>,
    /// Changed tallies of epochs that are not the miner's latest.
    older: BTreeMap<(EpochId, MinerId), Tally>,
    pool: Buckets,
    sessions: HashMap<SessionId, SessionRow>,
    /// New rows of the outbox, and `None` for those that are done.
    outbox: BTreeMap<OutboxId, Option<OutboxRow>>,
    blocks: Vec<BlockFound>,
    /// New shares with a quote of their own.
    quoted: BTreeMap<QuotedKey, QuotedShare>,
    /// The hashes credited since the checkpoint, in their order.
    marks: Vec<HashMark>,
    /// How many rows the base does not have yet; about, and never less.
    dirty: usize,
}

/// What is needed of the base to begin.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) batch: u64,
    pub(crate) next_outbox: OutboxId,
    pub(crate) now_ms: u64,
    pub(crate) open: Epoch,
    pub(crate) closed_by: HashMap<BlockHash, EpochId>,
}

impl State {
    /// The state at a checkpoint.
    pub(crate) fn new(start: Start) -> Self {
        State {
            batch: start.batch,
            next_outbox: start.next_outbox,
            now_ms: start.now_ms,
            pruned_slot: 0,
            prune_from: None,
            open: start.open,
            closed: Vec::new(),
            closed_by: start.closed_by,
            dissolved: Vec::new(),
            miners: HashMap::new(),
            older: BTreeMap::new(),
            pool: Buckets::default(),
            sessions: HashMap::new(),
            outbox: BTreeMap::new(),
            blocks: Vec::new(),
            quoted: BTreeMap::new(),
            marks: Vec::new(),
            dirty: 0,
        }
    }

    /// The number of the next row of the outbox.
    pub(crate) fn next_outbox(&self) -> OutboxId {
        self.next_outbox
    }

    /// The last batch that is in here.
    pub(crate) fn batch(&self) -> u64 {
        self.batch
    }

    /// How many rows a checkpoint would write, about.
    pub(crate) fn dirty(&self) -> usize {
        self.dirty
    }

    /// How many miners and sessions have rows in memory.
    #[cfg(test)]
    pub(crate) fn held(&self) -> (usize, usize) {
        (self.miners.len(), self.sessions.len())
    }

    /// The open epoch.
    pub(crate) fn open_epoch(&self) -> &Epoch {
        &self.open
    }

    /// The epochs that the base knows less of than we do, oldest first.
    pub(crate) fn epochs(&self) -> Vec<Epoch> {
        self.closed.iter().copied().chain([self.open]).collect()
    }

    /// An epoch, if we know more of it than the base does.
    pub(crate) fn epoch(&self, id: EpochId) -> Option<Epoch> {
        self.epochs().into_iter().find(|epoch| epoch.id == id)
    }

    /// The epoch that this block closed.
    pub(crate) fn closed_by(&self, block: &BlockHash) -> Option<EpochId> {
        self.closed_by.get(block).copied()
    }

    /// A miner's tally, if we hold it.
    pub(crate) fn tally(&self, epoch: EpochId, miner: &MinerId) -> Option<Tally> {
        let current = self.miners.get(miner).filter(|rows| rows.epoch == epoch);
        match current {
            Some(rows) => rows.tally,
            None => self.older.get(&(epoch, *miner)).copied(),
        }
    }

    /// The tallies that we hold, of the epochs that `wanted` names.
    pub(crate) fn tallies(
        &self,
        wanted: impl Fn(EpochId) -> bool,
    ) -> BTreeMap<(EpochId, MinerId), Tally> {
        let current = self.miners.iter().filter(|(_, rows)| wanted(rows.epoch));
        let current = current.filter_map(|(miner, rows)| Some(((rows.epoch, *miner), rows.tally?)));
        let older = self.older.iter().filter(|((epoch, _), _)| wanted(*epoch));
        older
            .map(|(key, tally)| (*key, *tally))
            .chain(current)
            .collect()
    }

    /// A miner's workers, if we hold them: then all of them.
    pub(crate) fn workers(&self, miner: &MinerId) -> Option<Vec<Worker>> {
        let rows = self.miners.get(miner)?;
        Some(rows.workers.iter().map(|row| row.worker.clone()).collect())
    }

    /// The buckets that we hold of a miner, or of the pool, by their slot.
    pub(crate) fn buckets(
        &self,
        who: Option<MinerId>,
        resolution: Resolution,
    ) -> BTreeMap<u64, Work> {
        let filling = match who {
            None => Some(&self.pool),
            Some(miner) => self.miners.get(&miner).map(|rows| &rows.buckets),
        };
        let filling = filling.into_iter().flat_map(Buckets::iter);
        let filling = filling.filter(|filling| filling.resolution == resolution);
        filling
            .map(|filling| (filling.slot, filling.work))
            .collect()
    }

    /// The work of the miners that we hold in some slots, by slot and miner.
    pub(crate) fn work_in(
        &self,
        resolution: Resolution,
        slots: &RangeInclusive<u64>,
    ) -> BTreeMap<(u64, MinerId), Work> {
        let filling = self.miners.iter().flat_map(|(miner, rows)| {
            let filling = rows.buckets.iter();
            filling.map(|filling| (*miner, *filling))
        });
        filling
            .filter(|(_, filling)| filling.resolution == resolution)
            .filter(|(_, filling)| slots.contains(&filling.slot))
            .map(|(miner, filling)| ((filling.slot, miner), filling.work))
            .collect()
    }

    /// Changes of the outbox after `after`: a row that is new, `None` for one that is
    /// done.
    pub(crate) fn outbox_after(&self, after: OutboxId) -> BTreeMap<OutboxId, Option<OutboxRow>> {
        let first = OutboxId::new(after.get().saturating_add(1));
        self.outbox
            .range(first..)
            .map(|(id, row)| (*id, *row))
            .collect()
    }

    /// The shares of a miner that have quotes of their own and that the base does not
    /// have, by their place in the epoch.
    pub(crate) fn quoted(&self, epoch: EpochId, miner: MinerId) -> BTreeMap<u32, QuotedShare> {
        self.quoted
            .range((epoch, miner, 0)..=(epoch, miner, u32::MAX))
            .map(|((_, _, place), share)| (*place, *share))
            .collect()
    }

    /// The hashes credited that the base does not have.
    pub(crate) fn marks(&self) -> &[HashMark] {
        &self.marks
    }

    /// The blocks found that the base does not have.
    pub(crate) fn blocks(&self) -> &[BlockFound] {
        &self.blocks
    }
}

/// The slot of a time.
pub(crate) fn slot(resolution: Resolution, time_ms: u64) -> u64 {
    // No span is zero.
    time_ms.checked_div(resolution.span_ms()).unwrap_or(0)
}

/// A bucket as the outside sees it.
pub(crate) fn bucket(resolution: Resolution, slot: u64, work: Work) -> Bucket {
    Bucket {
        start_ms: slot.saturating_mul(resolution.span_ms()),
        work,
    }
}
