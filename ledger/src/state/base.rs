//! The rows of the last checkpoint, as the state asks for them.

use accounting::{EpochId, MinerId, Resolution, SessionId, Tally, Work, Worker};

/// A bucket's key, in the order in which the store keeps them: old ones first, so that
/// pruning cuts off a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BucketKey {
    pub(crate) resolution: Resolution,
    /// The time divided by the span.
    pub(crate) slot: u64,
    /// A miner, or the pool.
    pub(crate) who: Option<MinerId>,
}

/// What is known of a session, so that a share delivered twice counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SessionRow {
    /// The highest sequence applied.
    pub(crate) sequence: u64,
    /// The time of that share.
    pub(crate) last_ms: u64,
    /// The base does not have it yet.
    pub(crate) dirty: bool,
}

/// Rows by their keys. Taken `&mut` so that a store can open its tables when the first
/// row is asked for, which in most batches is never.
pub(crate) trait Base {
    type Error;

    fn tally(&mut self, epoch: EpochId, miner: &MinerId) -> Result<Option<Tally>, Self::Error>;
    fn workers(&mut self, miner: &MinerId) -> Result<Vec<Worker>, Self::Error>;
    fn bucket(&mut self, key: &BucketKey) -> Result<Work, Self::Error>;
    fn session(&mut self, session: SessionId) -> Result<Option<SessionRow>, Self::Error>;
}
