//! Backup and restore: the contents of a copy, the order in which its parts are made, and
//! the restrictions of a restored pool. The reasons are in
//! docs/decisions/0010-backup-and-restore.md.
//!
//! A backup is a directory with a manifest, made by the running process, or from the store
//! when nothing runs. With `--into` backups stand beside each other by time (`series.rs`).
//! The lightning node's channels are never in a backup; `payout/src/forgotten.rs` fetches
//! their money from the chain, and `own_coins.rs` the wallet's coins (`axepool node
//! recover`). The ledger's lineage says which incarnation names the quotes of which epochs;
//! the mint limits old ecash and quotes to one bound (`mint/src/store/old.rs`).
//!
//! A store that a newer program wrote is refused before anything of it is used: the ledger
//! by its schema, the mint's by cdk's migrations and by our records' number, other files by
//! their `version`.

mod desk;
mod files;
mod make;
mod manifest;
mod record;
mod restore;
pub mod series;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use desk::{Desk, Metrics};
pub use make::{Order, Sources, make};
pub(crate) use manifest::Manifest;
pub use record::{Accepted, Cause, RestoreRecord};
pub use record::{held, read_last, read_restore, write_accepted, write_restore};
pub use restore::{Outcome, restore};
pub use state::{BackupDone, BackupState};

/// How far a backup or a restore is.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Progress {
    /// What is done at the moment.
    pub step: String,
    /// How much of it, in rows.
    pub done: u64,
    /// Of how much; 0 where that is not counted.
    pub of: u64,
}

/// Is told how far it is.
pub(crate) type Told<'a> = &'a mut dyn FnMut(Progress);

fn step(told: Told<'_>, what: &str) {
    told(Progress {
        step: what.to_owned(),
        ..Progress::default()
    });
}
