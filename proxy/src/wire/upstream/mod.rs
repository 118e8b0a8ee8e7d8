//! The other side of the wire: messages from a pool, and our requests to it. We are one
//! miner there.
#![cfg_attr(
    not(test),
    deny(
        clippy::float_arithmetic,
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing
    )
)]

mod message;
mod notify;
mod reply;
pub mod request;

pub use message::{PoolMessage, Reconnect, UpstreamWireError, parse};
pub use notify::Notify;
pub use reply::{ConfigureResult, PoolError, Reply, Subscribed};

/// The most merkle branches: 2^32 transactions, and ESP-Miner's limit.
pub const MAX_MERKLE_BRANCHES: usize = 32;
/// The most bytes of both coinbase halves together; the largest seen are 6.5 KB.
pub const MAX_COINBASE_BYTES: usize = 64 * 1024;
/// The most bytes of an upstream's job id.
pub const MAX_JOB_ID_BYTES: usize = 128;
/// The most bytes of an upstream's extranonce1: with our prefix it must fit
/// [`MAX_EXTRANONCE_BYTES`](crate::extranonce::MAX_EXTRANONCE_BYTES).
pub const MAX_EXTRANONCE1_BYTES: usize = 16;
/// The longest line that a pool may send: a `mining.notify` of the greatest sizes above.
pub const MAX_LINE_BYTES: usize = 160 * 1024;

#[cfg(test)]
mod tests;
