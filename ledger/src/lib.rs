//! The accounting of the pool.
//!
//! [`Ledger`] is the one durable store of who did how much work in which epoch. Shares
//! go in through a [`ShareSender`] and are answered when they are on disk; one writer
//! gives everything one order. [`Reader`] looks at it. What other rooms have to do
//! waits in the outbox. Money is booked by [`Ledger::settle`], by the rules of [`settle`].

#![deny(clippy::float_arithmetic)]

pub mod as_text;
mod books_reader;
mod codec;
mod entry;
mod epoch;
mod examine;
mod handle;
mod ids;
mod lineage;
mod marks;
mod metrics;
mod miner;
mod money;
mod odds;
mod ordered_quotes;
mod reader;
mod rows;
pub mod settle;
mod settler;
mod share;
mod state;
mod store;
mod suspects;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod work;
mod writer;

pub use codec::BadRow;
pub use epoch::{CloseCause, Epoch, EpochState, EpochTerms, EpochTotals, QuotePer, Split};
pub use examine::{AsLeft, ExamineError, Examiner, GoOn};
pub use handle::{Health, Ledger, LedgerClosed, LedgerOptions, SharePermit, ShareSender};
pub use ids::{EpochId, Incarnation, IncarnationError, OutboxId};
pub use lineage::Lineage;
pub use marks::CreditedHashes;
pub use miner::{MinerId, MinerKeyError, WorkerName};
pub use money::{MSAT_PER_SAT, Msat, Sat};
pub use odds::UpstreamOdds;
pub use ordered_quotes::OrderedQuote;
pub use reader::{LedgerError, Reader, RecentWork};
pub use rows::{BlockFound, Bucket, OutboxKind, OutboxRow, QuotedShare, Resolution, Tally, Worker};
pub use share::{Identity, SessionId, ShareAck, ShareId, ShareRecord, UpstreamResult};
pub use store::{OpenError, Restored, StoreError, restore};
pub use suspects::Suspect;
pub use work::Work;
