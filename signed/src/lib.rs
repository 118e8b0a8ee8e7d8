//! What the pool and the miners sign for each other: the signed bytes, and the checks.
//!
//! - A [`Receipt`] is the pool's: so much work of a miner is counted so far.
//! - A [`Wish`] is a miner's: where notices are to be sent.
//! - [`message`] is what a miner signs for a request to the mint, by its [`Purpose`].
//! - [`check_clock`] and [`check_order`] hold for every request that a miner signs, those to
//!   the mint too.
//!
//! Both sides use the same code: the pool, and the owner's machine. It knows the units of the
//! accounting and nothing else of the pool.

mod order;
mod receipt;
mod request;
mod tag;
mod wish;

pub use order::{Purpose, message};
pub use receipt::{Claim, Receipt, ReceiptKey};
pub use request::{MAX_SKEW_MS, SignedError, check_clock, check_order};
pub use tag::tagged;
pub use wish::{Channel, Target, Wish, digest};
