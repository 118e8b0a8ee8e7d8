//! Questions and orders about backups and about what a restore left to decide.

use std::path::{Path, PathBuf};

use ledger::Sat;
use mint::OldClaims;
use serde::{Deserialize, Serialize};

use crate::backup::{Manifest, Progress, RestoreRecord};

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

/// How a backup does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum BackupState {
    /// None was ordered since the start.
    Idle,
    /// Another one is being made.
    Busy,
    /// It is being made.
    Running(Progress),
    /// It is there.
    Done(BackupDone),
    /// It is not there, nor a part of it.
    Failed {
        /// Why.
        why: String,
    },
}

/// A backup that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupDone {
    /// Where.
    pub to: PathBuf,
    /// When it was begun, milliseconds since 1970.
    pub made_ms: u64,
    /// All its files together.
    pub bytes: u64,
    /// The mnemonics are in it.
    pub with_secrets: bool,
    /// What is never in one.
    pub left_out: Vec<String>,
}

impl BackupDone {
    pub(crate) fn of(manifest: &Manifest, to: &Path) -> BackupDone {
        let bytes = manifest.files.iter().map(|entry| entry.bytes);
        BackupDone {
            to: to.to_owned(),
            made_ms: manifest.made_ms,
            bytes: bytes.fold(0, u64::saturating_add),
            with_secrets: manifest.with_secrets,
            left_out: manifest.left_out.clone(),
        }
    }
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
