//! The engine of the accounting: the one durable store of the books.
//!
//! [`Ledger`] is the one durable store of who did how much work in which epoch. Shares
//! go in through a [`ShareSender`] and are answered when they are on disk; one writer
//! gives everything one order. [`Reader`] looks at it. What other rooms have to do
//! waits in the outbox. Money is booked by [`Ledger::settle`], by the rules of [`settle`].
//! The vocabulary is the room `accounting`'s, and can be had from here as well.

#![deny(clippy::float_arithmetic)]

mod books_reader;
mod codec;
mod entry;
mod error;
mod examine;
mod handle;
mod health;
mod journal;
mod message;
mod metrics;
mod options;
mod ordered_quotes;
mod reader;
mod settler;
mod share_ack;
mod state;
mod store;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod writer;

pub use codec::BadRow;
pub use error::{LedgerClosed, LedgerError, OpenError, StoreError};
pub use examine::{AsLeft, ExamineError, Examiner, GoOn};
pub use handle::{Ledger, SharePermit, ShareSender};
pub use health::Health;
pub use journal::{JournalError, JournalUnfit};
pub use options::LedgerOptions;
pub use reader::{Reader, RecentWork};
pub use share_ack::ShareAck;
pub use store::{Restored, journal_path, restore};
