//! The protection of signed requests against replay.

use accounting::MinerId;
use thiserror::Error;

/// The largest difference between a request's time and the pool's, in milliseconds.
pub const MAX_SKEW_MS: u64 = 10 * 60 * 1000;

/// The reasons for which a signed request is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignedError {
    /// Not a signature of this by that key.
    #[error("the signature is not valid for this request and the key {miner}")]
    Signature {
        /// The miner whose signature it should be.
        miner: MinerId,
    },
    /// Signed too long ago, or in the future.
    #[error(
        "signed at {time_ms}, the pool's time is {now_ms} (ms since 1970): more than ten minutes apart"
    )]
    Clock {
        /// The request's time.
        time_ms: u64,
        /// The pool's.
        now_ms: u64,
    },
    /// A later one was taken before.
    #[error("signed at {time_ms}, but a request signed at {last_ms} was taken already")]
    Replay {
        /// The request's time.
        time_ms: u64,
        /// The time of the last request that was taken.
        last_ms: u64,
    },
}

/// A request's time is the pool's, give or take [`MAX_SKEW_MS`]; both in milliseconds
/// since 1970.
///
/// # Errors
/// [`SignedError::Clock`].
pub fn check_clock(time_ms: u64, now_ms: u64) -> Result<(), SignedError> {
    if time_ms.abs_diff(now_ms) > MAX_SKEW_MS {
        return Err(SignedError::Clock { time_ms, now_ms });
    }
    Ok(())
}

/// A request has to be later than the last one taken of the same miner.
///
/// # Errors
/// [`SignedError::Replay`].
pub fn check_order(time_ms: u64, last_ms: Option<u64>) -> Result<(), SignedError> {
    match last_ms {
        Some(last_ms) if time_ms <= last_ms => Err(SignedError::Replay { time_ms, last_ms }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_taken_once() {
        assert_eq!(check_order(2, None), Ok(()));
        assert_eq!(check_order(2, Some(1)), Ok(()));
        for last_ms in [2, 3] {
            let replay = Err(SignedError::Replay {
                time_ms: 2,
                last_ms,
            });
            assert_eq!(check_order(2, Some(last_ms)), replay);
        }
    }
}
