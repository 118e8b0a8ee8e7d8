//! A batch goes to disk, into the sums, and is answered. And checkpoints.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::sync::Arc;
use std::time::Instant;

use accounting::{Epoch, EpochId, OutboxId};

use crate::entry::{self, Entry};
use crate::error::{LedgerError, StoreError};
use crate::message::Reply;
use crate::share_ack::ShareAck;
use crate::state::Outcome;
use crate::store::{Beside, Snapshot, write_checkpoint};
use crate::writer::Writer;
use crate::writer::lazy::LazySnapshot;

impl Writer {
    /// Stores and answers the entries, in their order. `entries` and `replies` have
    /// the same length and are empty afterwards.
    pub(crate) fn append(&mut self, entries: &mut Vec<Entry>, replies: &mut Vec<Reply>) {
        if self.failing.is_some() {
            self.refuse(entries, replies);
            return;
        }
        // A close ends its batch: the rows that the shares after it touch are other ones.
        while !entries.is_empty() {
            let is_close = |entry: &Entry| matches!(entry, Entry::Close { .. });
            let end = entries
                .iter()
                .position(is_close)
                .map_or(entries.len(), |at| at.saturating_add(1));
            let rest = (entries.split_off(end), replies.split_off(end));
            self.append_one(entries, replies);
            (*entries, *replies) = rest;
            if self.failing.is_some() {
                self.refuse(entries, replies);
                return;
            }
        }
        if self.checkpoint_is_due() {
            self.checkpoint();
        }
    }

    /// One batch: all of it is stored, or nothing.
    pub(super) fn append_one(&mut self, entries: &mut Vec<Entry>, replies: &mut Vec<Reply>) {
        let number = self.shared.state().batch().saturating_add(1);
        match self.store(number, entries) {
            Ok(()) => self.applied(number, entries, replies),
            Err(error) if self.journal.is_doubtful() => {
                self.failed(number, error, entries, replies);
            }
            Err(error) => self.not_written(&error, entries, replies),
        }
        entries.clear();
        replies.clear();
    }

    fn store(&mut self, number: u64, entries: &[Entry]) -> Result<(), LedgerError> {
        self.row.clear();
        entries
            .iter()
            .for_each(|entry| entry::put(&mut self.row, entry));
        let shared = self.shared.clone();
        shared.with_database(|database| {
            let mut base = LazySnapshot::new(|| Snapshot::begin(database));
            // The state is held while rows are read: a share waits for nobody by that,
            // since only this thread and those who look at the ledger take it, and who
            // looks holds it for no disk.
            shared.state().prepare(entries, &mut base)
        })?;
        let begun = Instant::now();
        let written = self.journal.append(number, &self.row);
        let written = written.map_err(|error| StoreError::Journal(error.into()))?;
        self.pace.measured(begun.elapsed());
        self.metrics
            .commit_seconds
            .observe(begun.elapsed().as_secs_f64());
        self.metrics.journal_bytes.inc_by(written);
        Ok(())
    }

    /// The batch is on disk: into the sums with it, then the answers.
    pub(super) fn applied(&mut self, number: u64, entries: &[Entry], replies: &mut Vec<Reply>) {
        let mut closed = Vec::new();
        let (mut shares, mut duplicates) = (0u32, 0u32);
        let mut state = self.shared.state();
        let mut at = entries.iter();
        state.apply(number, entries, |outcome| {
            let is_share = matches!(at.next(), Some(Entry::Share(_)));
            shares = shares.saturating_add(is_share.into());
            match outcome {
                Outcome::Applied => (),
                Outcome::Duplicate => duplicates = duplicates.saturating_add(1),
                Outcome::Closed(id) => closed.push(id),
            }
        });
        self.metrics
            .dirty_rows
            .set(i64::try_from(state.dirty()).unwrap_or(i64::MAX));
        if state.dirty() > 0 && self.dirty_since.is_none() {
            self.dirty_since = Some(Instant::now());
        }
        self.metrics.show_epoch(state.open_epoch());
        let outbox_end = state.next_outbox();
        drop(state);
        let is_new = |known: &mut OutboxId| std::mem::replace(known, outbox_end) != outbox_end;
        self.shared.outbox_end.send_if_modified(is_new);
        self.metrics.batch_shares.observe(shares.into());
        self.metrics
            .shares_stored
            .inc_by(shares.saturating_sub(duplicates).into());
        self.metrics.shares_duplicate.inc_by(duplicates.into());
        let mut closed = closed.into_iter();
        let mut shares = AckOnce::default();
        for (entry, reply) in entries.iter().zip(replies.drain(..)) {
            match (reply, entry) {
                (Reply::Share(ack), Entry::Share(share)) => shares.stored(ack, share.id.sequence),
                // Who does not wait any more need not know.
                (Reply::Closed(reply), _) => drop(reply.send(self.closed(closed.next()))),
                (Reply::Done(reply), _) => drop(reply.send(Ok(()))),
                (Reply::None | Reply::Share(_), _) => (),
            }
        }
        shares.flush();
    }

