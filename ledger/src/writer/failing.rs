//! When the disk fails: nothing is answered until it is certain what is on it, then
//! everything new is refused until it works again.
//!
//! A commit that gave an error may be on disk or not, and redb wants the database
//! reopened after an I/O error. A reopen repairs and syncs the file, so what it shows
//! is what a loss of power would leave; the batch's number tells. What an error left of a
//! batch in the journal is written over and synced, so that it is certainly not there.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::entry::Entry;
use crate::error::{LedgerError, OpenError, StoreError};
use crate::health::Health;
use crate::message::Reply;
use crate::store::{Snapshot, identity, named_journal};
use crate::writer::Writer;

/// The first wait before the disk is tried again; doubled each time.
const RETRY_MIN: Duration = Duration::from_millis(100);

/// The longest wait.
const RETRY_MAX: Duration = Duration::from_secs(10);

/// How many of the upstream's answers wait for the disk. They are statistics: more are
/// counted as lost.
const HELD_RESULTS: usize = 10_000;

/// Since a write failed, until one works.
#[derive(Debug)]
pub(super) struct Failing {
    reason: String,
    wait: Duration,
    retry_at: Instant,
}

impl Writer {
    /// The batch `number` gave an error: learns whether it is on disk all the same,
    /// and answers it so.
    pub(super) fn failed(
        &mut self,
        number: u64,
        error: LedgerError,
        entries: &mut Vec<Entry>,
        replies: &mut Vec<Reply>,
    ) {
        let reason = error.to_string();
        tracing::error!(reason, "the ledger cannot be written: shares are refused");
        self.fail(&reason);
        match self.reopen() {
            Some(last) if last >= number => self.applied(number, entries, replies),
            Some(_) => self.refuse(entries, replies),
            None => {
                tracing::error!(
                    "the ledger was closed before the outcome of the last shares was known"
                );
                self.lost = true;
            }
        }
    }

    /// A checkpoint gave an error. Its rows stay to be written.
    pub(super) fn checkpoint_failed(&mut self, error: LedgerError) {
        let reason = error.to_string();
        tracing::error!(reason, "the ledger's checkpoint cannot be written");
        self.fail(&reason);
        self.reopen();
    }

    /// Packing gave an error. Nothing is answered by it.
    pub(super) fn packing_failed(&mut self, error: LedgerError) {
        let reason = error.to_string();
        tracing::error!(reason, "the ledger's old rows cannot be packed");
        self.fail(&reason);
        self.reopen();
    }

    /// A note gave an error. Whoever waits for it is told.
    pub(super) fn note_failed(&mut self, error: &LedgerError) {
        let reason = error.to_string();
        tracing::error!(reason, "a note cannot be stored in the ledger");
        self.fail(&reason);
        self.reopen();
    }

    /// Refuses entries of which nothing is on disk.
    pub(super) fn refuse(&mut self, entries: &mut Vec<Entry>, replies: &mut Vec<Reply>) {
        if self.lost {
            entries.clear();
            replies.clear();
            return;
        }
        for (entry, reply) in entries.drain(..).zip(replies.drain(..)) {
            match (entry, reply) {
                (Entry::Share(share), Reply::Share(ack)) => {
                    self.metrics.shares_refused.inc();
                    ack.refuse(share.id.sequence);
                }
                (Entry::Upstream(result), _) if self.held.len() < HELD_RESULTS => {
                    self.held.push(result);
                }
                (Entry::Upstream(_), _) => self.metrics.upstream_results_lost.inc(),
                // Who does not wait any more need not know.
                (_, Reply::Closed(reply)) => drop(reply.send(Err(self.refusal()))),
                (_, Reply::Done(reply)) => drop(reply.send(Err(self.refusal()))),
                (_, Reply::None | Reply::Share(_)) => (),
            }
        }
    }

    /// When the disk is to be tried again; `None` while it works.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.failing.as_ref().map(|failing| failing.retry_at)
    }

    /// Tries the disk: with a checkpoint, which makes room in the journal, and with a batch
    /// that is empty or has what the upstream said meanwhile. If both work, so does the
    /// ledger.
    pub(crate) fn probe(&mut self) {
        if self.lost {
            return;
        }
        let Some(failing) = self.failing.take() else {
            return;
        };
        let wait = failing.wait;
        self.checkpoint();
        if self.failing.is_none() {
            let held = std::mem::take(&mut self.held);
            let mut entries: Vec<Entry> = held.into_iter().map(Entry::Upstream).collect();
            let mut replies: Vec<Reply> = entries.iter().map(|_| Reply::None).collect();
            self.append_one(&mut entries, &mut replies);
        }
        match &mut self.failing {
            None => {
                tracing::info!("the ledger can be written again");
                self.metrics.healthy.set(1);
                self.health.send_replace(Health::Ok);
            }
            Some(failing) => {
                failing.wait = wait.saturating_mul(2).min(RETRY_MAX);
                failing.retry_at = Instant::now() + failing.wait;
            }
        }
    }

    pub(super) fn refusal(&self) -> LedgerError {
        let reason = self.failing.as_ref().map(|failing| failing.reason.clone());
        LedgerError::Failing {
            reason: reason.unwrap_or_default(),
        }
    }

    fn fail(&mut self, reason: &str) {
        self.metrics.write_failures.inc();
        self.metrics.healthy.set(0);
        self.health.send_replace(Health::Failing {
            reason: reason.to_owned(),
        });
        self.failing = Some(Failing {
            reason: reason.to_owned(),
            wait: RETRY_MIN,
            retry_at: Instant::now() + RETRY_MIN,
        });
    }

    /// Reopens the store, however long that takes; gives the last batch that is in it.
    /// `None` when the ledger is closed first.
    fn reopen(&mut self) -> Option<u64> {
        let mut wait = RETRY_MIN;
        loop {
            match self.try_reopen() {
                Ok(last) => return Some(last),
                Err(error) => tracing::error!(%error, "the ledger cannot be reopened"),
            }
            if self.stop.load(Ordering::Relaxed) {
                return None;
            }
            std::thread::sleep(wait);
            wait = wait.saturating_mul(2).min(RETRY_MAX);
        }
    }

    fn try_reopen(&mut self) -> Result<u64, OpenError> {
        let shared = self.shared.clone();
        let mut place = shared
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // Closed first: it has the lock of the file.
        drop(place.take());
        let database = self.opener.open(false)?;
        // Somebody may have put another file in its place.
        if identity(&database)? != self.shared.incarnation {
            return Err(StoreError::Missing("ledger that was open, but another").into());
        }
        let stored = Snapshot::begin(&database)?.last_batch()?;
        let error = |error| OpenError::journal(self.opener.journal_path(), error);
        let file = self.opener.open_journal();
        let file = file.map_err(|io| error(io.into()))?;
        let named = named_journal(&database)?;
        let settled = self.journal.settle(file, named, stored);
        settled.map_err(error)?;
        *place = Some(database);
        Ok(self.journal.last())
    }
}
