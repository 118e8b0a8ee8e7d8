//! How a backup of the running pool does.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Manifest, Progress};

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
    /// The backup that `manifest` lists, made at `to`.
    pub fn of(manifest: &Manifest, to: &Path) -> BackupDone {
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
