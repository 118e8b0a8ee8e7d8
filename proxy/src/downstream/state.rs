//! The gauge of connections by state.

use std::sync::Arc;

use prometheus::IntGauge;

use super::metrics::Metrics;

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Not authorized.
    Handshake,
    /// Authorized, without an accepted share: also what probes are.
    Authorized,
    /// With an accepted share.
    Mining,
}

/// Counts one connection in the gauge of its state, until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    metrics: Arc<Metrics>,
    state: State,
}

impl Counted {
    /// Counts a new connection.
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        let counted = Counted {
            metrics,
            state: State::Handshake,
        };
        counted.gauge().inc();
        counted
    }

    /// Moves it.
    pub(crate) fn set(&mut self, state: State) {
        if state != self.state {
            self.gauge().dec();
            self.state = state;
            self.gauge().inc();
        }
    }

    fn gauge(&self) -> &IntGauge {
        match self.state {
            State::Handshake => &self.metrics.handshaking,
            State::Authorized => &self.metrics.authorized,
            State::Mining => &self.metrics.mining,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.gauge().dec();
    }
}
