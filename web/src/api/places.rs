//! The concurrency limit for requests that read the disk.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::Refusal;

/// So many look at once: the mint waits for the same disk, and strangers shall not queue
/// up before it.
const PLACES: usize = 8;

/// Whoever finds no place for so long is told to come back. A look takes less than a
/// millisecond where the disk is not in trouble.
const WAIT: Duration = Duration::from_millis(500);

/// The places; who gets one has it until it is dropped.
#[derive(Debug)]
pub(super) struct Places(Arc<Semaphore>);

impl Places {
    pub(super) fn new() -> Self {
        Places(Arc::new(Semaphore::new(PLACES)))
    }

    /// A place, in the order in which they are asked for.
    pub(super) async fn take(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let place = Arc::clone(&self.0).acquire_owned();
        match tokio::time::timeout(WAIT, place).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(Refusal::Busy),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_more_waits_a_moment_and_not_for_ever() {
        let places = Places::new();
        let mut taken = join_all((0..PLACES).map(|_| places.take())).await;
        assert!(taken.iter().all(Result::is_ok));
        assert!(matches!(places.take().await, Err(Refusal::Busy)));
        let one = taken.pop();
        let leaves = async {
            tokio::time::sleep(WAIT / 2).await;
            drop(one);
        };
        let (place, ()) = tokio::join!(places.take(), leaves);
        assert!(place.is_ok(), "the place that was left");
    }
}
