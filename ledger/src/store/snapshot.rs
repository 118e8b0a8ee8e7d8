//! One consistent view of the rows of the last checkpoint.

use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;

use accounting::{
    BlockFound, Epoch, EpochId, MinerId, OutboxId, OutboxRow, QuotedShare, Resolution, SessionId,
    Tally, Work, Worker,
};
use redb::{
    AccessGuard, Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable,
};

use crate::codec;
use crate::error::StoreError;
use crate::state::{Base, BucketKey, SessionRow};
use crate::store::books_rows;
use crate::store::packed::{self, merged};
use crate::store::tables::{
    BLOCKS, BUCKETS, DISSOLVED, EPOCHS, JOURNAL, META, OUTBOX, PACKED_TALLIES, QUOTED_SHARES,
    SESSIONS, TALLIES, TALLY_KEY, WORKERS, bucket_key, meta, quoted_key, quoted_place,
    read_bucket_key, read_quoted, read_tally_key, read_worker_key, tally_key,
};

/// A read transaction.
pub(crate) struct Snapshot {
    pub(super) read: ReadTransaction,
    /// The tables that a batch asks for, opened with the first row.
    base: Option<BaseTables>,
}

struct BaseTables {
    tallies: ReadOnlyTable<&'static [u8; TALLY_KEY], &'static [u8]>,
    packed: ReadOnlyTable<&'static [u8; TALLY_KEY], &'static [u8]>,
    workers: ReadOnlyTable<&'static [u8], &'static [u8]>,
    buckets: ReadOnlyTable<&'static [u8; 41], u128>,
    sessions: ReadOnlyTable<u64, (u64, u64)>,
}

type JournalRow = (
    AccessGuard<'static, u64>,
    AccessGuard<'static, &'static [u8]>,
);

impl Snapshot {
    pub(crate) fn begin(database: &Database) -> Result<Self, StoreError> {
        Ok(Snapshot {
            read: database.begin_read()?,
            base: None,
        })
    }

    /// What it reads.
    pub(crate) fn transaction(&self) -> &ReadTransaction {
        &self.read
    }

