//! Backup and restore: what a copy of the pool holds, in which order it is made, and
//! what a restored pool may do. The reasons are in
//! docs/decisions/0010-backup-and-restore.md.

mod desk;
mod files;
mod make;
mod manifest;
mod record;
mod restore;
pub(crate) mod series;
#[cfg(test)]
mod tests;

pub(crate) use desk::{Desk, Metrics};
pub(crate) use make::{Order, Sources, make};
pub(crate) use manifest::Manifest;
pub use record::{Accepted, Cause, RestoreRecord};
pub(crate) use record::{held, read_last, read_restore, write_accepted, write_restore};
pub(crate) use restore::{Outcome, restore};

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
