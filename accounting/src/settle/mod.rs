//! The settlement: from money that arrived to what each miner's quote is paid.
//!
//! Everything here is pure: no clock, no store, no random source, no task. [`decide`]
//! reads rows through [`Rows`] and gives the [`Changes`] to write in the same
//! transaction; [`Books`] are these rows in memory. The rules are those of the design's
//! "The way of a payout"; what it leaves open is settled in
//! docs/decisions/0003-settlement.md. What always holds:
//!
//! - per payout: its msat, with what gathered before it = fee + the miners' allocations;
//! - per miner: allocations so far = 1000 x sats paid to quotes + carry, carry < 1 sat;
//! - over all: received = fee + paid + carry + suspense + gathered;
//! - the same event again gives no changes. A payment, an operator's entry or command
//!   may come again at any later time; news (a block, an orphan, the API's earnings) are
//!   compared with what was told last.

#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

mod account;
mod allocate;
mod audit;
mod books;
mod decide;
mod difference;
mod event;
mod expect;
mod file_hash;
mod first_rules;
mod level;
mod note;
mod operator;
mod pay;
mod payment;
mod policy;
mod post;
mod posting;
mod publish;
mod rows;
mod select;
mod shares;
mod split;

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
pub(crate) mod fixtures;
#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod histories;
#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod props;
#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod testing;
#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests;

pub use account::{Block, Earnings, EpochAccount, MinerAccount, Stage};
pub use allocate::{Allocation, AllocationError, allocate, fee_floor, spread_over_shares_floor};
pub use audit::{AuditEpoch, AuditFile, AuditWork, Auditor, recompute};
pub use books::{BookRows, Books, Imbalance};
pub use decide::decide;
pub use difference::Difference;
pub use event::{Alarm, Changes, Effect, Event};
pub use file_hash::FileHash;
pub use note::Note;
pub use payment::{
    AllocationRow, PaidTo, Payment, Payout, PayoutKey, PayoutKeyError, PayoutState, Preimage,
    Settlement, Suspense, Via,
};
pub use policy::{Held, Policy};
pub use posting::{Account, Cause, OperatorEntry, OperatorKind, Posting, PostingError, Totals};
pub use publish::{Tallied, audit_file};
pub use rows::{Rows, SettleError};
pub use select::{Candidate, Found, NamedBy};
pub use shares::{QuotePart, spread_over_quotes_floor};
pub use split::{Part, Slice, SlicePay};
