//! Packing: rows that are looked at seldom go into blocks, some at a time.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::collections::BTreeMap;

use accounting::settle::MinerAccount;
use accounting::{EpochId, Tally};
use redb::{Database, ReadableTable, Table, WriteTransaction};

use crate::codec;
use crate::error::StoreError;
use crate::store::books_rows::read_miner_account;
use crate::store::caught;
use crate::store::checkpoint::begin;
use crate::store::packed::{Key, NO_EPOCH, Packed, blocks, place};
use crate::store::tables::{
    META, MINER_ACCOUNTS, PACKED_ACCOUNTS, PACKED_TALLIES, TALLIES, TALLY_KEY, meta,
    read_tally_key, tally_key,
};

/// At most so many blocks are written anew at once: four megabytes.
const BLOCKS_AT_ONCE: usize = 256;

/// How far packing has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum PackFrom {
    /// The tallies of closed epochs: they are the first of their table.
    #[default]
    Tallies,
    /// The accounts from this miner on.
    Accounts(Key),
}

/// What to do with a row of a block.
type Change<T> = Option<T>;

/// Packs the next rows, `room` at most, in a transaction of its own, and tells where to
/// go on; `None` when all is packed. It changes where rows are and nothing else, so it
/// may be cut off and done again at any time.
pub(crate) fn write_packing(
    database: &Database,
    from: PackFrom,
    room: usize,
) -> Result<Option<PackFrom>, StoreError> {
    caught(|| {
        let write = begin(database)?;
        let next = match from {
            PackFrom::Tallies => Some(pack_tallies(&write, room.max(1))?),
            PackFrom::Accounts(first) => pack_accounts(&write, first, room.max(1))?,
        };
        write.commit()?;
        Ok(next)
    })
}

/// Tallies of epochs that are closed are final: all of them are packed.
fn pack_tallies(write: &WriteTransaction, room: usize) -> Result<PackFrom, StoreError> {
    let open = {
        // As of the checkpoint: what was closed later may have tallies still in memory.
        let table = write.open_table(META)?;
        let row = table.get(meta::OPEN_EPOCH)?;
        let row = row.and_then(|row| row.value().try_into().ok());
        let number = row.map(u64::from_be_bytes);
        EpochId::new(number.ok_or(StoreError::Missing(meta::OPEN_EPOCH))?)
    };
    let end = tally_key(open, [0; 32]);
    let mut rows = write.open_table(TALLIES)?;
    let mut packed = write.open_table(PACKED_TALLIES)?;
    let mut epochs: BTreeMap<EpochId, BTreeMap<Key, Change<Tally>>> = BTreeMap::new();
    for row in rows.range::<&[u8; TALLY_KEY]>(..&end)?.take(room) {
        let (key, row) = row?;
        let (epoch, miner) = read_tally_key(key.value())?;
        let tally = codec::tally(row.value())?;
        let epoch = epochs.entry(epoch).or_default();
        epoch.insert(miner.x_only_bytes(), Some(tally));
    }
    if epochs.is_empty() {
        return Ok(PackFrom::Accounts([0; 32]));
    }
    let mut left = BLOCKS_AT_ONCE;
    for (epoch, mut changes) in epochs {
        for (key, _) in put_into_blocks(&mut packed, epoch, &mut changes, &mut left)? {
            rows.remove(&tally_key(epoch, key))?;
        }
    }
    Ok(PackFrom::Tallies)
}

/// Accounts that were never paid a satoshi are packed; those that were are looked at
/// with each payout.
fn pack_accounts(
    write: &WriteTransaction,
    first: Key,
    room: usize,
) -> Result<Option<PackFrom>, StoreError> {
    let mut rows = write.open_table(MINER_ACCOUNTS)?;
    let mut packed = write.open_table(PACKED_ACCOUNTS)?;
    let mut changes: BTreeMap<Key, Change<MinerAccount>> = BTreeMap::new();
    let mut next = None;
    for row in rows.range::<&Key>(&first..)? {
        let (key, row) = row?;
        if changes.len() >= room {
            next = Some(*key.value());
            break;
        }
        let account = read_miner_account(row.value())?;
        let is_small = account.paid.is_zero();
        changes.insert(*key.value(), is_small.then_some(account));
    }
    let mut left = BLOCKS_AT_ONCE;
    for (key, change) in put_into_blocks(&mut packed, NO_EPOCH, &mut changes, &mut left)? {
        if change.is_some() {
            rows.remove(&key)?;
        }
    }
    let next = changes.keys().next().copied().or(next);
    Ok(next.map(PackFrom::Accounts))
}

/// Puts rows into their blocks, or takes them out of them (`None`), until `left` blocks
/// were written. Gives what was done; what was not stays in `changes`.
fn put_into_blocks<T: Packed>(
    table: &mut Table<'_, &'static [u8; TALLY_KEY], &'static [u8]>,
    epoch: EpochId,
    changes: &mut BTreeMap<Key, Change<T>>,
    left: &mut usize,
) -> Result<BTreeMap<Key, Change<T>>, StoreError> {
    let mut done = BTreeMap::new();
    while let Some(first) = changes.keys().next().copied().filter(|_| *left > 0) {
        let mut place = place::<T>(table, epoch, first)?;
        let own = place.take(changes);
        let mut is_changed = false;
        for (key, change) in &own {
            is_changed |= match change {
                Some(row) => {
                    place.rows.insert(*key, *row);
                    true
                }
                None => place.rows.remove(key).is_some(),
            };
        }
        if is_changed {
            if let Some(stored) = place.stored {
                table.remove(&tally_key(epoch, stored))?;
            }
            for (key, block) in blocks(&place.rows) {
                table.insert(&tally_key(epoch, key), block.as_slice())?;
                *left = left.saturating_sub(1);
            }
        }
        done.extend(own);
    }
    Ok(done)
}
