//! The hashes credited lately: a row for each checkpoint, with the time of its last share
//! and eight bytes of each hash. A checkpoint takes the shares out of the journal, so it
//! has to keep these.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use accounting::{CreditedHashes, HashMark};
use redb::{ReadableTable, WriteTransaction};

use crate::codec::{BadRow, Fields};
use crate::error::StoreError;
use crate::state::Checkpoint;
use crate::store::Snapshot;
use crate::store::tables::MARKS;

/// The time in front of a row.
const TIME_BYTES: usize = 8;

/// Adds a checkpoint's row, and takes out those that are too old or too many.
pub(super) fn put_marks(
    write: &WriteTransaction,
    checkpoint: &Checkpoint,
) -> Result<(), StoreError> {
    let mut table = write.open_table(MARKS)?;
    if !checkpoint.marks.is_empty() {
        let bytes = checkpoint.marks.len().saturating_mul(HashMark::BYTES);
        let mut row = Vec::with_capacity(bytes.saturating_add(TIME_BYTES));
        row.extend_from_slice(&checkpoint.now_ms.to_be_bytes());
        for mark in &checkpoint.marks {
            row.extend_from_slice(&mark.to_be_bytes());
        }
        table.insert(checkpoint.batch, row.as_slice())?;
    }
    let mut kept = 0_usize;
    let mut old = Vec::new();
    for row in table.iter()?.rev() {
        let (batch, row) = row?;
        let marks = row.value().len().saturating_sub(TIME_BYTES) / HashMark::BYTES;
        kept = kept.saturating_add(marks);
        // Also what lies as far ahead, from when a clock was wrong: it would stay until
        // that time has come.
        let time_ms = time_of(row.value())?;
        let is_old = checkpoint.now_ms.abs_diff(time_ms) > CreditedHashes::KEPT_MS;
        if is_old || kept > CreditedHashes::MAX_KEPT {
            old.push(batch.value());
        }
    }
    for batch in old {
        table.remove(batch)?;
    }
    Ok(())
}

fn time_of(row: &[u8]) -> Result<u64, BadRow> {
    Fields::of("credited hashes", row).u64()
}

impl Snapshot {
    /// The hashes credited lately, up to the checkpoint.
    pub(crate) fn marks(&self) -> Result<Vec<HashMark>, StoreError> {
        let table = self.read.open_table(MARKS)?;
        let mut marks = Vec::new();
        for row in table.iter()? {
            let (_, row) = row?;
            let mut fields = Fields::of("credited hashes", row.value());
            fields.u64()?;
            while !fields.is_empty() {
                marks.push(HashMark::from_u64(fields.u64()?));
            }
        }
        Ok(marks)
    }
}
