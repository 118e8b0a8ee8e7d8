//! Faults of a pool, on demand.

use std::num::NonZeroU64;
use std::time::Duration;

use super::Reject;

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

/// What is said to a good authorize.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthorizeAnswer {
    /// `true`, as the protocol has it.
    #[default]
    True,
    /// `null`, without an error.
    Null,
    /// The number 1.
    One,
    /// The text `"true"`.
    Text,
}

/// Faults that last until they are taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Nothing comes. What should have come meanwhile is lost.
    pub stall: Stall,
    /// Every n-th share that would have been accepted is rejected instead.
    pub reject_every: Option<NonZeroU64>,
    /// Every share that would have been accepted is rejected for this reason.
    pub reject_all: Option<Reject>,
    /// Answer authorize with an error.
    pub refuse_authorize: bool,
    /// What a good authorize is answered with.
    pub authorize_answer: AuthorizeAnswer,
    /// Close the connection at `mining.extranonce.subscribe`.
    pub hang_up_on_extranonce: bool,
    /// The clean_jobs of every job is false, also after a new block; the older jobs are
    /// discarded all the same.
    pub no_clean_flag: bool,
    /// Two more params stand before clean_jobs, as some pools have them.
    pub more_job_params: bool,
    /// Answers (not jobs) come so much later.
    pub answer_delay: Duration,
    /// Answers wait for others and go out in reverse order.
    pub answers_reversed: bool,
    /// Messages wait for others and go out in one segment.
    pub coalesce: bool,
    /// Every byte is a write of its own.
    pub byte_by_byte: bool,
}
