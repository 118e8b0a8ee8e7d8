//! The proxy's monotonic clock.

use std::sync::LazyLock;
use std::time::Instant;

/// Milliseconds since this process first asked. Never goes back; the unit of
/// [`UpstreamJob::received_ms`](crate::job::UpstreamJob::received_ms).
pub fn monotonic_ms() -> u64 {
    static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(ORIGIN.elapsed().as_millis()).unwrap_or(u64::MAX)
}
