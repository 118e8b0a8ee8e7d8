//! When the disk fails: nothing is answered until it is certain what is on it, then
//! everything new is refused until it works again.
//!
//! A write to the journal that gave an error left no record there, so its batch is refused at
//! once. A sync that gave one may have written all the same: the record is written over and
//! synced, so that it is certainly not there. A commit that gave an error may be on disk or
//! not, and redb wants the database reopened after an I/O error. A reopen repairs and syncs
//! the file, so what it shows is what a loss of power would leave; the batch's number tells.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::entry::Entry;
use crate::error::{LedgerError, OpenError, StoreError};
use crate::health::Health;
use crate::message::Reply;
use crate::store::{Snapshot, caught, identity, named_journal};
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
    /// The store is opened anew before the disk is tried: after an error it takes nothing.
    is_store_lost: bool,
}

/// Whether the journal gave it, and the store is as it was.
fn is_of_journal(error: &LedgerError) -> bool {
    matches!(error, LedgerError::Store(StoreError::Journal(_)))
}

impl Writer {
    /// A batch gave an error before anything of it could count, now or after a crash.
    pub(super) fn not_written(
        &mut self,
        error: &LedgerError,
        entries: &mut Vec<Entry>,
        replies: &mut Vec<Reply>,
    ) {
        let reason = error.to_string();
        tracing::error!(reason, "the ledger cannot be written: shares are refused");
        match is_of_journal(error) {
            true => self.fail(&reason, false),
            false => self.fail_store(&reason),
        }
        self.refuse(entries, replies);
    }

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
        self.fail(&reason, false);
        match self.reopen(!is_of_journal(&error)) {
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

    /// A checkpoint gave an error. Its rows stay to be written. Nobody waits for its outcome,
    /// which the next try learns: until then all is refused.
    pub(super) fn checkpoint_failed(&mut self, error: &LedgerError) {
        let reason = error.to_string();
        tracing::error!(reason, "the ledger's checkpoint cannot be written");
        match is_of_journal(error) {
            // It is told first: the store was not written to.
            true => self.fail(&reason, false),
            false => self.fail_store(&reason),
        }
    }

    /// Packing gave an error. Nothing is answered by it.
    pub(super) fn packing_failed(&mut self, error: LedgerError) {
        let reason = error.to_string();
        tracing::error!(reason, "the ledger's old rows cannot be packed");
        self.fail_store(&reason);
    }

    /// A note gave an error. Whoever waits for it is told.
    pub(super) fn note_failed(&mut self, error: &LedgerError) {
        let reason = error.to_string();
        tracing::error!(reason, "a note cannot be stored in the ledger");
        self.fail_store(&reason);
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

    /// Tries the disk: opens the files anew, and writes a checkpoint, which makes room in the
    /// journal, and a batch that is empty or has what the upstream said meanwhile. If all of
    /// it works, so does the ledger.
    pub(crate) fn probe(&mut self) {
        if self.lost {
            return;
        }
        let Some(failing) = self.failing.take() else {
            return;
        };
        let wait = failing.wait;
        match self.open_anew(failing.is_store_lost) {
            Ok(_) => self.checkpoint(),
            Err(error) => {
                tracing::error!(%error, "the ledger cannot be reopened");
                self.failing = Some(failing);
            }
        }
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

    fn fail(&mut self, reason: &str, is_store_lost: bool) {
        self.metrics.write_failures.inc();
        self.metrics.healthy.set(0);
        self.health.send_replace(Health::Failing {
            reason: reason.to_owned(),
        });
        self.failing = Some(Failing {
            reason: reason.to_owned(),
            wait: RETRY_MIN,
            retry_at: Instant::now() + RETRY_MIN,
            is_store_lost,
        });
    }

    /// The store gave an error. It is opened anew at once, lest readers wait, or with the next
    /// try of the disk.
    fn fail_store(&mut self, reason: &str) {
        self.fail(reason, true);
        match self.try_reopen() {
            Ok(_) => {
                if let Some(failing) = &mut self.failing {
                    failing.is_store_lost = false;
                }
            }
            Err(error) => tracing::error!(%error, "the ledger cannot be reopened"),
        }
    }

    /// Opens anew what gave the error, however long that takes; gives the last batch that is
    /// on disk. `None` when the ledger is closed first.
    fn reopen(&mut self, is_store_lost: bool) -> Option<u64> {
        let mut wait = RETRY_MIN;
        loop {
            match self.open_anew(is_store_lost) {
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

    fn open_anew(&mut self, is_store_lost: bool) -> Result<u64, OpenError> {
        match is_store_lost {
            true => self.try_reopen(),
            false => self.try_reopen_journal(),
        }
    }

    /// Opens both files anew; gives the last batch that is in them.
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
        let (named, stored) = caught(|| {
            let stored = Snapshot::begin(&database)?.last_batch()?;
            Ok((named_journal(&database)?, stored))
        })?;
        let followed = self.journal.follow(named, stored);
        followed.map_err(|unfit| OpenError::journal(self.opener.journal_path(), unfit.into()))?;
        // Readers go on, whatever becomes of the journal.
        *place = Some(database);
        drop(place);
        self.try_reopen_journal()
    }

    /// Opens the journal anew, and makes certain what is in it; gives the last batch that is
    /// in it or in the store. The store is left alone: it has no fault, and to open it takes
    /// a disk that can be written.
    fn try_reopen_journal(&mut self) -> Result<u64, OpenError> {
        let error = |error| OpenError::journal(self.opener.journal_path(), error);
        let file = self.opener.open_journal();
        let file = file.map_err(|io| error(io.into()))?;
        let settled = self.journal.settle(file);
        settled.map_err(error)?;
        Ok(self.journal.last())
    }
}
