//! Rate limit for the messages of a connection. Pure; the clock is handed in.

/// A token bucket: `per_second` sustained, and a burst of ten seconds' worth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MessageRate {
    millitokens: u32,
    refilled_ms: u64,
}

/// One message.
const MESSAGE: u32 = 1000;

/// How many seconds' worth may come at once.
const BURST_SECONDS: u32 = 10;

impl MessageRate {
    /// With a full burst.
    pub(crate) fn new(per_second: u32, now_ms: u64) -> Self {
        MessageRate {
            millitokens: Self::burst(per_second),
            refilled_ms: now_ms,
        }
    }

    /// Counts a message; false when it is one too many.
    pub(crate) fn take(&mut self, per_second: u32, now_ms: u64) -> bool {
        let elapsed = now_ms.saturating_sub(self.refilled_ms);
        // A millitoken a millisecond is a message a second.
        let earned =
            u32::try_from(elapsed.saturating_mul(u64::from(per_second))).unwrap_or(u32::MAX);
        self.millitokens = self
            .millitokens
            .saturating_add(earned)
            .min(Self::burst(per_second));
        self.refilled_ms = self.refilled_ms.max(now_ms);
        let enough = self.millitokens >= MESSAGE;
        if enough {
            self.millitokens -= MESSAGE;
        }
        enough
    }

    fn burst(per_second: u32) -> u32 {
        per_second
            .max(1)
            .saturating_mul(BURST_SECONDS)
            .saturating_mul(MESSAGE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_sustained_rate() {
        let mut rate = MessageRate::new(5, 0);
        assert!((0..50).all(|_| rate.take(5, 0)));
        assert!(!rate.take(5, 0));
        assert!(!rate.take(5, 199));
        assert!(rate.take(5, 200));
        assert!(!rate.take(5, 200));
        assert!(rate.take(5, u64::MAX));
    }
}
