//! What can go wrong with a pool, on demand.

use std::num::NonZeroU64;
use std::time::Duration;

/// How much of the pool stands still while its connections stay open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stall {
    /// Nothing.
    #[default]
    Off,
    /// It answers, but gives no jobs.
    Jobs,
    /// It reads, and that is all.
    All,
}

/// Faults that last until they are taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Nothing comes. What should have come meanwhile is lost.
    pub stall: Stall,
    /// Every n-th share that would have been accepted is rejected instead.
    pub reject_every: Option<NonZeroU64>,
    /// Answer authorize with an error.
    pub refuse_authorize: bool,
    /// Answers (not jobs) come so much later.
    pub answer_delay: Duration,
    /// Answers wait for others and go out in reverse order.
    pub answers_reversed: bool,
    /// Messages wait for others and go out in one segment.
    pub coalesce: bool,
    /// Every byte is a write of its own.
    pub byte_by_byte: bool,
}
