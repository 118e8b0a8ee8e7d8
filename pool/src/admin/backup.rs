//! Questions and orders about backups and about what a restore left to decide.

use std::path::PathBuf;

use accounting::Sat;
use mint::OldClaims;
use serde::{Deserialize, Serialize};

use crate::backup::RestoreRecord;
pub use crate::backup::{BackupDone, BackupState};

/// A question or an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case", deny_unknown_fields)]
pub enum BackupRequest {
    /// Make one.
    Start {
        /// The directory that becomes the backup, absolute.
        to: PathBuf,
        /// The config file in use, absolute.
        config: Option<PathBuf>,
        /// The mnemonics and the config file go along.
        with_secrets: bool,
    },
    /// How is it?
    Look,
}

/// A question or an order about a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case", deny_unknown_fields)]
pub enum RestoreRequest {
    /// What is there to decide?
    Look,
    /// Accept the bound.
    Accept {
        /// It, in satoshis, as a sign that it was read.
        bound: Sat,
        /// What the miners were paid by payouts after the backup.
        paid_since: Sat,
        /// The melts since that only the operator knows of.
        #[serde(default)]
        melted_since: Sat,
    },
}

/// How it stands with a restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreStatus {
    /// The restore.
    pub record: RestoreRecord,
    /// What may be claimed for what is from before; `None` when the mint is off, or not
    /// open yet.
    pub claims: Option<OldClaims>,
    /// The pool has a mint.
    pub has_mint: bool,
}
