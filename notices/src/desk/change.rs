//! The one way to change records: on disk and in memory, one change at a time.

use std::io;
use std::sync::Arc;

use accounting::MinerId;
use signed::MAX_SKEW_MS;

use super::{Desk, DeskError};
use crate::record::Record;

/// Miners that are looked at. When there are more, one with the least work makes room,
/// of those the one whose feed was not read for the longest time.
pub(super) const MAX_WATCHED: usize = 5_000;

impl Desk {
    /// Changes a record, a `durable` change on disk before here. One that is not there is made with
    /// `make_ms`, the time, for a miner with work; without it the miner is unknown.
    pub(super) async fn change(
        &self,
        miner: &MinerId,
        durable: bool,
        make_ms: Option<u64>,
        change: impl FnOnce(&mut Record) -> Result<(), DeskError>,
    ) -> Result<Record, DeskError> {
        let _changing = self.changing.lock().await;
        let before = self.records().get(miner).cloned();
        let mut record = match (&before, make_ms) {
            (Some(record), _) => record.clone(),
            (None, Some(now_ms)) if self.sight.knows(miner).await? => {
                self.make_room(now_ms).await?;
                Record::new(*miner, now_ms)
            }
            (None, _) => return Err(DeskError::Unknown(*miner)),
        };
        change(&mut record)?;
        if before.as_ref() == Some(&record) {
            return Ok(record);
        }
        let (files, written) = (Arc::clone(&self.files), record.clone());
        let done = self.on_disk(move || files.write(&written, durable)).await;
        // What was seen or sent is so, whether or not the disk takes it: with a full one
        // nobody shall be told the same every few seconds.
        if done.is_ok() || !durable {
            self.records().insert(*miner, record.clone());
            self.count();
        }
        done?;
        Ok(record)
    }

    /// Makes room for one more.
    async fn make_room(&self, now_ms: u64) -> Result<(), DeskError> {
        let oldest = {
            let records = self.records();
            if records.len() < MAX_WATCHED {
                return Ok(());
            }
            let standing = self.standing();
            let work = |record: &Record| standing.get(&record.miner).copied();
            let free = records.values().filter(|record| may_go(record, now_ms));
            let oldest = free.min_by_key(|one| (work(one), one.read_ms, one.miner));
            oldest.map(|record| record.miner)
        };
        self.forget(oldest.ok_or(DeskError::Full)?).await
    }

    pub(super) async fn forget(&self, miner: MinerId) -> Result<(), DeskError> {
        let files = Arc::clone(&self.files);
        self.on_disk(move || files.remove(&miner)).await?;
        self.records().remove(&miner);
        self.standing().remove(&miner);
        self.count();
        Ok(())
    }

    async fn on_disk(
        &self,
        work: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

/// Whether a record may be forgotten: nobody has it sent, and no wish that it remembers
/// could be played again.
pub(super) fn may_go(record: &Record, now_ms: u64) -> bool {
    record.subscription.is_none() && record.signed_ms.saturating_add(2 * MAX_SKEW_MS) < now_ms
}