    pub(super) fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let row = self.read.open_table(META)?.get(name)?;
        Ok(row.map(|row| row.value().to_vec()))
    }

    pub(super) fn number(&self, name: &'static str) -> Result<u64, StoreError> {
        let bytes = self.meta(name)?.and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(u64::from_be_bytes)
            .ok_or(StoreError::Missing(name))
    }

    /// The last batch that is in the store, in its rows or in its journal.
    pub(crate) fn last_batch(&self) -> Result<u64, StoreError> {
        let journal = self.read.open_table(JOURNAL)?;
        let last = journal.last()?.map(|(number, _)| number.value());
        Ok(self.number(meta::BATCH)?.max(last.unwrap_or(0)))
    }

    pub(super) fn journal_after(
        &self,
        batch: u64,
    ) -> Result<impl Iterator<Item = Result<JournalRow, StoreError>> + use<>, StoreError> {
        let rows = self
            .read
            .open_table(JOURNAL)?
            .range(batch.saturating_add(1)..)?;
        Ok(rows.map(|row| row.map_err(StoreError::from)))
    }

    /// The newest epochs from `from` on, oldest first.
    pub(crate) fn epochs(&self, from: EpochId, newest: usize) -> Result<Vec<Epoch>, StoreError> {
        let table = self.read.open_table(EPOCHS)?;
        let rows = table.range(from.get()..)?.rev().take(newest);
        let mut epochs = rows
            .map(|row| json::<Epoch>("epochs", row?.1.value()))
            .collect::<Result<Vec<_>, _>>()?;
        epochs.reverse();
        Ok(epochs)
    }

    pub(crate) fn epoch(&self, id: EpochId) -> Result<Option<Epoch>, StoreError> {
        let row = self.read.open_table(EPOCHS)?.get(id.get())?;
        row.map(|row| json("epochs", row.value())).transpose()
    }

    /// Every tally of the epochs from `from` to `to`, both included.
    pub(crate) fn tallies(
        &self,
        from: EpochId,
        to: EpochId,
        mut each: impl FnMut(EpochId, MinerId, Tally),
    ) -> Result<(), StoreError> {
        let (first, last) = (tally_key(from, [0; 32]), tally_key(to, [0xff; 32]));
        for row in self.tally_rows(first, last)? {
            let (key, tally) = row?;
            let (epoch, miner) = read_tally_key(&key)?;
            each(epoch, miner, tally);
        }
        Ok(())
    }

    /// The tallies from one key to another, both included, packed or not.
    fn tally_rows(
        &self,
        first: [u8; TALLY_KEY],
        last: [u8; TALLY_KEY],
    ) -> Result<
        impl Iterator<Item = Result<([u8; TALLY_KEY], Tally), StoreError>> + use<>,
        StoreError,
    > {
        let table = self.read.open_table(TALLIES)?;
        let rows = table.range::<&[u8; TALLY_KEY]>(&first..=&last)?;
        let rows = rows.map(|row| {
            let (key, row) = row?;
            Ok((*key.value(), codec::tally(row.value())?))
        });
        let table = self.read.open_table(PACKED_TALLIES)?;
        Ok(merged(rows, packed::rows(&table, first, last)?))
    }

    /// The tallies of an epoch after `after`, in the order of the keys, until `each` has
    /// seen enough (false).
    pub(crate) fn tallies_after(
        &self,
        epoch: EpochId,
        after: Option<MinerId>,
        mut each: impl FnMut(MinerId, Tally) -> bool,
    ) -> Result<(), StoreError> {
        let first = tally_key(epoch, after.map_or([0; 32], |miner| miner.x_only_bytes()));
        let last = tally_key(epoch, [0xff; 32]);
        for row in self.tally_rows(first, last)? {
            let (key, tally) = row?;
            let (_, miner) = read_tally_key(&key)?;
            if Some(miner) != after && !each(miner, tally) {
                break;
            }
        }
        Ok(())
    }

    /// The epochs that dissolved, as of the checkpoint.
    pub(super) fn dissolved(&self) -> Result<HashSet<EpochId>, StoreError> {
        let table = self.read.open_table(DISSOLVED)?;
        let ids = table.iter()?.map(|row| Ok(EpochId::new(row?.0.value())));
        ids.collect()
    }

    /// The buckets of the given slots that are there.
    pub(crate) fn buckets(
        &mut self,
        who: Option<MinerId>,
        resolution: Resolution,
        slots: impl Iterator<Item = u64>,
    ) -> Result<Vec<(u64, Work)>, StoreError> {
        let table = &self.base()?.buckets;
        let mut buckets = Vec::new();
        for slot in slots {
            let key = bucket_key(&BucketKey {
                resolution,
                slot,
                who,
            });
            let row = table.get(&key)?;
            buckets.extend(row.map(|row| (slot, Work::from_hashes(row.value()))));
        }
        Ok(buckets)
    }

    /// The buckets of every miner in the given slots.
    pub(crate) fn work_in(
        &self,
        resolution: Resolution,
        slots: &RangeInclusive<u64>,
    ) -> Result<BTreeMap<(u64, MinerId), Work>, StoreError> {
        let key = |slot| {
            bucket_key(&BucketKey {
                resolution,
                slot,
                who: None,
            })
        };
        let first = key(*slots.start());
        let mut last = key(*slots.end());
        last[9..].fill(0xff);
        let table = self.read.open_table(BUCKETS)?;
        let mut found = BTreeMap::new();
        for row in table.range::<&[u8; 41]>(&first..=&last)? {
            let (key, work) = row?;
            if let (slot, Some(miner)) = read_bucket_key(key.value())? {
                found.insert((slot, miner), Work::from_hashes(work.value()));
            }
        }
        Ok(found)
    }

    /// A miner's shares with quotes of their own, by their place in the epoch.
    pub(crate) fn quoted(
        &self,
        epoch: EpochId,
        miner: MinerId,
    ) -> Result<BTreeMap<u32, QuotedShare>, StoreError> {
        let (first, last) = (
            quoted_key((epoch, miner, 0)),
            quoted_key((epoch, miner, u32::MAX)),
        );
        let table = self.read.open_table(QUOTED_SHARES)?;
        let rows = table.range::<&[u8; 44]>(&first..=&last)?;
        rows.map(|row| {
            let (key, row) = row?;
            Ok((quoted_place(key.value())?, read_quoted(row.value())?))
        })
        .collect()
    }

    /// The rows of the outbox after `after`, at most `limit`.
    pub(crate) fn outbox(
        &self,
        after: OutboxId,
        limit: usize,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let first = after.get().saturating_add(1);
        let rows = self.read.open_table(OUTBOX)?.range(first..)?.take(limit);
        rows.map(|row| {
            let (id, row) = row?;
            Ok(OutboxRow {
                id: OutboxId::new(id.value()),
                kind: books_rows::read_outbox_kind(row.value())?,
            })
        })
        .collect()
    }

    pub(crate) fn blocks(&self) -> Result<Vec<BlockFound>, StoreError> {
        let table = self.read.open_table(BLOCKS)?;
        table
            .iter()?
            .map(|row| json("blocks", row?.1.value()))
            .collect()
    }

    fn base(&mut self) -> Result<&BaseTables, StoreError> {
        let tables = match self.base.take() {
            Some(tables) => tables,
            None => BaseTables {
                tallies: self.read.open_table(TALLIES)?,
                packed: self.read.open_table(PACKED_TALLIES)?,
                workers: self.read.open_table(WORKERS)?,
                buckets: self.read.open_table(BUCKETS)?,
                sessions: self.read.open_table(SESSIONS)?,
            },
        };
        Ok(self.base.insert(tables))
    }
}

