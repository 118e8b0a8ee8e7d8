//! The two clocks that the shells hand to the cores.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

/// Where the monotonic clock begins: its first reading in this process.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A moment on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Now {
    /// Microseconds of the proxy's monotonic clock.
    pub(crate) us: u64,
    /// Milliseconds since 1970.
    pub(crate) unix_ms: u64,
}

impl Now {
    /// This moment.
    pub(crate) fn read() -> Self {
        let unix = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Now {
            us: whole(START.elapsed().as_micros()),
            unix_ms: whole(unix.as_millis()),
        }
    }

    /// Milliseconds of the proxy's monotonic clock.
    pub(crate) fn ms(self) -> u64 {
        self.us / 1000
    }
}

/// Milliseconds of the proxy's monotonic clock. Never goes back; the unit of
/// [`UpstreamJob::received_ms`](crate::job::UpstreamJob::received_ms).
pub fn monotonic_ms() -> u64 {
    whole(START.elapsed().as_millis())
}

/// The instant of a reading of [`monotonic_ms`].
pub(crate) fn instant_of(monotonic_ms: u64) -> Instant {
    // A day ahead stands for never: adding more could leave what an `Instant` holds.
    const FAR_MS: u64 = 24 * 60 * 60 * 1000;
    let latest_ms = self::monotonic_ms().saturating_add(FAR_MS);
    *START + Duration::from_millis(monotonic_ms.min(latest_ms))
}

/// 64 bits of microseconds are half a million years.
fn whole(count: u128) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
