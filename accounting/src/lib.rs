//! The vocabulary and the rules of the books.
//!
//! Units, ids, miners' keys, shares, epochs with their terms, and [`settle`]: what an
//! event of money does to every account. Nothing here reads a clock, a socket or a file;
//! the room `ledger` keeps all of it on disk.

#![deny(clippy::float_arithmetic)]

// The ledger's tests compile some files of this room's tests, which name this crate.
#[cfg(test)]
extern crate self as accounting;

pub mod as_text;
mod epoch;
mod ids;
mod lineage;
mod marks;
mod miner;
mod miner_key;
mod money;
mod odds;
mod outbox;
mod rows;
pub mod schema;
pub mod settle;
mod share;
mod store_mark;
mod suspects;
mod terms;
mod work;

pub use epoch::{CloseCause, Epoch, EpochState, EpochTotals};
pub use ids::{EpochId, Incarnation, IncarnationError, OutboxId};
pub use lineage::Lineage;
pub use marks::{CreditedHashes, HashMark};
pub use miner::{MinerId, MinerKeyError, WorkerName};
pub use miner_key::{KeyPrefix, MinerKey, TypedKey};
pub use money::{MSAT_PER_SAT, Msat, Sat};
pub use odds::UpstreamOdds;
pub use outbox::{OrderedQuote, OutboxKind, OutboxRow};
pub use rows::{BlockFound, Bucket, QuotedShare, Resolution, Tally, Worker};
pub use share::{Identity, SessionId, ShareId, ShareRecord, UpstreamResult};
pub use store_mark::{StoreId, StoreMark};
pub use suspects::{Suspect, Suspects};
pub use terms::{EpochTerms, NoSuchChoice, QuotePer, Split};
pub use work::Work;
