//! The wall clock, read in one place.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970. A machine whose clock stands before that reads 0.
pub fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    as_ms(since)
}

/// Seconds since 1970. A machine whose clock stands before that reads 0.
pub fn now_secs() -> u64 {
    now_ms() / 1000
}

/// A length of time in milliseconds.
pub fn as_ms(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}
