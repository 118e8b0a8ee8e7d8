//! Packed rows (compaction): rows that are read seldom, many to a block, in the order of
//! the keys.
//!
//! A table of rows overrides the table of its blocks: if both have a key, the row counts.
//! So a row may come back at any time, and packing changes no answer. See
//! docs/decisions/0009-packed-rows.md.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound;

use accounting::settle::MinerAccount;
use accounting::{EpochId, Msat, Sat, Tally, UpstreamOdds, Work};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use redb::{ReadOnlyTable, ReadableTable};

use crate::codec::{BadRow, Fields, put_number};
use crate::error::StoreError;
use crate::store::tables::{TALLY_KEY, tally_key};

/// The epoch that no epoch is: blocks of rows that belong to none.
pub(super) const NO_EPOCH: EpochId = EpochId::new(0);

/// A miner's x coordinate.
pub(super) type Key = [u8; 32];

/// A block with its key in the tree, in four pages.
const BLOCK_BYTES: usize = 4 * 4096 - 128;

/// More than a row can have.
const ROW_BYTES: usize = 256;

/// What can be packed.
pub(super) trait Packed: Copy {
    /// Appends all of it but its key.
    fn put(&self, block: &mut Vec<u8>);

    /// Reads what [`Packed::put`] wrote.
    fn read(fields: &mut Fields<'_>) -> Result<Self, BadRow>;
}

impl Packed for Tally {
    fn put(&self, block: &mut Vec<u8>) {
        put_number(block, self.work.hashes());
        put_number(block, self.shares.into());
        // A low hash ends in zeros.
        let best = self.best.as_byte_array();
        let len = best.iter().rposition(|byte| *byte != 0);
        let len = len.map_or(0, |at| at.saturating_add(1));
        block.push(u8::try_from(len).unwrap_or(u8::MAX));
        block.extend(best.iter().take(len));
        put_number(block, self.upstream_expected.to_raw());
        put_number(block, self.upstream_found.into());
        put_number(block, self.upstream_accepted_work.hashes());
        block.push(u8::from(self.quote_requested));
        put_number(block, self.first_ms.into());
        put_number(block, self.last_ms.wrapping_sub(self.first_ms).into());
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, BadRow> {
        let work = Work::from_hashes(fields.number()?);
        let shares = fields.small_number()?;
        let mut best = [0; 32];
        let len = usize::from(fields.u8()?);
        let bytes = fields.bytes(len)?;
        let place = best.get_mut(..len).ok_or(fields.bad())?;
        place.copy_from_slice(bytes);
        let upstream_expected = UpstreamOdds::from_raw(fields.number()?);
        let upstream_found = fields.small_number()?;
        let upstream_accepted_work = Work::from_hashes(fields.number()?);
        let quote_requested = fields.u8()? != 0;
        let first_ms = fields.small_number()?;
        Ok(Tally {
            work,
            shares,
            best: BlockHash::from_byte_array(best),
            upstream_expected,
            upstream_found,
            upstream_accepted_work,
            quote_requested,
            first_ms,
            last_ms: first_ms.wrapping_add(fields.small_number()?),
        })
    }
}

impl Packed for MinerAccount {
    fn put(&self, block: &mut Vec<u8>) {
        put_number(block, self.allocated.get().into());
        put_number(block, self.paid.get().into());
        put_number(block, self.carry.get().into());
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, BadRow> {
        Ok(MinerAccount {
            allocated: Msat::new(fields.small_number()?),
            paid: Sat::new(fields.small_number()?),
            carry: Msat::new(fields.small_number()?),
        })
    }
}

/// The rows of a block.
pub(super) fn read_block<T: Packed>(
    block: &[u8],
) -> impl Iterator<Item = Result<(Key, T), BadRow>> {
    let mut fields = Fields::of("a packed block", block);
    std::iter::from_fn(move || {
        (!fields.is_empty()).then(|| Ok((fields.array()?, T::read(&mut fields)?)))
    })
}

/// Blocks of about the same size for some rows, each with its first key.
pub(super) fn blocks<T: Packed>(rows: &BTreeMap<Key, T>) -> Vec<(Key, Vec<u8>)> {
    let written = rows.iter().map(|(key, row)| {
        let mut bytes = key.to_vec();
        row.put(&mut bytes);
        (*key, bytes)
    });
    let written: Vec<(Key, Vec<u8>)> = written.collect();
    let total: usize = written.iter().map(|(_, bytes)| bytes.len()).sum();
    let count = total.div_ceil(BLOCK_BYTES.saturating_sub(ROW_BYTES));
    let mut blocks: Vec<(Key, Vec<u8>)> = Vec::with_capacity(count);
    let mut begins: usize = 0;
    for (key, bytes) in written {
        // Each has its part of the whole, and of a row that begins in it all.
        let part = begins.saturating_mul(count).checked_div(total).unwrap_or(0);
        begins = begins.saturating_add(bytes.len());
        match blocks.get_mut(part) {
            Some((_, block)) => block.extend(bytes),
            None => blocks.push((key, bytes)),
        }
    }
    blocks
}

/// The block that has a key, or would have it.
pub(super) struct Place<T> {
    /// The first key that belongs there.
    first: Key,
    /// The first key that belongs to the next one; none in the last.
    end: Option<Key>,
    /// The key that it is stored under, if there is such a block.
    pub(super) stored: Option<Key>,
    pub(super) rows: BTreeMap<Key, T>,
}

impl<T> Place<T> {
    /// Whether this is the place of a key.
    pub(super) fn is_of(&self, key: &Key) -> bool {
        *key >= self.first && self.end.is_none_or(|end| *key < end)
    }

