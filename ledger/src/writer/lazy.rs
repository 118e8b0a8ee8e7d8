//! A snapshot that is taken when the first row is asked for: in most batches none is.

use accounting::{EpochId, MinerId, SessionId, Tally, Work, Worker};

use crate::error::StoreError;
use crate::state::{Base, BucketKey, SessionRow};
use crate::store::Snapshot;

pub(super) struct LazySnapshot<F> {
    begin: F,
    snapshot: Option<Snapshot>,
}

impl<F: Fn() -> Result<Snapshot, StoreError>> LazySnapshot<F> {
    pub(super) fn new(begin: F) -> Self {
        LazySnapshot {
            begin,
            snapshot: None,
        }
    }

    fn get(&mut self) -> Result<&mut Snapshot, StoreError> {
        let snapshot = match self.snapshot.take() {
            Some(snapshot) => snapshot,
            None => (self.begin)()?,
        };
        Ok(self.snapshot.insert(snapshot))
    }
}

impl<F: Fn() -> Result<Snapshot, StoreError>> Base for LazySnapshot<F> {
    type Error = StoreError;

    fn tally(&mut self, epoch: EpochId, miner: &MinerId) -> Result<Option<Tally>, StoreError> {
        self.get()?.tally(epoch, miner)
    }

    fn workers(&mut self, miner: &MinerId) -> Result<Vec<Worker>, StoreError> {
        self.get()?.workers(miner)
    }

    fn bucket(&mut self, key: &BucketKey) -> Result<Work, StoreError> {
        self.get()?.bucket(key)
    }

    fn session(&mut self, session: SessionId) -> Result<Option<SessionRow>, StoreError> {
        self.get()?.session(session)
    }
}
