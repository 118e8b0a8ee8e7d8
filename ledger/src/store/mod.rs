//! The store: one redb file, its tables, and the opening of a ledger.

mod books;
mod books_reads;
mod books_rows;
mod checkpoint;
mod copy;
mod length;
mod marks;
mod open;
mod open_file;
mod packed;
mod packing;
mod prepare;
mod prune;
mod restore;
mod snapshot;
mod tables;

pub(crate) use books::{Booking, write_booking};
pub(crate) use books_reads::BookTables;
pub(crate) use checkpoint::{Beside, write_checkpoint};
pub(crate) use copy::copy;
#[cfg(test)]
pub(crate) use length::SyncedLength;
pub(crate) use open::{JournalFile, Opened, identity, named_journal, open_store, open_whole};
pub use open_file::journal_path;
pub(crate) use open_file::{FileOpener, Opener};
pub(crate) use packing::{PackFrom, write_packing};
pub(crate) use prepare::QuoteParts;
pub use restore::{Restored, restore};
pub(crate) use restore::{examine, keep_unfit, write_note};
pub(crate) use snapshot::Snapshot;

use crate::error::StoreError;

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
