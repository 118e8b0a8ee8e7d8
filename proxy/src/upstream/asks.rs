//! Whether to send a URL what not every pool knows, `mining.configure` and
//! `mining.extranonce.subscribe`: some pools close the connection on it. Pure.

/// So many connections in a row that were closed on a request, and the next goes without
/// it. Two: a pool that restarts closes some connections, too, and without version rolling
/// devices lose much of their hashrate.
const CLOSED_BEFORE_WITHOUT: u32 = 2;

/// A pool that stayed only without the request is sent it again after so long.
const WITHOUT_FOR_MS: u64 = 6 * 60 * 60 * 1000;

/// What one URL taught us.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct UrlMemory {
    /// Of `mining.configure`.
    pub(super) configure: AskMemory,
    /// Of `mining.extranonce.subscribe`.
    pub(super) extranonce_subscribe: AskMemory,
}

/// What one URL taught us of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AskMemory {
    closed_in_a_row: u32,
    without_until_ms: u64,
}

impl AskMemory {
    /// True when the next connection should send it.
    pub(super) fn asks(&self, now_ms: u64) -> bool {
        now_ms >= self.without_until_ms && self.closed_in_a_row < CLOSED_BEFORE_WITHOUT
    }

    /// The pool stayed on a connection that sent it or did not.
    pub(super) fn stayed(&mut self, asked: bool, now_ms: u64) {
        if !asked && self.closed_in_a_row >= CLOSED_BEFORE_WITHOUT {
            self.without_until_ms = now_ms.saturating_add(WITHOUT_FOR_MS);
        }
        self.closed_in_a_row = 0;
    }

    /// The pool closed a connection, as it would on this request.
    pub(super) fn hung_up(&mut self, asked: bool) {
        self.closed_in_a_row = if asked {
            self.closed_in_a_row.saturating_add(1)
        } else {
            0
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_that_closes_on_it_is_spared_for_a_while() {
        let mut memory = AskMemory::default();
        for _ in 0..CLOSED_BEFORE_WITHOUT {
            assert!(memory.asks(0));
            memory.hung_up(true);
        }
        assert!(!memory.asks(0));
        memory.stayed(false, 0);
        memory.stayed(false, 1000);
        assert!(!memory.asks(WITHOUT_FOR_MS - 1));
        assert!(memory.asks(WITHOUT_FOR_MS));
    }

    #[test]
    fn a_pool_that_closes_anyway_is_asked_again() {
        let mut memory = AskMemory::default();
        for _ in 0..3 {
            let asked = memory.asks(0);
            memory.hung_up(asked);
        }
        assert!(memory.asks(0));
        memory.hung_up(true);
        memory.stayed(true, 0);
        memory.hung_up(true);
        assert!(memory.asks(0));
    }
}
