//! What a data directory remembers: its last backup, and the restore that it came from.

use std::io;
use std::path::{Path, PathBuf};

use ledger::settle::Held;
use ledger::{EpochId, Incarnation, Lineage, Sat};
use serde::{Deserialize, Serialize};

use crate::{data_dir, json_file};

/// The last backup that was made of this data directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastBackup {
    /// When it was begun, milliseconds since 1970.
    pub(crate) made_ms: u64,
    /// Where it was put.
    pub(crate) to: PathBuf,
}

/// The restore that this data directory came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreRecord {
    /// When the backup was begun, milliseconds since 1970.
    pub made_ms: u64,
    /// When it was restored.
    pub restored_ms: u64,
    /// The incarnation of the ledger that was backed up.
    pub before: Incarnation,
    /// The one that it has now.
    pub after: Incarnation,
    /// The first epoch whose quotes have new names.
    pub from: EpochId,
    /// What the operator accepted; `None`: nothing yet.
    pub accepted: Option<Accepted>,
}

/// The operator's word on what may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// When, milliseconds since 1970.
    pub at_ms: u64,
    /// The chain's height then; `None` when no chain is watched.
    pub height: Option<u32>,
    /// The bound that was accepted; `None` for a pool whose mint is off.
    pub bound_sat: Option<Sat>,
    /// What of it stands for payouts after the backup.
    pub paid_since_sat: Sat,
}

/// The last backup; `None` when there is none.
pub(crate) fn read_last(data_dir: &Path) -> io::Result<Option<LastBackup>> {
    json_file::read(&data_dir::last_backup(data_dir))
}

pub(super) fn write_last(data_dir: &Path, last: &LastBackup) -> io::Result<()> {
    json_file::write(&data_dir::last_backup(data_dir), last)
}

/// The restore; `None` when there was none.
pub(crate) fn read_restore(data_dir: &Path) -> io::Result<Option<RestoreRecord>> {
    json_file::read(&data_dir::restored(data_dir))
}

pub(super) fn write_restore(data_dir: &Path, record: &RestoreRecord) -> io::Result<()> {
    json_file::write(&data_dir::restored(data_dir), record)
}

/// Keeps the operator's word.
pub(crate) fn write_accepted(
    data_dir: &Path,
    record: &RestoreRecord,
    accepted: Accepted,
) -> io::Result<RestoreRecord> {
    let record = RestoreRecord {
        accepted: Some(accepted),
        ..record.clone()
    };
    write_restore(data_dir, &record)?;
    Ok(record)
}

/// Which payments the ledger of `lineage` holds in suspense: after a restore all of them,
/// until the operator accepts, and those of before for ever.
pub(crate) fn held(lineage: &Lineage, record: Option<&RestoreRecord>) -> Option<Held> {
    if !lineage.was_restored() {
        return None;
    }
    let ours = record.filter(|record| record.after == lineage.current());
    let accepted = ours.and_then(|record| record.accepted);
    Some(accepted.map_or(Held::EVERYTHING, |accepted| Held {
        until_ms: accepted.at_ms,
        until_height: accepted.height.unwrap_or(u32::MAX),
    }))
}
