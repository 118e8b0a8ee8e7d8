//! Whether the ledger's writer still comes to its next entry. A disk that hangs gives no
//! error: the writer waits in its sync, and so does every share behind it, in silence. A
//! device never leaves a pool whose socket stays open.

use std::time::Duration;

use ledger::LedgerClosed;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::clock::monotonic_ms;

/// A writer that has not come to an entry for so long hangs. The slowest healthy card
/// takes a second or two for a sync.
const HUNG_AFTER: Duration = Duration::from_secs(30);

/// Between two questions.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// How old an unanswered share may become: no older than a disk that fails may be for.
pub(super) fn bound(grace: Duration) -> Duration {
    HUNG_AFTER.min(grace)
}

/// Asks for the writer's turn again and again. Gives when it was asked for in vain,
/// milliseconds of the monotonic clock, once that is `bound` ago: every share since waits
/// as long. `None` when the ledger is closed.
pub(super) async fn hangs<F>(turn: impl Fn() -> F, bound: Duration) -> Option<u64>
where
    F: Future<Output = Result<(), LedgerClosed>>,
{
    loop {
        let (asked, asked_ms) = (Instant::now(), monotonic_ms());
        match timeout_at(asked + bound, turn()).await {
            Err(_) => return Some(asked_ms),
            Ok(Err(LedgerClosed)) => return None,
            Ok(Ok(())) => sleep(ASK_EVERY.min(bound / 4)).await,
        }
    }
}

/// Whether a trial of the disk works, within the time after which a writer hangs. True
/// when the ledger is closed: nothing is to be waited for.
pub(super) async fn writes(trial: impl Future<Output = Result<bool, LedgerClosed>>) -> bool {
    match timeout(HUNG_AFTER, trial).await {
        Err(_) => false,
        Ok(written) => written.unwrap_or(true),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;

    use super::*;

    /// The seconds after which a writer that answers each question after so many seconds,
    /// and then never, is found to hang.
    async fn found_after(answers: &[u64], bound: Duration) -> u64 {
        let (start, next) = (Instant::now(), Cell::new(0));
        let turn = || {
            let answer = answers.get(next.replace(next.get() + 1)).copied();
            async move {
                match answer {
                    Some(secs) => sleep(Duration::from_secs(secs)).await,
                    None => pending().await,
                }
                Ok(())
            }
        };
        assert!(hangs(turn, bound).await.is_some());
        start.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_writer_that_never_comes_to_its_turn_is_found() {
        let long = bound(Duration::from_secs(300));
        assert_eq!(found_after(&[], long).await, 30);
        assert_eq!(found_after(&[0, 0], long).await, 5 + 5 + 30);
        // Slow is not hung.
        assert_eq!(found_after(&[29, 29], long).await, 2 * (29 + 5) + 30);
        // The operator's word is for both kinds of trouble.
        assert_eq!(found_after(&[], bound(Duration::from_secs(4))).await, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_ledger_is_not_one_that_hangs() {
        let bound = bound(Duration::from_secs(300));
        assert_eq!(hangs(async || Err(LedgerClosed), bound).await, None);
        assert!(writes(async { Err(LedgerClosed) }).await);
        assert!(writes(async { Ok(true) }).await);
        assert!(!writes(async { Ok(false) }).await);
        assert!(!writes(pending()).await);
    }
}
