//! The reaction to a failed `accept`. Pure.

use std::io::{Error, ErrorKind};
use std::time::Duration;

/// The first wait for want of descriptors or memory; doubled up to the longest.
const WAIT_MIN: Duration = Duration::from_millis(50);
const WAIT_MAX: Duration = Duration::from_secs(1);

/// The failures of one listener.
#[derive(Debug, Default)]
pub(crate) struct AcceptTrouble {
    /// How long the last wait was; `None` while connections are taken.
    waited: Option<Duration>,
}

/// What a failure calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// The one connection is lost, the next may be well.
    GoOn,
    /// The system has nothing left: make room, and wait, lest the loop eats a core.
    MakeRoom {
        /// How long to wait.
        wait: Duration,
        /// The first in a row: worth a line in the log.
        is_first: bool,
    },
}

impl AcceptTrouble {
    /// A connection was taken.
    pub(crate) fn over(&mut self) {
        self.waited = None;
    }

    /// An `accept` failed.
    pub(crate) fn failed(&mut self, error: &Error) -> Remedy {
        // A peer that left the queue before it was taken.
        if matches!(
            error.kind(),
            ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
        ) {
            return Remedy::GoOn;
        }
        let wait = self
            .waited
            .map_or(WAIT_MIN, |waited| waited.saturating_mul(2).min(WAIT_MAX));
        let is_first = self.waited.replace(wait).is_none();
        Remedy::MakeRoom { wait, is_first }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    const ENOBUFS: i32 = 105;
    const ECONNABORTED: i32 = 103;
    const EINTR: i32 = 4;

    #[track_caller]
    fn waits(trouble: &mut AcceptTrouble, errno: i32, ms: u64, is_first: bool) {
        let remedy = trouble.failed(&Error::from_raw_os_error(errno));
        let wait = Duration::from_millis(ms);
        assert_eq!(remedy, Remedy::MakeRoom { wait, is_first });
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn want_of_descriptors_is_waited_out_ever_longer_and_logged_once() {
        let mut trouble = AcceptTrouble::default();
        for (at, ms) in [50, 100, 200, 400, 800, 1_000, 1_000]
            .into_iter()
            .enumerate()
        {
            waits(&mut trouble, [EMFILE, ENFILE, ENOBUFS][at % 3], ms, at == 0);
        }
        trouble.over();
        waits(&mut trouble, EMFILE, 50, true);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_peer_that_left_costs_no_wait() {
        let mut trouble = AcceptTrouble::default();
        for errno in [ECONNABORTED, EINTR] {
            let remedy = trouble.failed(&Error::from_raw_os_error(errno));
            assert_eq!(remedy, Remedy::GoOn);
        }
        waits(&mut trouble, EMFILE, 50, true);
    }
}
