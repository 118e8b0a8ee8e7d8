//! Looking at the ledger. Every answer sees all shares that were answered `stored`,
//! whether or not a checkpoint has them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use accounting::{
    BlockFound, Bucket, CreditedHashes, Epoch, EpochId, Incarnation, Lineage, MinerId, OutboxId,
    OutboxRow, Resolution, Suspect, Suspects, Tally, Work, Worker,
};
use redb::Database;
use tokio::sync::watch;

use crate::error::{LedgerError, OpenError, StoreError};
use crate::state::{Base, State, bucket, slot};
use crate::store::{FileOpener, Opener, Snapshot, caught, copy, open_whole};

/// What miners did lately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentWork {
    /// Where the first of the buckets begins, milliseconds since 1970.
    pub since_ms: u64,
    /// Credited work since then, by miner.
    pub miners: BTreeMap<MinerId, Work>,
}

/// The ledger for reading. Cheap to clone. The calls look at the disk: where waiting
/// for one matters, make them from a blocking thread.
#[derive(Clone, Debug)]
pub struct Reader(pub(crate) Arc<Shared>);

/// What the writer and the readers share. Lock order: database, then state.
#[derive(Debug)]
pub(crate) struct Shared {
    /// `None` while it is reopened, and after the close.
    pub(crate) database: RwLock<Option<Database>>,
    /// Set before the last close.
    pub(crate) is_closed: AtomicBool,
    pub(crate) state: Mutex<State>,
    /// The number of the outbox's next row: told when rows are on disk.
    pub(crate) outbox_end: watch::Sender<OutboxId>,
    pub(crate) incarnation: Incarnation,
    pub(crate) lineage: Lineage,
    pub(crate) boot: u32,
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs with the database, if there is one now.
    pub(crate) fn with_database<T>(
        &self,
        run: impl FnOnce(&Database) -> Result<T, StoreError>,
    ) -> Result<T, LedgerError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref();
        let database = database.ok_or_else(|| match self.is_closed.load(Ordering::Relaxed) {
            true => LedgerError::Closed,
            false => LedgerError::Reopening,
        })?;
        Ok(caught(|| run(database))?)
    }
}

