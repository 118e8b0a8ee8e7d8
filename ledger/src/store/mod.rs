//! The store: one redb file, its tables, and the opening of a ledger.

mod books;
mod books_reads;
mod books_rows;
mod checkpoint;
mod copy;
mod length;
mod marks;
mod open;
mod packed;
mod packing;
mod prepare;
mod prune;
mod restore;
mod snapshot;
mod tables;

pub(crate) use books::{Booking, write_booking};
pub(crate) use books_reads::BookTables;
pub(crate) use checkpoint::{write_checkpoint, write_journal};
pub(crate) use copy::copy;
#[cfg(test)]
pub(crate) use length::SyncedLength;
pub use open::OpenError;
pub(crate) use open::{FileOpener, Opener, identity, open_store};
pub(crate) use packing::{PackFrom, write_packing};
pub(crate) use prepare::QuoteParts;
pub use restore::{Restored, restore};
pub(crate) use restore::{examine, write_note};
pub(crate) use snapshot::Snapshot;

use thiserror::Error;

use crate::codec::BadRow;

/// The store did not do what it was asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The disk, or the file on it.
    #[error("{0}")]
    Database(Box<redb::Error>),
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

/// Runs something of redb's. It asserts where a file is not what it left, and a panic
/// must neither end the writer nor be taken for a success.
pub(crate) fn caught<T>(run: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        Err(StoreError::Panic(text.unwrap_or("no reason").to_owned()))
    })
}
