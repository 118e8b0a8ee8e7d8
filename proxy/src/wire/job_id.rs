//! The names that we give to jobs downstream.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

/// The id of a downstream job: the upstream job's sequence in hex, and for a re-notify
/// `r` and its number, so that a difficulty can be pushed without a new upstream job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId {
    /// [`UpstreamJob::sequence`](crate::job::UpstreamJob::sequence).
    pub sequence: u64,
    /// Counts the re-notifies of one session for that job; `None` is the shared notify.
    pub renotify: Option<NonZeroU16>,
}

impl JobId {
    /// The id that every session shares for an upstream job.
    pub const fn shared(sequence: u64) -> Self {
        JobId {
            sequence,
            renotify: None,
        }
    }

    /// The id of a session's own re-notify `number`.
    pub const fn renotify(sequence: u64, number: NonZeroU16) -> Self {
        JobId {
            sequence,
            renotify: Some(number),
        }
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.sequence)?;
        match self.renotify {
            Some(number) => write!(f, "r{:x}", number.get()),
            None => Ok(()),
        }
    }
}

/// A text that is no name of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a job id of this pool")]
pub struct NotAJobId;

/// Reads exactly what [`fmt::Display`] writes: a job has one name.
impl FromStr for JobId {
    type Err = NotAJobId;

    fn from_str(text: &str) -> Result<Self, NotAJobId> {
        let number = |digits: &str| {
            let canonical = digits
                .bytes()
                .all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
                && (digits.len() == 1 || !digits.starts_with('0'));
            if canonical {
                u64::from_str_radix(digits, 16).map_err(|_| NotAJobId)
            } else {
                Err(NotAJobId)
            }
        };
        let Some((sequence, renotify)) = text.split_once('r') else {
            return Ok(JobId::shared(number(text)?));
        };
        let renotify = u16::try_from(number(renotify)?)
            .ok()
            .and_then(NonZeroU16::new)
            .ok_or(NotAJobId)?;
        Ok(JobId::renotify(number(sequence)?, renotify))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn no_name_of_ours(text: &str) {
        assert_eq!(text.parse::<JobId>(), Err(NotAJobId), "{text:?}");
    }

    #[test]
    fn a_job_has_one_name() {
        for text in [
            "",
            "r",
            "r1",
            "1r",
            "01",
            "A",
            "+1",
            "1r0",
            "1r01",
            "1r10000",
            "1r1r1",
            "1R1",
            "10000000000000000",
            "1 ",
        ] {
            no_name_of_ours(text);
        }
        assert_eq!("0".parse(), Ok(JobId::shared(0)));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(sequence: u64, renotify: u16) {
            let id = JobId { sequence, renotify: NonZeroU16::new(renotify) };
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn what_is_read_is_written_the_same(text in "[0-9a-f]{1,3}(r[0-9a-f]{0,5})?") {
            if let Ok(id) = text.parse::<JobId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
