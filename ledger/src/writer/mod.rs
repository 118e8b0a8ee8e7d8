//! The one writer: entries in, in one order; each is answered when it is on disk.

mod batch;
mod booking;
mod failing;
mod gather;
mod lazy;
mod pace;
mod packing;
mod run;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use accounting::settle::Policy;
use accounting::{EpochTerms, UpstreamResult};
use redb::Database;
use tokio::sync::watch;

use crate::error::{LedgerError, OpenError};
use crate::health::Health;
use crate::journal::{self, Journal, JournalId};
use crate::metrics::Metrics;
use crate::options::LedgerOptions;
use crate::reader::{Reader, Shared};
use crate::settler;
use crate::store::{
    Beside, JournalFile, Opened, Opener, examine, keep_unfit, open_store, write_checkpoint,
};
use failing::Failing;
use pace::Pace;
use packing::Packing;

/// The writer. All that it does is done by [`Writer::append`], [`Writer::checkpoint`]
/// and [`Writer::probe`]; the thread around it only waits for entries.
#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    opener: Arc<dyn Opener>,
    metrics: Metrics,
    health: watch::Sender<Health>,
    /// Set when the ledger is to be closed: an outcome that cannot be learnt is not
    /// waited for any more.
    stop: Arc<AtomicBool>,
    pace: Pace,
    /// The file that batches go to.
    journal: Journal,
    journal_bytes: u64,
    /// The row of the batch at hand, kept for its memory.
    row: Vec<u8>,
    failing: Option<Failing>,
    /// It was closed before the outcome of a batch could be learnt. Whoever waits is
    /// told nothing any more: a session's later answer would decide its earlier shares.
    pub(crate) lost: bool,
    /// Answers of the upstream that came while the disk failed.
    held: Vec<UpstreamResult>,
    max_batch: usize,
    checkpoint_interval: Duration,
    checkpoint_rows: usize,
    /// When the oldest change came that no checkpoint has.
    dirty_since: Option<Instant>,
    pack_rows: usize,
    pack_interval: Duration,
    /// What is to be packed, if anything is.
    packing: Option<Packing>,
}

impl Writer {
    /// Opens the store, replays the journal and writes a checkpoint that counts this
    /// start. A journal that is not the store's is another matter for the examiner; where
    /// there is none the ledger is not opened.
    pub(crate) fn open(
        opener: Arc<dyn Opener>,
        options: LedgerOptions,
        metrics: Metrics,
        health: watch::Sender<Health>,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, OpenError> {
        let (given, limit) = (options.terms.fee_bps, EpochTerms::MAX_FEE_BPS);
        if given > limit {
            return Err(OpenError::Fee { given, limit });
        }
        let database = opener.open(true)?;
        let file = JournalFile {
            opener: &*opener,
            growth: options.journal_growth,
        };
        let mut opened = open_store(&database, &file, Some((options.terms, options.now_ms)))?;
        let (journal, boot) = begin(&database, &file, &mut opened, &options)?;
        if let Some(examiner) = &options.examiner {
            examine(&database, &mut opened, examiner)?;
        }
        metrics.healthy.set(1);
        metrics.show_epoch(opened.state.open_epoch());
        let prunes_on = opened.state.prunes_on();
        let mut writer = Writer {
            shared: Arc::new(Shared {
                database: RwLock::new(Some(database)),
                is_closed: AtomicBool::new(false),
                outbox_end: watch::Sender::new(opened.state.next_outbox()),
                state: Mutex::new(opened.state),
                incarnation: opened.incarnation,
                lineage: opened.lineage,
                boot,
            }),
            opener,
            metrics,
            health,
            stop,
            pace: Pace::new(options.window, options.max_window, options.quiet_window),
            journal,
            journal_bytes: options.journal_bytes,
            row: Vec::new(),
            failing: None,
            lost: false,
            held: Vec::new(),
            max_batch: options.max_batch.max(1),
            checkpoint_interval: options.checkpoint_interval,
            checkpoint_rows: options.checkpoint_rows,
            dirty_since: prunes_on.then(Instant::now),
            pack_rows: options.pack_rows,
            pack_interval: options.pack_interval,
            packing: Some(Packing::all(options.pack_interval)),
        };
        writer.show_old_rows();
        writer.catch_up(&options.policy)?;
        Ok(writer)
    }

    /// Books the closes that a crash kept from the books. Mining goes on without: the
    /// next event tries again, and tells its sender. A disk that fails is another matter.
    fn catch_up(&mut self, policy: &Policy) -> Result<(), OpenError> {
        let reader = Reader(self.shared.clone());
        let done = settler::catch_up(&reader, policy, &mut |booking| self.book_now(&booking));
        match done {
            Ok(effects) => self.metrics.count_alarms(&effects),
            Err(error @ LedgerError::Refused(_)) => {
                tracing::error!(%error, "the books cannot catch up with the closed epochs");
            }
            Err(error) => return Err(OpenError::Books(Box::new(error))),
        }
        let totals = reader.totals();
        let totals = totals.map_err(|error| OpenError::Books(Box::new(error)))?;
        self.metrics.show_totals(&totals);
        Ok(())
    }

    /// What readers look at.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

/// Writes the checkpoint that counts a start, and begins the journal after it.
fn begin(
    database: &Database,
    file: &JournalFile<'_>,
    opened: &mut Opened,
    options: &LedgerOptions,
) -> Result<(Journal, u32), OpenError> {
    let before = opened.boot;
    let boot = before
        .checked_add(1)
        .ok_or(OpenError::TooManyBoots(before))?;
    let mut journal = begin_journal(database, file, opened, options.examiner.is_some())?;
    let named = journal.announce_next();
    let named =
        named.map_err(|error| OpenError::journal(file.opener.journal_path(), error.into()))?;
    let beside = Beside {
        journal: Some(named),
        boot: Some(boot),
    };
    let checkpoint = opened.state.checkpoint();
    let pruned = write_checkpoint(database, &checkpoint, &beside, options.checkpoint_rows)?;
    journal.begin(named, checkpoint.batch);
    opened.state.checkpointed(&checkpoint, pruned);
    Ok((journal, boot))
}

/// The journal that is gone on with: the one that was found, or a new one.
fn begin_journal(
    database: &Database,
    file: &JournalFile<'_>,
    opened: &mut Opened,
    is_examined: bool,
) -> Result<Journal, OpenError> {
    let opener = file.opener;
    let error = |error| OpenError::journal(opener.journal_path(), error);
    if let Some(unfit) = opened.unfit {
        if !is_examined {
            return Err(error(unfit.into()));
        }
        let path = opener.journal_path();
        tracing::error!(
            journal = %path.display(),
            "the ledger's journal {unfit}: shares that it alone has are not in the ledger"
        );
        keep_unfit(database, unfit)?;
        // One that fits by now was begun when this was found, at a start that ended early.
        // One that was made then and never used is replaced.
        if opened.journal.is_none() && opened.has_used_journal {
            opener.set_journal_aside().map_err(|io| error(io.into()))?;
        }
    }
    if let Some(journal) = opened.journal.take() {
        return Ok(journal);
    }
    let (named, bytes) = journal::made(JournalId(rand::random()), file.growth);
    let made = opener.make_journal(&bytes);
    let made = made.map_err(|io| error(io.into()))?;
    Ok(Journal::new(made, named, file.growth))
}