    /// The row of an epoch that a close named.
    fn closed(&self, id: Option<EpochId>) -> Result<Epoch, LedgerError> {
        let id = id.ok_or(LedgerError::Closed)?;
        if let Some(epoch) = self.shared.state().epoch(id) {
            return Ok(epoch);
        }
        let row = self
            .shared
            .with_database(|database| Snapshot::begin(database)?.epoch(id))?;
        row.ok_or(LedgerError::Store(StoreError::Missing(
            "epoch that a block closed",
        )))
    }

    /// Whether what is in the journal has waited long enough, or is too much to hold.
    pub(crate) fn checkpoint_is_due(&self) -> bool {
        let old = self
            .dirty_since
            .is_some_and(|since| since.elapsed() >= self.checkpoint_interval);
        let is_long = self.journal.bytes() > self.journal_bytes;
        old || is_long || self.shared.state().dirty() > self.checkpoint_rows
    }

    /// Writes the changed rows, and makes the journal's old. After a failure the rows are
    /// still held and still to be written: they are whole rows, so twice does no harm.
    pub(crate) fn checkpoint(&mut self) {
        let checkpoint = self.shared.state().checkpoint();
        let begun = Instant::now();
        let room = self.checkpoint_rows;
        let shared = self.shared.clone();
        let named = self.journal.announce();
        let named = named.map_err(|error| StoreError::Journal(error.into()));
        let written = shared.with_database(|database| {
            let named = named?;
            let beside = Beside {
                journal: Some(named),
                ..Beside::default()
            };
            Ok((
                named,
                write_checkpoint(database, &checkpoint, &beside, room)?,
            ))
        });
        match written {
            Ok((named, pruned)) => {
                self.journal.begin(named, checkpoint.batch);
                let mut state = self.shared.state();
                state.checkpointed(&checkpoint, pruned);
                // The rest of what is old goes with the next one, shares or not.
                self.dirty_since = state.prunes_on().then(Instant::now);
                drop(state);
                if checkpoint.epochs.len() > 1 {
                    self.pack_anew();
                }
                self.show_old_rows();
                self.metrics.dirty_rows.set(0);
                self.metrics
                    .checkpoint_seconds
                    .observe(begun.elapsed().as_secs_f64());
            }
            Err(error) => self.checkpoint_failed(&error),
        }
    }
}

/// Tells a session once of its shares where they follow each other: each telling may
/// wake a task.
#[derive(Default)]
struct AckOnce(Option<(Arc<ShareAck>, u64)>);

impl AckOnce {
    fn stored(&mut self, ack: Arc<ShareAck>, sequence: u64) {
        match &mut self.0 {
            Some((last, highest)) if Arc::ptr_eq(last, &ack) => {
                *highest = sequence.max(*highest);
            }
            _ => {
                self.flush();
                self.0 = Some((ack, sequence));
            }
        }
    }

    fn flush(&mut self) {
        if let Some((ack, highest)) = self.0.take() {
            ack.stored(highest);
        }
    }
}
