//! The errors of a ledger.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;

use accounting::settle::SettleError;
use thiserror::Error;

use crate::codec::BadRow;
use crate::examine::ExamineError;
use crate::journal::JournalError;

/// The ledger could not answer or obey.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// The disk fails, and the ledger keeps trying to write. Nothing was changed.
    #[error("the ledger cannot be written: {reason}")]
    Failing {
        /// What the disk says.
        reason: String,
    },
    /// The ledger is closed, or its thread is gone.
    #[error("the ledger is closed")]
    Closed,
    /// The disk failed, and the store is not open again yet.
    #[error("the ledger is being opened anew, since its disk failed")]
    Reopening,
    /// The rules of the books do not take the event. Nothing was changed.
    #[error(transparent)]
    Refused(Box<SettleError<Infallible>>),
    /// Epochs are opened and closed by [`Ledger::close_epoch`](crate::Ledger::close_epoch).
    #[error("the books learn from the ledger which epochs opened and closed")]
    ClosesItself,
    /// The store does not read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The ledger takes no more entries: it is closed, or its thread is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the ledger is closed")]
pub struct LedgerClosed;

/// Why there is no ledger.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has the store: the pool itself, when a command asks.
    #[error("another process has the ledger open: {}", .0.display())]
    LockedByAnother(PathBuf),
    /// A newer program wrote the store.
    #[error(
        "the ledger was written by a newer version of this program: its schema is {found}, \
         the newest known here is {supported}. Start the newer version again"
    )]
    NewerSchema {
        /// The store's.
        found: u64,
        /// The newest that this program knows.
        supported: u64,
    },
    /// There is no store to read.
    #[error("there is no ledger at {}", .0.display())]
    NoLedger(PathBuf),
    /// The file cannot be made or opened.
    #[error("cannot open {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file beside the ledger that has the shares since the last checkpoint.
    #[error("the ledger's journal {} {source}{}", path.display(), .source.what_to_do())]
    Journal {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: JournalError,
    },
    /// The file is there and cannot be read or written as a ledger.
    #[error("the ledger cannot be read: {0}")]
    Store(#[from] StoreError),
    /// The closes that the books do not have yet cannot be booked.
    #[error("the books cannot catch up with the closed epochs: {0}")]
    Books(Box<LedgerError>),
    /// A fee above all of it.
    #[error("a fee of {given} basis points is above {limit}, that is 100 %")]
    Fee {
        /// What was given.
        given: u16,
        /// [`EpochTerms::MAX_FEE_BPS`](accounting::EpochTerms::MAX_FEE_BPS).
        limit: u16,
    },
    /// The ledger has been started 2^32 times.
    #[error("the ledger has been started {0} times, which is its limit")]
    TooManyBoots(u32),
    /// Its metrics are in the registry already.
    #[error("cannot register the ledger's metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// Whoever compares it with other stores cannot say how it goes on.
    #[error("the stores cannot be compared: {0}")]
    Examined(ExamineError),
    /// The writer's thread cannot be started.
    #[error("cannot start the ledger's thread: {0}")]
    Thread(io::Error),
}

impl OpenError {
    pub(crate) fn journal(path: PathBuf, source: JournalError) -> Self {
        OpenError::Journal { path, source }
    }
}

/// The store did not do what it was asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The disk, or the file on it.
    #[error("{0}")]
    Database(Box<redb::Error>),
    /// The journal beside it.
    #[error("the journal {0}")]
    Journal(#[from] JournalError),
    /// A row of the file does not read back.
    #[error(transparent)]
    Row(#[from] BadRow),
    /// A JSON row of the file does not read back.
    #[error("a row of {table} cannot be decoded: {source}")]
    Json {
        /// The table.
        table: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A row that every ledger has is not there.
    #[error("the store has no {0}")]
    Missing(&'static str),
    /// A table that this program does not know, and so cannot copy.
    #[error("the store has an unknown table {0:?}")]
    UnknownTable(String),
    /// A copy was given up, to let the writer open the file anew.
    #[error("the disk failed while the store was copied")]
    CopyGivenUp,
    /// Books were decided over rows that are not the last ones any more.
    #[error("the books changed while an event was decided")]
    Stale,
    /// The database panicked, which it does for files that were cut or overwritten.
    #[error("the database failed: {0}")]
    Panic(String),
}

macro_rules! from_redb {
    ($($error:ty),*) => {$(
        impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                StoreError::Database(Box::new(error.into()))
            }
        }
    )*};
}

from_redb!(
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::DatabaseError,
    redb::SetDurabilityError
);
