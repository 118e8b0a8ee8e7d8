//! The bounds of one request.

use std::time::Duration;

/// A body's bytes at most: 500 inputs with locks and witnesses are about 400,000.
pub(super) const MAX_BODY_BYTES: usize = 1 << 20;

/// cdk lets a melt wait a minute for its payment.
pub(super) const TIMEOUT: Duration = Duration::from_secs(75);