impl Reader {
    /// Opens a ledger that nobody has open, to look at it. While this lives nobody
    /// else can open it.
    ///
    /// # Errors
    /// [`OpenError::LockedByAnother`] when the pool runs: ask it instead.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        /// Enough for the inner pages of a big store.
        const CACHE_BYTES: usize = 16 << 20;
        let opener = FileOpener {
            path: path.to_owned(),
            cache_bytes: CACHE_BYTES,
        };
        let database = opener.open(false)?;
        let opened = open_whole(&database, &opener)?;
        Ok(Reader(Arc::new(Shared {
            database: RwLock::new(Some(database)),
            is_closed: AtomicBool::new(false),
            outbox_end: watch::Sender::new(opened.state.next_outbox()),
            state: Mutex::new(opened.state),
            incarnation: opened.incarnation,
            lineage: opened.lineage,
            boot: opened.boot,
        })))
    }

    /// Which ledger this is.
    pub fn incarnation(&self) -> Incarnation {
        self.0.incarnation
    }

    /// Which incarnation names the quotes of which epochs.
    pub fn lineage(&self) -> &Lineage {
        &self.0.lineage
    }

    /// The number of the last batch that it has: it only grows.
    pub fn sequence(&self) -> u64 {
        self.0.state().batch()
    }

    /// Copies the ledger as it is now into a new file at `path`, while the writer goes
    /// on: everything that was answered before is in it. `told` hears how many of how
    /// many rows are copied. A copy that failed leaves its file behind.
    ///
    /// # Errors
    /// The file is there or cannot be written, or the ledger cannot be read.
    pub fn copy_to(&self, path: &Path, mut told: impl FnMut(u64, u64)) -> Result<(), LedgerError> {
        let (over, snapshot) = self.view(State::whole_rows)?;
        // What is read holds the file; a writer that wants it anew goes first.
        let mut told = |done, all| {
            self.0
                .with_database(|_| Ok(()))
                .map_err(|_| StoreError::CopyGivenUp)?;
            told(done, all);
            Ok(())
        };
        Ok(caught(|| {
            copy(snapshot.transaction(), &over, path, &mut told)
        })?)
    }

    /// The open epoch as it stands now. Takes no disk.
    pub fn open_epoch(&self) -> Epoch {
        *self.0.state().open_epoch()
    }

    /// The newest epochs, at most `newest`, the newest first.
    pub fn epochs(&self, newest: usize) -> Result<Vec<Epoch>, LedgerError> {
        let (ours, snapshot) = self.view(State::epochs)?;
        let stored = snapshot.epochs(EpochId::FIRST, newest)?;
        let all = stored
            .into_iter()
            .chain(ours)
            .map(|epoch| (epoch.id, epoch));
        let all: BTreeMap<EpochId, Epoch> = all.collect();
        Ok(all.into_values().rev().take(newest).collect())
    }

    /// One epoch; `None` when there is none of this number.
    pub fn epoch(&self, id: EpochId) -> Result<Option<Epoch>, LedgerError> {
        let (ours, snapshot) = self.view(|state| state.epoch(id))?;
        if ours.is_some() {
            return Ok(ours);
        }
        Ok(snapshot.epoch(id)?)
    }

    /// Every miner's tally in an epoch, in the order of their keys.
    pub fn tallies(&self, epoch: EpochId) -> Result<BTreeMap<MinerId, Tally>, LedgerError> {
        Ok(self.tallies_and(epoch, |_| ())?.1)
    }

    /// The open epoch and every miner's tally in it, of one moment: its sums are theirs.
    pub fn open_tallies(&self) -> Result<(Epoch, BTreeMap<MinerId, Tally>), LedgerError> {
        loop {
            let open = self.open_epoch().id;
            let (epoch, tallies) = self.tallies_and(open, |state| *state.open_epoch())?;
            // It was closed between the two looks: the next one is asked for.
            if epoch.id == open {
                return Ok((epoch, tallies));
            }
        }
    }

    fn tallies_and<T>(
        &self,
        epoch: EpochId,
        pick: impl FnOnce(&State) -> T,
    ) -> Result<(T, BTreeMap<MinerId, Tally>), LedgerError> {
        let ((picked, ours), snapshot) =
            self.view(|state| (pick(state), state.tallies(|id| id == epoch)))?;
        let mut tallies = BTreeMap::new();
        snapshot.tallies(epoch, epoch, |_, miner, tally| {
            tallies.insert(miner, tally);
        })?;
        tallies.extend(ours.into_iter().map(|((_, miner), tally)| (miner, tally)));
        Ok((picked, tallies))
    }

    /// The miners after `after` whose tally in an epoch is `wanted`, in the order of
    /// their keys, at most `limit`.
    pub(crate) fn miners_by_tally(
        &self,
        epoch: EpochId,
        after: Option<MinerId>,
        limit: usize,
        wanted: impl Fn(&Tally) -> bool,
    ) -> Result<BTreeSet<MinerId>, LedgerError> {
        let (ours, snapshot) = self.view(|state| state.tallies(|id| id == epoch))?;
        let later = |miner: &MinerId| after.is_none_or(|after| *miner > after);
        let held = ours.iter().filter(|(_, tally)| wanted(tally));
        let held = held.map(|((_, miner), _)| *miner);
        let mut miners: BTreeSet<MinerId> = held.filter(later).collect();
        let mut found = 0_usize;
        snapshot.tallies_after(epoch, after, |miner, tally| {
            if wanted(&tally) && !ours.contains_key(&(epoch, miner)) {
                miners.insert(miner);
                found = found.saturating_add(1);
            }
            found < limit
        })?;
        Ok(miners.into_iter().take(limit).collect())
    }

    /// A miner's tally in an epoch; `None` without a share there.
    pub fn tally(&self, epoch: EpochId, miner: &MinerId) -> Result<Option<Tally>, LedgerError> {
        let (ours, mut snapshot) = self.view(|state| state.tally(epoch, miner))?;
        match ours {
            Some(tally) => Ok(Some(tally)),
            None => Ok(snapshot.tally(epoch, miner)?),
        }
    }

    /// A miner's tallies in the newest epochs, the newest first; epochs without a
    /// share of theirs are left out. Looks at `newest` epochs, not at all of them.
    pub fn tallies_of(
        &self,
        miner: &MinerId,
        newest: u64,
    ) -> Result<Vec<(EpochId, Tally)>, LedgerError> {
        let open = self.open_epoch().id.get();
        let first = open
            .saturating_sub(newest.saturating_sub(1))
            .max(EpochId::FIRST.get());
        let ids = (first..=open).rev().map(EpochId::new);
        let tallies = ids.filter_map(|id| Some((id, self.tally(id, miner).transpose()?)));
        tallies.map(|(id, tally)| Ok((id, tally?))).collect()
    }

    /// A miner's devices, over all epochs, by name. At most [`Worker::MAX_NAMED`] and
    /// [`Worker::OTHERS`].
    pub fn workers(&self, miner: &MinerId) -> Result<Vec<Worker>, LedgerError> {
        let (ours, mut snapshot) = self.view(|state| state.workers(miner))?;
        let mut workers = match ours {
            Some(workers) => workers,
            None => snapshot.workers(miner)?,
        };
        workers.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(workers)
    }

    /// The work of a miner, or with `None` of the pool, by time, oldest first, up to
    /// `now_ms`: 144 buckets of ten minutes or 168 of an hour, and the one that is
    /// being filled. A bucket without work is there and empty.
    pub fn buckets(
        &self,
        who: Option<MinerId>,
        resolution: Resolution,
        now_ms: u64,
    ) -> Result<Vec<Bucket>, LedgerError> {
        let (ours, mut snapshot) = self.view(|state| state.buckets(who, resolution))?;
        let last = slot(resolution, now_ms);
        let slots = last.saturating_sub(resolution.kept())..=last;
        let stored = snapshot.buckets(who, resolution, slots.clone())?;
        let known: BTreeMap<u64, Work> = stored.into_iter().chain(ours).collect();
        let work = |slot| known.get(&slot).copied().unwrap_or(Work::ZERO);
        Ok(slots
            .map(|slot| bucket(resolution, slot, work(slot)))
            .collect())
    }

    /// The work of every miner in the newest `newest` buckets, the one that is being
    /// filled among them, and where these begin. Reads those buckets alone, all miners'
    /// at once; who has no work in them is not there.
    pub fn recent_work(
        &self,
        resolution: Resolution,
        newest: u64,
        now_ms: u64,
    ) -> Result<RecentWork, LedgerError> {
        let last = slot(resolution, now_ms);
        let slots = last.saturating_sub(newest.saturating_sub(1))..=last;
        let (ours, snapshot) = self.view(|state| state.work_in(resolution, &slots))?;
        let mut known = snapshot.work_in(resolution, &slots)?;
        known.extend(ours);
        let mut miners: BTreeMap<MinerId, Work> = BTreeMap::new();
        // A share that was refused leaves an empty bucket in memory.
        for ((_, miner), work) in known.into_iter().filter(|(_, work)| !work.is_zero()) {
            let sum = miners.entry(miner).or_default();
            *sum = sum.saturating_add(work);
        }
        let since_ms = bucket(resolution, *slots.start(), Work::ZERO).start_ms;
        Ok(RecentWork { since_ms, miners })
    }

    /// The hashes that were credited lately, those of shares answered `stored` a moment
    /// ago among them.
    pub fn credited_lately(&self) -> Result<CreditedHashes, LedgerError> {
        let (ours, snapshot) = self.view(|state| state.marks().to_vec())?;
        let mut marks = snapshot.marks()?;
        marks.extend(ours);
        Ok(CreditedHashes::new(marks))
    }

    /// Every block found, by time.
    pub fn blocks_found(&self) -> Result<Vec<BlockFound>, LedgerError> {
        let (ours, snapshot) = self.view(|state| state.blocks().to_vec())?;
        let all = snapshot
            .blocks()?
            .into_iter()
            .chain(ours)
            .map(|block| (block.hash, block));
        let all: BTreeMap<_, _> = all.collect();
        let mut blocks: Vec<BlockFound> = all.into_values().collect();
        blocks.sort_by_key(|block| block.time_ms);
        Ok(blocks)
    }

    /// Who found fewer upstream-grade shares over the newest epochs than their work
    /// leads one to expect, the least likely to be bad luck first. Reads every tally
    /// of those epochs.
    pub fn suspects(&self, newest: u64) -> Result<Vec<Suspect>, LedgerError> {
        let (ours, snapshot) = self.view(|state| {
            let last = state.open_epoch().id;
            let first = last.get().saturating_sub(newest.saturating_sub(1));
            let first = EpochId::new(first.max(EpochId::FIRST.get()));
            (first, last, state.tallies(|id| id >= first))
        })?;
        let (first, last, ours) = ours;
        let mut sums = Suspects::default();
        snapshot.tallies(first, last, |epoch, miner, tally| {
            if !ours.contains_key(&(epoch, miner)) {
                sums.add(miner, &tally);
            }
        })?;
        ours.iter()
            .for_each(|((_, miner), tally)| sums.add(*miner, tally));
        Ok(sums.ranked())
    }

    /// What is still to be done elsewhere, in order: the rows after `after`, at most
    /// `limit`.
    pub fn outbox(&self, after: OutboxId, limit: usize) -> Result<Vec<OutboxRow>, LedgerError> {
        let (ours, snapshot) = self.view(|state| state.outbox_after(after))?;
        let done = ours.values().filter(|row| row.is_none()).count();
        // The store's rows that are done by now come off, so ask for as many more.
        let mut rows = BTreeMap::new();
        for row in snapshot.outbox(after, limit.saturating_add(done))? {
            rows.insert(row.id, Some(row));
        }
        rows.extend(ours);
        Ok(rows.into_values().flatten().take(limit).collect())
    }

    /// The number that the outbox's next row gets: it changes when there are new rows.
    pub fn outbox_end(&self) -> watch::Receiver<OutboxId> {
        self.0.outbox_end.subscribe()
    }

    /// What the state says, and a snapshot of the store that fits: the state's rows go
    /// before the store's.
    pub(crate) fn view<T>(
        &self,
        pick: impl FnOnce(&State) -> T,
    ) -> Result<(T, Snapshot), LedgerError> {
        self.0.with_database(|database| {
            let state = self.0.state();
            let snapshot = Snapshot::begin(database)?;
            Ok((pick(&state), snapshot))
        })
    }
}
