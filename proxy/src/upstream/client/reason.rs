//! The reason of the upstream's refusal of a share, from a closed set: the pool's own
//! words go to the log, never into a metric's label.

/// A reject reason, from the error's code and, where pools use one code for several
/// things, from its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The job was replaced.
    Stale,
    /// The upstream does not know the job, any more or at all.
    JobNotFound,
    /// The hash was submitted before.
    Duplicate,
    /// The hash does not meet the upstream's target.
    LowDifficulty,
    /// The header's time is too early or too late.
    NtimeOutOfRange,
    /// Rolled bits outside of the mask.
    BadVersionBits,
    /// The extranonce2 has another size.
    BadExtranonce2Size,
    /// The username is refused.
    Unauthorized,
    /// Anything else, or nothing at all.
    Other,
}

impl Reason {
    /// All of them, for metrics.
    pub(crate) const ALL: [Reason; 9] = [
        Reason::Stale,
        Reason::JobNotFound,
        Reason::Duplicate,
        Reason::LowDifficulty,
        Reason::NtimeOutOfRange,
        Reason::BadVersionBits,
        Reason::BadExtranonce2Size,
        Reason::Unauthorized,
        Reason::Other,
    ];

    /// Reads the error of a reply. The codes are those of slush's first Stratum server
    /// (20 other, 21 job not found, 22 duplicate, 23 low difficulty, 24 unauthorized);
    /// DATUM says 20 for unknown work, 21 for stale work and a bad time, 23 for a high
    /// hash and bad version bits: so the words come first.
    pub(crate) fn of(code: Option<u64>, message: &str) -> Self {
        let message = message.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
        if says(&["version"]) {
            Reason::BadVersionBits
        } else if says(&[
            "ntime",
            "bad time",
            "time-too",
            "time out of range",
            "time too",
        ]) {
            Reason::NtimeOutOfRange
        } else if says(&["extranonce", "nonce2"]) {
            Reason::BadExtranonce2Size
        } else if says(&["duplicate"]) {
            Reason::Duplicate
        } else if says(&["stale", "expired"]) {
            Reason::Stale
        } else if says(&[
            "job not found",
            "unknown job",
            "unknown work",
            "invalid jobid",
            "no such job",
        ]) {
            Reason::JobNotFound
        } else if says(&[
            "low diff",
            "above target",
            "high hash",
            "high-hash",
            "difficulty too low",
        ]) {
            Reason::LowDifficulty
        } else if says(&["unauthorized", "not authorized", "not subscribed"]) {
            Reason::Unauthorized
        } else {
            Self::of_code(code)
        }
    }

    fn of_code(code: Option<u64>) -> Self {
        match code {
            Some(21) => Reason::JobNotFound,
            Some(22) => Reason::Duplicate,
            Some(23) => Reason::LowDifficulty,
            Some(24 | 25) => Reason::Unauthorized,
            _ => Reason::Other,
        }
    }

    /// The metric's label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Reason::Stale => "stale",
            Reason::JobNotFound => "job_not_found",
            Reason::Duplicate => "duplicate",
            Reason::LowDifficulty => "low_difficulty",
            Reason::NtimeOutOfRange => "ntime_out_of_range",
            Reason::BadVersionBits => "bad_version_bits",
            Reason::BadExtranonce2Size => "bad_extranonce2_size",
            Reason::Unauthorized => "unauthorized",
            Reason::Other => "other",
        }
    }

    /// True when it may mean that the job had grown too old for the upstream.
    pub(crate) fn says_too_old(self) -> bool {
        matches!(self, Reason::Stale | Reason::JobNotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;

    #[track_caller]
    fn case(code: u64, message: &str, reason: Reason) {
        assert_eq!(Reason::of(Some(code), message), reason);
    }

    #[test]
    fn reasons_of_the_pools_there_are() {
        case(20, "unknown work", Reason::JobNotFound);
        case(21, "Stale Work", Reason::Stale);
        case(21, "ntime out of range", Reason::NtimeOutOfRange);
        case(21, "Job not found", Reason::JobNotFound);
        case(21, "", Reason::JobNotFound);
        case(22, "Duplicate Share", Reason::Duplicate);
        case(23, "high-hash", Reason::LowDifficulty);
        case(23, "Above target", Reason::LowDifficulty);
        case(23, "bad version", Reason::BadVersionBits);
        case(23, "", Reason::LowDifficulty);
        case(24, "Unauthorized worker", Reason::Unauthorized);
        case(20, "Invalid extranonce2 size", Reason::BadExtranonce2Size);
        assert_eq!(Reason::of(None, "refused"), Reason::Other);
        case(0, "", Reason::Other);
    }
}