    /// Takes what belongs here off the front of a list.
    pub(super) fn take<V>(&self, list: &mut BTreeMap<Key, V>) -> BTreeMap<Key, V> {
        let rest = self.end.map(|end| list.split_off(&end));
        std::mem::replace(list, rest.unwrap_or_default())
    }
}

/// Finds the place of a key.
pub(super) fn place<T: Packed>(
    table: &impl ReadableTable<&'static [u8; TALLY_KEY], &'static [u8]>,
    epoch: EpochId,
    key: Key,
) -> Result<Place<T>, StoreError> {
    let (zero, last) = (tally_key(epoch, [0; 32]), tally_key(epoch, [0xff; 32]));
    let wanted = tally_key(epoch, key);
    let mut before = table.range::<&[u8; TALLY_KEY]>(&zero..=&wanted)?;
    let before = before.next_back().transpose()?;
    let is_first = before.is_none();
    let block = match before {
        // What comes before the first block goes into it.
        None => table.range::<&[u8; TALLY_KEY]>(&zero..=&last)?.next(),
        block => block.map(Ok),
    };
    let mut place = Place {
        first: [0; 32],
        end: None,
        stored: None,
        rows: BTreeMap::new(),
    };
    let Some((stored, block)) = block.transpose()? else {
        return Ok(place);
    };
    let stored = stored.value();
    let after = (Bound::Excluded(stored), Bound::Included(&last));
    let next = table.range::<&[u8; TALLY_KEY]>(after)?.next().transpose()?;
    place.end = next.map(|(key, _)| miner_of(key.value()));
    place.stored = Some(miner_of(stored));
    if !is_first {
        place.first = miner_of(stored);
    }
    for row in read_block(block.value()) {
        let (key, row) = row?;
        place.rows.insert(key, row);
    }
    Ok(place)
}

/// The packed rows from one key to another, both included, in their order.
pub(super) fn rows<T: Packed>(
    table: &ReadOnlyTable<&'static [u8; TALLY_KEY], &'static [u8]>,
    from: [u8; TALLY_KEY],
    to: [u8; TALLY_KEY],
) -> Result<impl Iterator<Item = Result<([u8; TALLY_KEY], T), StoreError>> + use<T>, StoreError> {
    // The block that `from` is in begins at or before it.
    let mut before = table.range::<&[u8; TALLY_KEY]>(..=&from)?;
    let start = before.next_back().transpose()?;
    let start = start.map_or(from, |(key, _)| *key.value());
    let blocks = table.range::<&[u8; TALLY_KEY]>(&start..=&to)?;
    let rows = blocks.flat_map(|block| {
        let read = block.map_err(StoreError::from).and_then(|(key, block)| {
            let epoch = epoch_of(key.value())?;
            let rows = read_block::<T>(block.value());
            let rows = rows.map(|row| row.map(|(miner, row)| (tally_key(epoch, miner), row)));
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        });
        let (rows, error) = match read {
            Ok(rows) => (rows, None),
            Err(error) => (Vec::new(), Some(Err(error))),
        };
        rows.into_iter().map(Ok).chain(error)
    });
    Ok(rows.filter(move |row| match row {
        Ok((key, _)) => (from..=to).contains(key),
        Err(_) => true,
    }))
}

/// Two lists in the order of their keys as one; where both have a key, the row of the
/// first.
pub(super) fn merged<K: Ord, T, E>(
    rows: impl Iterator<Item = Result<(K, T), E>>,
    packed: impl Iterator<Item = Result<(K, T), E>>,
) -> impl Iterator<Item = Result<(K, T), E>> {
    let (mut rows, mut packed) = (rows.peekable(), packed.peekable());
    std::iter::from_fn(move || {
        let order = match (rows.peek(), packed.peek()) {
            (Some(Ok((row, _))), Some(Ok((other, _)))) => row.cmp(other),
            (None, _) | (_, Some(Err(_))) => Ordering::Greater,
            (_, None) | (Some(Err(_)), _) => Ordering::Less,
        };
        match order {
            Ordering::Less => rows.next(),
            Ordering::Greater => packed.next(),
            Ordering::Equal => {
                packed.next();
                rows.next()
            }
        }
    })
}

fn miner_of(key: &[u8; TALLY_KEY]) -> Key {
    let mut miner = [0; 32];
    miner.copy_from_slice(&key[8..]);
    miner
}

fn epoch_of(key: &[u8; TALLY_KEY]) -> Result<EpochId, BadRow> {
    Ok(EpochId::new(Fields::of("a block's key", key).u64()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tally() -> impl Strategy<Value = Tally> {
        let hash = (any::<[u8; 32]>(), 0..=32_usize).prop_map(|(mut hash, zeros)| {
            hash[32 - zeros..].fill(0);
            BlockHash::from_byte_array(hash)
        });
        let numbers = (any::<[u128; 3]>(), any::<[u64; 4]>(), 0..128_u32);
        (hash, numbers, any::<bool>()).prop_map(|(best, (wide, small, shift), flag)| Tally {
            work: Work::from_hashes(wide[0] >> shift),
            shares: small[0] >> (shift % 64),
            best,
            upstream_expected: UpstreamOdds::from_raw(wide[1] >> shift),
            upstream_found: small[1] >> (shift % 64),
            upstream_accepted_work: Work::from_hashes(wide[2] >> shift),
            quote_requested: flag,
            first_ms: small[2],
            last_ms: small[3],
        })
    }

    fn account() -> impl Strategy<Value = MinerAccount> {
        any::<[u64; 3]>().prop_map(|[allocated, paid, carry]| MinerAccount {
            allocated: Msat::new(allocated),
            paid: Sat::new(paid),
            carry: Msat::new(carry),
        })
    }

    fn reads_back<T: Packed + PartialEq + std::fmt::Debug>(rows: BTreeMap<Key, T>) {
        let blocks = blocks(&rows);
        let mut read = BTreeMap::new();
        for (first, block) in &blocks {
            assert!(block.len() <= BLOCK_BYTES);
            let own: Vec<(Key, T)> = read_block(block).map(|row| row.expect("reads")).collect();
            assert_eq!(own.first().map(|(key, _)| key), Some(first));
            read.extend(own);
        }
        assert_eq!(read, rows);
        // None is a small rest of the others.
        let least = blocks.iter().map(|(_, block)| block.len()).min();
        assert!(blocks.len() < 2 || least > Some(BLOCK_BYTES / 4));
    }

    proptest! {
        #[test]
        fn blocks_read_back(
            tallies in proptest::collection::btree_map(any::<Key>(), tally(), 0..400),
            accounts in proptest::collection::btree_map(any::<Key>(), account(), 0..900),
        ) {
            reads_back(tallies);
            reads_back(accounts);
        }

        #[test]
        fn no_bytes_panic(block in proptest::collection::vec(any::<u8>(), 0..300)) {
            // After an error a reader stops; here it must only come to an end.
            let _ = read_block::<Tally>(&block).take(400).count();
            let _ = read_block::<MinerAccount>(&block).take(400).count();
        }

        #[test]
        fn two_lists_are_one(
            rows in proptest::collection::btree_map(0..40_u8, Just('r'), 0..30),
            packed in proptest::collection::btree_map(0..40_u8, Just('p'), 0..30),
        ) {
            let list = |map: &BTreeMap<u8, char>| {
                map.clone().into_iter().map(Ok::<_, ()>).collect::<Vec<_>>().into_iter()
            };
            let mut both = packed.clone();
            both.extend(rows.clone());
            let merged: Result<Vec<_>, ()> = merged(list(&rows), list(&packed)).collect();
            prop_assert_eq!(merged, Ok(both.into_iter().collect::<Vec<_>>()));
        }
    }
}
