//! An audit file as a table, for spreadsheets: one line a miner, in the order of the keys.
//!
//! | column | what it is |
//! |---|---|
//! | `miner` | the public key, 66 hex digits |
//! | `work` | their work in all epochs that are listed, expected hashes |
//! | `upstream_accepted_work` | what the upstream took of it |
//! | `allocated_msat` | their part of this payment |
//! | `carry_before_msat` | what stood over from before |
//! | `paid_sat` | what went to their quote |
//! | `carry_after_msat` | what stands over now |
//! | `quote_epoch` | the epoch whose quote is paid, or would be; empty without a part |
//!
//! It has less than the JSON, from which alone the split is computed again.

use std::collections::BTreeMap;
use std::io::{self, Write};

use accounting::settle::{AllocationRow, AuditFile};
use accounting::{MinerId, Work};

/// Writes it to `out`.
pub(super) fn write(file: &AuditFile, out: &mut impl Write) -> io::Result<()> {
    let mut rows = BTreeMap::<MinerId, (Work, Work, Option<&AllocationRow>)>::new();
    for row in file.epochs.iter().flat_map(|epoch| &epoch.works) {
        let (work, accepted, _) = rows.entry(row.miner).or_default();
        *work = work.saturating_add(row.work);
        *accepted = accepted.saturating_add(row.upstream_accepted_work);
    }
    for row in &file.miners {
        rows.entry(row.miner).or_default().2 = Some(row);
    }
    writeln!(
        out,
        "miner,work,upstream_accepted_work,allocated_msat,carry_before_msat,paid_sat,carry_after_msat,quote_epoch"
    )?;
    for (miner, (work, accepted, row)) in rows {
        match row {
            Some(row) => writeln!(
                out,
                "{miner},{work},{accepted},{},{},{},{},{}",
                row.allocated, row.carry_before, row.paid, row.carry_after, row.quote_epoch
            )?,
            // Their part rounds to nothing: carry is as it was, and not told here.
            None => writeln!(out, "{miner},{work},{accepted},0,,0,,")?,
        }
    }
    Ok(())
}
