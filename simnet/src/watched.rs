//! A value that tests can wait on: no sleeps, only conditions with a deadline.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// The condition did not come true in time.
#[derive(Clone, Debug, thiserror::Error)]
#[error("waited {waited_ms} ms in vain; last seen: {last_seen}")]
pub struct WaitTimeout {
    /// How long it was waited for.
    pub waited_ms: u128,
    /// What the value was when the time was up, as its `Debug` shows it.
    pub last_seen: String,
}

/// A value behind a lock that announces its changes.
#[derive(Debug)]
pub struct Watched<T> {
    value: Mutex<T>,
    version: watch::Sender<u64>,
}

impl<T> Watched<T> {
    /// Starts with `value`.
    pub fn new(value: T) -> Self {
        Watched {
            value: Mutex::new(value),
            version: watch::Sender::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        // A panic elsewhere leaves counters that are still worth reading.
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the value.
    pub fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.lock())
    }

    /// Changes the value and wakes all who wait on it.
    pub fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.lock());
        self.version
            .send_modify(|version| *version = version.wrapping_add(1));
        result
    }

    /// Waits until `look` gives a value.
    ///
    /// # Errors
    /// [`WaitTimeout`] with the last state when `timeout` has passed before.
    pub async fn wait_for<R>(
        &self,
        timeout: Duration,
        mut look: impl FnMut(&T) -> Option<R>,
        show: impl FnOnce(&T) -> String,
    ) -> Result<R, WaitTimeout> {
        let mut changes = self.version.subscribe();
        let waiting = async {
            loop {
                changes.mark_unchanged();
                if let Some(result) = self.read(&mut look) {
                    return Some(result);
                }
                // The sender lives in `self`: it cannot be gone.
                changes.changed().await.ok()?;
            }
        };
        match tokio::time::timeout(timeout, waiting).await {
            Ok(Some(result)) => Ok(result),
            _ => {
                let last_seen = self.read(show);
                Err(WaitTimeout {
                    waited_ms: timeout.as_millis(),
                    last_seen,
                })
            }
        }
    }
}
