//! What the bytes of a journal's file say. Pure.
//!
//! A record is written only when the one before it is synced. So what does not read and has
//! nothing behind it is a batch that was being written when the power went, and was answered
//! to nobody; what does not read and has a whole record of its generation behind it was
//! answered, and is damaged.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use crate::journal::format::{
    BLOCK, FIRST_RECORD, JournalId, Named, Record, mark_block, read_header, read_mark, read_record,
};
use crate::journal::{JournalError, JournalUnfit};

/// A journal as it was left.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scan<'a> {
    /// The records that the store does not have, by their number.
    pub(super) records: Vec<Record<'a>>,
    /// The block after them.
    pub(super) next: u64,
}

/// Reads a file of which the store knows `named` and has every batch up to `stored`.
///
/// # Errors
/// It is not the journal of this store as it is, or is damaged.
pub(super) fn scan<'a>(
    bytes: &'a [u8],
    named: &Named,
    stored: u64,
) -> Result<Scan<'a>, JournalError> {
    if read_header(bytes)? != named.id {
        return Err(JournalUnfit::OfAnother.into());
    }
    let file = File {
        bytes,
        id: named.id,
    };
    let newest = file.newest_mark()?;
    // A record is written after the mark of its generation is on disk. So it proves that the
    // file was as far, and the mark has rotted since.
    if newest < named.generation && !file.has_records_of(named.generation) {
        return Err(JournalUnfit::Older.into());
    }
    // One ahead is what a loss of power between the mark and the store's commit leaves.
    if newest > named.generation.saturating_add(1) {
        return Err(JournalUnfit::Newer.into());
    }
    if file.blocks() < named.blocks {
        return Err(JournalError::Damaged(format!(
            "it has {} blocks of {BLOCK} bytes, and had {}",
            file.blocks(),
            named.blocks
        )));
    }
    file.records(named.generation, stored)
}

/// Whether anything was ever written where records are, of whatever journal: one that was
/// made and never used may be replaced. No sums are made over what a stranger may have
/// written.
pub(super) fn holds_records(bytes: &[u8]) -> Result<bool, JournalError> {
    let id = read_header(bytes)?;
    let file = File { bytes, id };
    Ok(file.from(FIRST_RECORD).iter().any(|byte| *byte != 0))
}

struct File<'a> {
    bytes: &'a [u8],
    id: JournalId,
}

impl<'a> File<'a> {
    /// How many whole blocks there are.
    fn blocks(&self) -> u64 {
        (self.bytes.len() / BLOCK) as u64
    }

    /// All bytes from a block on.
    fn from(&self, block: u64) -> &'a [u8] {
        let start = usize::try_from(block).ok();
        let start = start.and_then(|block| block.checked_mul(BLOCK));
        start
            .and_then(|start| self.bytes.get(start..))
            .unwrap_or_default()
    }

    fn record(&self, block: u64, wanted: impl Fn(u64) -> bool) -> Option<Record<'a>> {
        read_record(self.from(block), self.id, wanted)
    }

    fn has_records_of(&self, generation: u64) -> bool {
        let mut blocks = FIRST_RECORD..self.blocks();
        blocks.any(|block| self.record(block, |found| found == generation).is_some())
    }

    fn newest_mark(&self) -> Result<u64, JournalError> {
        let marks = [0, 1].map(|generation| {
            let block = self.from(mark_block(generation));
            // A mark in the other's place is none.
            read_mark(block, self.id).filter(|found| mark_block(*found) == mark_block(generation))
        });
        let newest = marks.into_iter().flatten().max();
        newest.ok_or_else(|| JournalError::Damaged("neither of its marks can be read".to_owned()))
    }

    fn records(&self, generation: u64, stored: u64) -> Result<Scan<'a>, JournalError> {
        let mut records = Vec::new();
        let mut next = FIRST_RECORD;
        let mut expected = stored.saturating_add(1);
        while let Some(record) = self.record(next, |found| found == generation) {
            // Between them was a booking, which is in the store alone, and not in this one.
            if next == FIRST_RECORD && record.number > expected {
                return Err(JournalUnfit::Newer.into());
            }
            if record.number != expected {
                break;
            }
            next = next.saturating_add(record.blocks());
            expected = expected.saturating_add(1);
            records.push(record);
        }
        for block in next..self.blocks() {
            let Some(record) = self.record(block, |found| {
                // The marks allow one generation ahead, and one more where the newest has
                // rotted.
                (generation..=generation.saturating_add(2)).contains(&found)
            }) else {
                continue;
            };
            if record.generation > generation {
                return Err(JournalUnfit::Newer.into());
            }
            return Err(JournalError::Damaged(format!(
                "batch {expected} is not in block {next}, where it was written, and batch {} \
                 after it is in block {block}",
                record.number
            )));
        }
        Ok(Scan { records, next })
    }
}
