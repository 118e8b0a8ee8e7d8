//! The rows that a checkpoint writes, and the state after it.

use std::collections::BTreeMap;

use accounting::{
    BlockFound, Epoch, EpochId, HashMark, MinerId, OutboxId, OutboxRow, QuotedShare, Resolution,
    SessionId, Tally, Work, Worker,
};

use crate::state::base::{BucketKey, SessionRow};
use crate::state::{KEPT_ROWS, QuotedKey, State, slot};

/// A session that was silent for so long (by the time of the shares) is forgotten: a
/// share of it delivered again only then would count twice. A proxy delivers again
/// within seconds.
const SESSION_KEPT_MS: u64 = 24 * 3600 * 1000;

/// The rows that the base does not have, as whole rows: writing one twice does no harm.
/// Each list is in the order of its keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checkpoint {
    /// Every batch up to this one is in it.
    pub(crate) batch: u64,
    pub(crate) next_outbox: OutboxId,
    pub(crate) now_ms: u64,
    pub(crate) epochs: Vec<Epoch>,
    pub(crate) tallies: BTreeMap<(EpochId, MinerId), Tally>,
    pub(crate) workers: Vec<(MinerId, Worker)>,
    pub(crate) buckets: BTreeMap<BucketKey, Work>,
    pub(crate) sessions: Vec<(SessionId, SessionRow)>,
    pub(crate) outbox: Vec<(OutboxId, Option<OutboxRow>)>,
    pub(crate) blocks: Vec<BlockFound>,
    pub(crate) quoted: BTreeMap<QuotedKey, QuotedShare>,
    pub(crate) dissolved: Vec<EpochId>,
    /// The hashes credited since the last one.
    pub(crate) marks: Vec<HashMark>,
    pub(crate) prune: Option<Prune>,
}

/// What is too old to keep, and where the forgetting of it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prune {
    /// By the time of the last share.
    now_ms: u64,
    pub(crate) from: PruneFrom,
}

/// How far the forgetting has come. A slice of it goes with each checkpoint, so that a
/// million keys of last month do not hold up the shares of today.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum PruneFrom {
    /// Old buckets: they are the first of their table.
    #[default]
    Buckets,
    /// Sessions from this one on.
    Sessions(u64),
    /// Workers from this key of their table on.
    Workers(Vec<u8>),
}

/// What a checkpoint forgot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pruned {
    /// So many rows.
    pub(crate) rows: usize,
    /// Where the next one goes on; none when all was looked at.
    pub(crate) next: Option<PruneFrom>,
}

impl Prune {
    /// The first slot that is kept.
    pub(crate) fn first_slot(&self, resolution: Resolution) -> u64 {
        slot(resolution, self.now_ms).saturating_sub(resolution.kept())
    }

    /// The first slot that lies ahead, from when a clock was wrong.
    pub(crate) fn end_slot(&self, resolution: Resolution) -> u64 {
        slot(resolution, self.now_ms).saturating_add(2)
    }

    /// Whether a session with its last share then can go.
    pub(crate) fn session(&self, last_ms: u64) -> bool {
        last_ms.saturating_add(SESSION_KEPT_MS) < self.now_ms
    }

    /// Whether a worker with its last share then can go.
    pub(crate) fn worker(&self, last_ms: u64) -> bool {
        last_ms.saturating_add(Worker::FORGOTTEN_AFTER_MS) < self.now_ms
    }
}

impl State {
    /// All rows that the base does not have, for a copy of it. Nothing is pruned from that.
    pub(crate) fn whole_rows(&self) -> Checkpoint {
        Checkpoint {
            prune: None,
            ..self.checkpoint()
        }
    }

