//! Why something about notices cannot be done.

use std::io;

use accounting::MinerId;
use ledger::LedgerError;
use signed::SignedError;
use thiserror::Error;

use super::wishes::MAX_PER_TARGET;
use crate::target::TargetError;

/// Why something about notices cannot be done.
#[derive(Debug, Error)]
pub enum DeskError {
    /// The wish is not signed by that key for this pool, not of now, or not later than the
    /// last one taken.
    #[error(transparent)]
    Signed(#[from] SignedError),
    /// The place that the wish names.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A key without work.
    #[error("this pool counted no share of the key {0} yet")]
    Unknown(MinerId),
    /// No room for another miner.
    #[error(
        "this pool already has its maximum of subscribed miners, and all of them have more work here"
    )]
    Full,
    /// The last wish was taken a moment ago.
    #[error("the last request of this key was accepted a moment ago: try again in {} s", wait_ms.div_ceil(1000))]
    Soon {
        /// The key's next wish is taken then, in milliseconds.
        wait_ms: u64,
    },
    /// As many other keys as may have their notices sent there.
    #[error("{MAX_PER_TARGET} other keys already use this target: that is the limit")]
    Shared,
    /// The pool has no key that a wish could be signed for.
    #[error("this pool takes no signed requests now")]
    NoKey,
    /// The ledger.
    #[error("the books cannot be read now: try again later")]
    Ledger(#[from] LedgerError),
    /// The disk.
    #[error("the request cannot be stored now: try again later")]
    Disk(#[from] io::Error),
}
