//! The journal (write-ahead log): a file beside the store that each batch is appended to,
//! so that one small write and one sync make its shares durable. The store itself is
//! written at checkpoints, which make all that is in the journal old.
//!
//! The file is made of blocks of [`format::BLOCK`] bytes. A record begins at a block and
//! fills its last one with zeros, so no block that holds an answered share is ever written
//! again while the share is in the journal alone. A checkpoint does not shorten the file:
//! the store's row of the checkpoint names the next generation, whose records begin at the
//! front again, over the old ones. A record knows its generation, its number and whose it
//! is, so old bytes are never read as new ones.
//!
//! [`format`] and [`scan`] are pure; [`Journal`] is the shell over the file. See
//! docs/decisions/0030-the-journal-is-a-file.md.

mod file;
mod format;
mod scan;
#[cfg(test)]
mod tests;

pub(crate) use file::{Journal, Read, read};
pub(crate) use format::{JournalId, Named, made};

use std::io;

/// A journal that is whole and does not belong to its ledger as the ledger is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalUnfit {
    /// The ledger has one, and there is none.
    #[error("is missing")]
    Missing,
    /// It is of another ledger, or of one that is gone.
    #[error("belongs to another ledger")]
    OfAnother,
    /// The ledger has had checkpoints since that the journal does not know of.
    #[error("is an older copy than the ledger")]
    Older,
    /// It knows of checkpoints that the ledger does not have.
    #[error("is newer than the ledger, which is an older copy")]
    Newer,
}

impl JournalUnfit {
    const ALL: [JournalUnfit; 4] = [
        JournalUnfit::Missing,
        JournalUnfit::OfAnother,
        JournalUnfit::Older,
        JournalUnfit::Newer,
    ];

    /// As the store keeps it.
    pub(crate) fn code(self) -> u64 {
        match self {
            JournalUnfit::Missing => 1,
            JournalUnfit::OfAnother => 2,
            JournalUnfit::Older => 3,
            JournalUnfit::Newer => 4,
        }
    }

    /// Whether the ledger may lack bookings by it, and not shares alone.
    fn is_of_ledger(self) -> bool {
        matches!(self, JournalUnfit::OfAnother | JournalUnfit::Newer)
    }

    /// Which of two findings is told: that of an earlier start, which ended before it could
    /// be decided, goes before what it left, if that does not mean more.
    pub(crate) fn graver(earlier: Option<Self>, now: Self) -> Self {
        match earlier {
            Some(earlier) if earlier.is_of_ledger() || !now.is_of_ledger() => earlier,
            _ => now,
        }
    }

    pub(crate) fn of_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|unfit| unfit.code() == code)
    }
}

/// Why a journal cannot be read. It is left as it is.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It does not belong to this ledger.
    #[error(transparent)]
    Unfit(#[from] JournalUnfit),
    /// A part of it is not what was written.
    #[error("is damaged: {0}")]
    Damaged(String),
    /// A newer program wrote it.
    #[error(
        "was written by a newer version of this program: its format is {found}, the newest known \
         here is {supported}. Start the newer version again"
    )]
    NewerFormat {
        /// The file's.
        found: u32,
        /// The newest that this program knows.
        supported: u32,
    },
    /// The disk does not give or take it.
    #[error("cannot be read or written: {0}")]
    Io(#[from] io::Error),
}

impl JournalError {
    /// For who reads the error.
    pub(crate) fn what_to_do(&self) -> &'static str {
        match self {
            JournalError::Unfit(_) => {
                ". Put the file back that belongs to the ledger. If there is none, start the \
                 pool: it goes on as after a restore, without the shares of the last minutes"
            }
            JournalError::Damaged(_) => {
                ". If there is a whole copy, put it back. If there is none, move the file away \
                 and start the pool: it goes on as after a restore, without the shares of the \
                 last minutes"
            }
            JournalError::NewerFormat { .. } | JournalError::Io(_) => "",
        }
    }
}