    /// What is to be written. Pruning is part of it once per ten minutes of shares, and
    /// until it is done.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        let mut checkpoint = Checkpoint {
            batch: self.batch,
            next_outbox: self.next_outbox,
            now_ms: self.now_ms,
            epochs: self.epochs(),
            tallies: self.older.clone(),
            outbox: self.outbox.iter().map(|(id, row)| (*id, *row)).collect(),
            blocks: self.blocks.clone(),
            quoted: self.quoted.clone(),
            dissolved: self.dissolved.clone(),
            marks: self.marks.clone(),
            prune: self.prune(),
            ..Checkpoint::default()
        };
        let buckets = self.pool.iter().filter(|filling| filling.dirty);
        checkpoint
            .buckets
            .extend(buckets.map(|filling| filling.row(None)));
        for (miner, rows) in self.miners.iter().filter(|(_, rows)| rows.dirty) {
            checkpoint
                .tallies
                .extend(rows.tally.map(|tally| ((rows.epoch, *miner), tally)));
            let buckets = rows.buckets.iter().filter(|filling| filling.dirty);
            checkpoint
                .buckets
                .extend(buckets.map(|filling| filling.row(Some(*miner))));
            let workers = rows.workers.iter().filter(|row| row.dirty);
            checkpoint
                .workers
                .extend(workers.map(|row| (*miner, row.worker.clone())));
        }
        let sessions = self.sessions.iter().filter(|(_, row)| row.dirty);
        checkpoint.sessions = sessions.map(|(session, row)| (*session, *row)).collect();
        checkpoint
            .sessions
            .sort_unstable_by_key(|(session, _)| *session);
        checkpoint.workers.sort_unstable_by_key(|(miner, _)| *miner);
        checkpoint
    }

    /// The checkpoint is in the base, and `pruned` is not any more.
    pub(crate) fn checkpointed(&mut self, checkpoint: &Checkpoint, pruned: Pruned) {
        self.closed.clear();
        self.older.clear();
        self.outbox.clear();
        self.blocks.clear();
        self.quoted.clear();
        self.dissolved.clear();
        self.marks = Vec::new();
        self.dirty = 0;
        // With the pruned rows still in memory we would go on from other rows than a
        // replay does.
        if checkpoint.prune.is_some() {
            self.pruned_slot = slot(Resolution::TenMinutes, self.now_ms);
            self.prune_from = pruned.next;
        }
        let held = self.miners.len().saturating_add(self.sessions.len());
        if pruned.rows > 0 || held > KEPT_ROWS {
            self.miners = Default::default();
            self.sessions = Default::default();
            self.pool = Default::default();
            return;
        }
        self.pool.keep_latest();
        self.let_go_of_idle();
        for rows in self.miners.values_mut() {
            rows.dirty = false;
            rows.buckets.keep_latest();
            rows.workers.iter_mut().for_each(|row| row.dirty = false);
        }
        self.sessions.values_mut().for_each(|row| row.dirty = false);
    }

    /// Lets go of the rows of miners and sessions without a share in this ten minutes and
    /// the last: the base has them, and is asked should one come back. Keys are free, and
    /// most of those that come once never come again.
    fn let_go_of_idle(&mut self) {
        let first = slot(Resolution::TenMinutes, self.now_ms).saturating_sub(1);
        self.miners.retain(|_, rows| {
            let mut buckets = rows.buckets.iter();
            buckets.any(|filling| {
                filling.resolution == Resolution::TenMinutes && filling.slot >= first
            })
        });
        self.sessions
            .retain(|_, row| slot(Resolution::TenMinutes, row.last_ms) >= first);
        // The room of a rush is given back as well.
        let room = self.miners.len().saturating_mul(2);
        self.miners.shrink_to(room);
        let room = self.sessions.len().saturating_mul(2);
        self.sessions.shrink_to(room);
    }

    /// Whether the forgetting of old rows goes on with the next checkpoint.
    pub(crate) fn prunes_on(&self) -> bool {
        self.prune_from.is_some()
    }

    fn prune(&self) -> Option<Prune> {
        let due = slot(Resolution::TenMinutes, self.now_ms) != self.pruned_slot;
        let from = self.prune_from.clone();
        let from = from.or_else(|| due.then(PruneFrom::default))?;
        Some(Prune {
            now_ms: self.now_ms,
            from,
        })
    }
}
