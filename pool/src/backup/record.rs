//! Records of a data directory: its last backup, and the restore that it came from.

use std::io;
use std::path::{Path, PathBuf};

use accounting::settle::Held;
use accounting::{EpochId, Incarnation, Lineage, Sat};
use basics::json_file;
use serde::{Deserialize, Serialize};

use crate::data_dir;

/// The last backup that was made of this data directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastBackup {
    /// When it was begun, milliseconds since 1970.
    pub(crate) made_ms: u64,
    /// Where it was put.
    pub(crate) to: PathBuf,
}

/// Why a pool goes on as a restored one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It was made from a backup by `axepool restore`.
    #[default]
    Backup,
    /// The mint's store was not there.
    MintLost,
    /// The mint's store was not the last one.
    MintOlder,
    /// The ledger was not there, and other stores were.
    LedgerLost,
    /// The ledger was not the last one.
    LedgerOlder,
    /// The ledger's journal was not there, or not the last one: shares are lost with it.
    JournalLost,
    /// Nothing tells how old the files are: they are copies, or the file of marks is gone.
    Copied,
}

impl Cause {
    /// What happened, for status, log and wallets.
    pub fn in_words(self) -> &'static str {
        match self {
            Cause::Backup => "the pool was restored from a backup",
            Cause::MintLost => "the mint's store was lost",
            Cause::MintOlder => "the mint's store is an older copy, or another one",
            Cause::LedgerLost => "the ledger was lost",
            Cause::LedgerOlder => "the ledger is an older copy, or another one",
            Cause::JournalLost => "the ledger's journal was lost, or is an older copy",
            Cause::Copied => {
                "the data directory is a copy, or its stores.marks is gone, and nothing tells how \
                 old it is"
            }
        }
    }

    /// Whether payments may be in nobody's books that were booked before: the ledger itself
    /// is not the last one.
    pub fn holds_payments(self) -> bool {
        !matches!(
            self,
            Cause::MintLost | Cause::MintOlder | Cause::JournalLost
        )
    }
}

/// The restore that this data directory came from, or what a start found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreRecord {
    /// When the backup was begun, milliseconds since 1970; when it was found out, where
    /// there was none.
    pub made_ms: u64,
    /// When it was restored, or found out.
    pub restored_ms: u64,
    /// The incarnation of the ledger that was backed up.
    pub before: Incarnation,
    /// The one that it has now.
    pub after: Incarnation,
    /// The first epoch whose quotes have new names.
    pub from: EpochId,
    /// Why.
    #[serde(default)]
    pub cause: Cause,
    /// What else was found, then or at a later start while the operator's word was waited for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Cause>,
    /// What the operator accepted of an earlier restore: its payments stay held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Accepted>,
    /// What the operator accepted; `None`: nothing yet.
    pub accepted: Option<Accepted>,
}

impl RestoreRecord {
    /// The same when `found` is found as well, which holds payments if either does; `None`
    /// when it is known.
    pub(crate) fn with(&self, found: Cause) -> Option<RestoreRecord> {
        if found == self.cause || self.also.contains(&found) {
            return None;
        }
        let mut record = self.clone();
        let is_graver = found.holds_payments() && !self.cause.holds_payments();
        record.also.push(match is_graver {
            true => std::mem::replace(&mut record.cause, found),
            false => found,
        });
        Some(record)
    }
}

/// The operator's word on what may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// When, milliseconds since 1970.
    pub at_ms: u64,
    /// The chain's height then. `None` where no payment is held, and for a pool without any
    /// chain source: what is found on-chain later is held until it has one, and accepting is
    /// done again.
    pub height: Option<u32>,
    /// The bound that was accepted; `None` for a pool whose mint is off.
    pub bound_sat: Option<Sat>,
    /// What of it stands for payouts after the backup.
    pub paid_since_sat: Sat,
}

/// The last backup; `None` when there is none.
pub fn read_last(data_dir: &Path) -> io::Result<Option<LastBackup>> {
    json_file::read(&data_dir::last_backup(data_dir))
}

pub(super) fn write_last(data_dir: &Path, last: &LastBackup) -> io::Result<()> {
    json_file::write(&data_dir::last_backup(data_dir), last)
}

/// The restore; `None` when there was none.
pub fn read_restore(data_dir: &Path) -> io::Result<Option<RestoreRecord>> {
    json_file::read(&data_dir::restored(data_dir))
}

/// Keeps what is known of the restore.
///
/// # Errors
/// The file cannot be written.
pub fn write_restore(data_dir: &Path, record: &RestoreRecord) -> io::Result<()> {
    json_file::write(&data_dir::restored(data_dir), record)
}

/// Keeps the operator's word.
pub fn write_accepted(
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
pub fn held(lineage: &Lineage, record: Option<&RestoreRecord>) -> Option<Held> {
    if !lineage.was_restored() {
        return None;
    }
    let ours = record.filter(|record| record.after == lineage.current());
    let until = |accepted: Accepted| Held {
        until_ms: accepted.at_ms,
        until_height: accepted.height.unwrap_or(u32::MAX),
    };
    match ours {
        // These books are whole.
        Some(record) if !record.cause.holds_payments() => record.earlier.map(until),
        ours => {
            let accepted = ours.and_then(|record| record.accepted);
            Some(accepted.map_or(Held::EVERYTHING, until))
        }
    }
}