impl Base for Snapshot {
    type Error = StoreError;

    fn tally(&mut self, epoch: EpochId, miner: &MinerId) -> Result<Option<Tally>, StoreError> {
        let key = miner.x_only_bytes();
        let base = self.base()?;
        if let Some(row) = base.tallies.get(&tally_key(epoch, key))? {
            return Ok(Some(codec::tally(row.value())?));
        }
        let place = packed::place(&base.packed, epoch, key)?;
        Ok(place.rows.get(&key).copied())
    }

    fn workers(&mut self, miner: &MinerId) -> Result<Vec<Worker>, StoreError> {
        let first = miner.x_only_bytes();
        let mut workers = Vec::new();
        for row in self.base()?.workers.range(first.as_slice()..)? {
            let (key, row) = row?;
            let (whose, name) = read_worker_key(key.value())?;
            if whose != *miner {
                break;
            }
            workers.push(codec::worker(name, row.value())?);
        }
        Ok(workers)
    }

    fn bucket(&mut self, key: &BucketKey) -> Result<Work, StoreError> {
        let row = self.base()?.buckets.get(&bucket_key(key))?;
        Ok(row.map_or(Work::ZERO, |row| Work::from_hashes(row.value())))
    }

    fn session(&mut self, session: SessionId) -> Result<Option<SessionRow>, StoreError> {
        let row = self.base()?.sessions.get(session.to_u64())?;
        Ok(row.map(|row| {
            let (sequence, last_ms) = row.value();
            SessionRow {
                sequence,
                last_ms,
                dirty: false,
            }
        }))
    }
}

pub(super) fn json<T: serde::de::DeserializeOwned>(
    table: &'static str,
    row: &[u8],
) -> Result<T, StoreError> {
    serde_json::from_slice(row).map_err(|source| StoreError::Json { table, source })
}
