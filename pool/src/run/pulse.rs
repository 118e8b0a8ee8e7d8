//! Whether mining's threads still turn: a task among them tells the time once a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

/// How often it beats.
const EVERY: Duration = Duration::from_secs(1);

/// Without a beat for so long the threads are stuck, not busy: each task of mining is
/// done in microseconds.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// The last beat.
#[derive(Debug)]
pub(super) struct Pulse {
    since: Instant,
    last_ms: AtomicU64,
}

impl Pulse {
    /// Beats on the threads of `mining` as long as somebody has it.
    pub(super) fn start(mining: &Handle) -> Arc<Pulse> {
        let pulse = Arc::new(Pulse {
            since: Instant::now(),
            last_ms: AtomicU64::new(0),
        });
        let beating = Arc::downgrade(&pulse);
        mining.spawn(async move {
            while let Some(pulse) = beating.upgrade() {
                pulse.beat(Instant::now());
                drop(pulse);
                tokio::time::sleep(EVERY).await;
            }
        });
        pulse
    }

    fn beat(&self, now: Instant) {
        self.last_ms.store(self.ms(now), Ordering::Relaxed);
    }

    /// For how long mining's threads have been stuck, if they are.
    pub(super) fn stuck(&self, now: Instant) -> Option<Duration> {
        let silent = self
            .ms(now)
            .saturating_sub(self.last_ms.load(Ordering::Relaxed));
        let silent = Duration::from_millis(silent);
        (silent > STUCK_AFTER).then_some(silent)
    }

    fn ms(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.since);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_for_long_is_told() {
        let start = Instant::now();
        let pulse = Pulse {
            since: start,
            last_ms: AtomicU64::new(0),
        };
        let at = |secs| start + Duration::from_secs(secs);
        assert_eq!(pulse.stuck(at(30)), None);
        assert_eq!(pulse.stuck(at(31)), Some(Duration::from_secs(31)));
        pulse.beat(at(31));
        assert_eq!(pulse.stuck(at(61)), None);
        assert_eq!(pulse.stuck(at(70)), Some(Duration::from_secs(39)));
    }
}
