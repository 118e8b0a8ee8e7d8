//! Accepted shares that wait until they are durable.

use std::collections::VecDeque;
use std::sync::Arc;

use accounting::Work;

use crate::job::UpstreamJob;
use crate::wire::OwnedId;

/// A share whose answer waits for the disk.
#[derive(Debug)]
pub(crate) struct PendingShare {
    /// Its number in the session.
    pub(crate) sequence: u64,
    /// The request to answer.
    pub(crate) id: OwnedId,
    /// Where its hash is remembered, to be forgotten if it cannot be stored.
    pub(crate) job: Arc<UpstreamJob>,
    /// Its hash, in the header's byte order.
    pub(crate) hash: [u8; 32],
    /// Its work.
    pub(crate) work: Work,
    /// When its line came, microseconds of the monotonic clock.
    pub(crate) received_us: u64,
}

/// The shares of a session that wait, in the order of their sequence.
#[derive(Debug, Default)]
pub(crate) struct PendingShares {
    waiting: VecDeque<PendingShare>,
}

impl PendingShares {
    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Adds the next one.
    pub(crate) fn push(&mut self, share: PendingShare) {
        self.waiting.push_back(share);
    }

    /// Takes the oldest if the ledger has decided it.
    pub(crate) fn pop_decided(&mut self, decided: u64) -> Option<PendingShare> {
        let ready = self
            .waiting
            .front()
            .is_some_and(|share| share.sequence <= decided);
        ready.then(|| self.waiting.pop_front()).flatten()
    }
}
