//! The reason why a submission is no share: a value, not an error.

use std::fmt;

/// A reject reason. The codes are Stratum's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reject {
    /// No job of that name, or it is long gone.
    JobNotFound,
    /// The job was replaced, or its upstream is gone.
    Stale,
    /// The hash was credited before.
    Duplicate,
    /// The hash is above the assigned target.
    LowDifficulty,
    /// Too early for its job, or too far ahead.
    NtimeOutOfRange,
    /// The miner's part of extranonce2 is too short or too long.
    BadExtranonce2Size,
    /// Bits outside the mask.
    BadVersionBits,
    /// More shares of one job than can be remembered.
    JobFull,
    /// Not authorized yet.
    Unauthorized,
    /// Not subscribed yet.
    NotSubscribed,
}

impl Reject {
    /// All of them, for metrics.
    pub const ALL: [Reject; 10] = [
        Reject::JobNotFound,
        Reject::Stale,
        Reject::Duplicate,
        Reject::LowDifficulty,
        Reject::NtimeOutOfRange,
        Reject::BadExtranonce2Size,
        Reject::BadVersionBits,
        Reject::JobFull,
        Reject::Unauthorized,
        Reject::NotSubscribed,
    ];

    /// The error code of the reply.
    pub const fn code(self) -> u8 {
        match self {
            Reject::NtimeOutOfRange
            | Reject::BadExtranonce2Size
            | Reject::BadVersionBits
            | Reject::JobFull => 20,
            Reject::JobNotFound | Reject::Stale => 21,
            Reject::Duplicate => 22,
            Reject::LowDifficulty => 23,
            Reject::Unauthorized => 24,
            Reject::NotSubscribed => 25,
        }
    }

    /// The text of the reply. AxeOS looks it up letter by letter in its
    /// `share-rejection-explanations.json` (v2.15) and shows an explanation for a text
    /// that it finds there; all but [`Reject::JobFull`] are in that file.
    pub const fn text(self) -> &'static str {
        match self {
            Reject::JobNotFound => "Job not found",
            Reject::Stale => "Stale",
            Reject::Duplicate => "Duplicate share",
            Reject::LowDifficulty => "Difficulty too low",
            Reject::NtimeOutOfRange => "Ntime out of range",
            Reject::BadExtranonce2Size => "Invalid nonce2 length",
            Reject::BadVersionBits => "Invalid version mask",
            Reject::JobFull => "Too many shares of this job",
            Reject::Unauthorized => "Unauthorized worker",
            Reject::NotSubscribed => "Not subscribed",
        }
    }

    /// The name in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Reject::JobNotFound => "job_not_found",
            Reject::Stale => "stale",
            Reject::Duplicate => "duplicate",
            Reject::LowDifficulty => "low_difficulty",
            Reject::NtimeOutOfRange => "ntime_out_of_range",
            Reject::BadExtranonce2Size => "bad_extranonce2_size",
            Reject::BadVersionBits => "bad_version_bits",
            Reject::JobFull => "job_full",
            Reject::Unauthorized => "unauthorized",
            Reject::NotSubscribed => "not_subscribed",
        }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
