//! Whether the stores in the data directory are the last ones, asked at each start before
//! anything is booked, issued or paid.
//!
//! The ledger and the mint's store know of each other, and a small file knows of both. A
//! store that is lost, an older copy or another pool's fits no more: the ledger begins a new
//! incarnation then, as after `axepool restore`, and the pool goes on closed until its
//! operator accepts (docs/decisions/0017-stores-that-are-not-the-last-ones.md).

mod decide;
mod file;
mod node;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use accounting::{Incarnation, OutboxId, StoreMark};
use anyhow::{Context, Result};
use basics::clock;
use ledger::{AsLeft, ExamineError, Examiner, GoOn, Ledger};
use mint::{LedgerMark, StoredMarks, Witness};
use prometheus::{IntGauge, Registry};

use crate::backup::{self, Cause, RestoreRecord};
use crate::config::Config;
use crate::data_dir;
use decide::{Seen, beside, decide};
use file::{Kept, KeptNode, MarkFile, read_marks};

/// How often the file of marks is made anew. A copy of the whole directory that was taken
/// since, while the pool ran, and is written over it after a kill is not told from it.
const ANEW: Duration = Duration::from_secs(600);

/// Keeps how far the stores are, and knows what was found at the start.
#[derive(Debug)]
pub(crate) struct Stores {
    data_dir: PathBuf,
    /// The mint's mnemonic; `None` when it is switched off.
    mint_words: Option<PathBuf>,
    inner: Mutex<Inner>,
    /// 1 while the operator's word is waited for.
    waiting: IntGauge,
}

#[derive(Debug)]
struct Inner {
    /// `None` until the ledger was examined.
    file: Option<MarkFile>,
    /// When the file was made.
    made: Instant,
    kept: Kept,
    /// Why the operator's word is waited for, if it is; what was found first, or holds
    /// payments, comes first.
    waits_for: Vec<Cause>,
    /// What the ledger was told last.
    noted: Option<StoreMark>,
    had_store: bool,
}

impl Stores {
    /// The stores of `config`, which are compared when the ledger opens.
    ///
    /// # Errors
    /// A metric's name is taken.
    pub(crate) fn new(config: &Config, registry: &Registry) -> Result<Arc<Stores>> {
        let waiting = IntGauge::new(
            "axepool_restore_open",
            "1 while a restore, or a store that is lost or an older copy, waits for axepool restore accept",
        )?;
        registry.register(Box::new(waiting.clone()))?;
        let mint_words = config
            .mint
            .enabled
            .then(|| config.mint.mnemonic_file.clone());
        Ok(Self::of(config.data_dir.clone(), mint_words, waiting))
    }

    fn of(data_dir: PathBuf, mint_words: Option<PathBuf>, waiting: IntGauge) -> Arc<Stores> {
        Arc::new(Stores {
            data_dir,
            mint_words,
            inner: Mutex::new(Inner {
                file: None,
                made: Instant::now(),
                kept: Kept::default(),
                waits_for: Vec::new(),
                noted: None,
                had_store: false,
            }),
            waiting,
        })
    }

    /// Who compares the stores when the ledger opens.
    pub(crate) fn examiner(self: &Arc<Self>) -> Examiner {
        let stores = Arc::clone(self);
        Examiner::new(move |left| {
            let examined = stores.examine(left);
            examined.map_err(|error| ExamineError::from(format!("{error:#}")))
        })
    }

    fn examine(&self, left: &AsLeft) -> Result<GoOn> {
        let (mint, minds_mint) = self.stored_mint();
        let path = data_dir::store_marks(&self.data_dir);
        let marks = read_marks(&path).with_context(|| path.display().to_string())?;
        let (kept, is_copy) = marks.map_or((None, false), |(kept, is_copy)| (Some(kept), is_copy));
        let record = backup::read_restore(&self.data_dir).context("the record of the restore")?;
        let current = left.lineage.current();
        let ours = record.as_ref().filter(|record| record.after == current);
        let waiting = ours.filter(|record| record.accepted.is_none());
        let seen = Seen {
            ledger: left.clone(),
            noted: left.note.as_deref().and_then(read_note),
            minds_mint,
            mint,
            kept,
            is_copy,
            is_closed: left.lineage.was_restored() && waiting.is_some(),
        };
        let cause = decide(&seen);
        let (goes_on, waits_for) = match (cause, waiting) {
            (Some(cause), _) => {
                let begun = self.begin_anew(&seen, cause, record.as_ref())?;
                (GoOn::Anew(begun.after), Some(begun))
            }
            (None, Some(record)) if seen.is_closed => {
                (GoOn::AsLeft, Some(self.still_waits(&seen, record)?))
            }
            (None, waiting) => (GoOn::AsLeft, waiting.cloned()),
        };
        let is_doubted = seen.is_copy || cause == Some(Cause::Copied);
        self.found(left, goes_on, (&seen, is_doubted), waits_for.as_ref())?;
        Ok(goes_on)
    }

    /// What the mint's store says of itself, and whether that is to be minded. A mint that
    /// is switched off is not, nor a store that does not read or is of another mnemonic: it
    /// will not open, and says so.
    fn stored_mint(&self) -> (Option<StoredMarks>, bool) {
        let Some(words) = &self.mint_words else {
            return (None, false);
        };
        let mint = match mint::stored_marks(&data_dir::mint(&self.data_dir)) {
            Ok(mint) => mint,
            Err(error) => {
                tracing::error!(%error, "the mint's store cannot be compared with the ledger");
                return (None, false);
            }
        };
        let stored = mint.as_ref().and_then(|mint| mint.fingerprint.as_ref());
        let is_ours = match (stored, mint::fingerprint(words)) {
            (Some(stored), Ok(ours)) => *stored == ours,
            // Words that are not there, or do not read, are the mint's affair.
            (Some(_), Err(_)) | (None, _) => true,
        };
        (mint, is_ours)
    }

    /// Why a pool waits that waited before: what its journal tells now is written down before
    /// the ledger forgets what it found.
    fn still_waits(&self, seen: &Seen, record: &RestoreRecord) -> Result<RestoreRecord> {
        let found = beside(seen, record.cause);
        let Some((found, now)) = found.and_then(|found| Some((found, record.with(found)?))) else {
            return Ok(record.clone());
        };
        backup::write_restore(&self.data_dir, &now).context("the record of the restore")?;
        tracing::error!("{} as well: see axepool restore status", found.in_words());
        Ok(now)
    }

    /// Writes down why, before the ledger is changed: should that not happen, the next start
    /// finds the same again.
    fn begin_anew(
        &self,
        seen: &Seen,
        cause: Cause,
        before: Option<&RestoreRecord>,
    ) -> Result<RestoreRecord> {
        let left = &seen.ledger;
        let after = Incarnation::from_bytes(rand::random());
        let current = left.lineage.current();
        let earlier = before.and_then(|record| {
            // One of another incarnation is of a start that ended here before.
            let is_ours = record.after == current && record.cause.holds_payments();
            record.accepted.filter(|_| is_ours).or(record.earlier)
        });
        let now_ms = clock::now_ms();
        let record = RestoreRecord {
            made_ms: now_ms,
            restored_ms: now_ms,
            before: current,
            after,
            from: decide::begins_at(left),
            cause,
            also: beside(seen, cause).into_iter().collect(),
            earlier,
            accepted: None,
        };
        backup::write_restore(&self.data_dir, &record).context("the record of the restore")?;
        tracing::error!(
            before = %record.before,
            after = %record.after,
            "{}: the pool goes on as after a restore, closed until axepool restore accept",
            in_words(&record)
        );
        Ok(record)
    }

    /// From here on the stores that are there are the ones to be compared with.
    fn found(
        &self,
        left: &AsLeft,
        goes_on: GoOn,
        (seen, is_doubted): (&Seen, bool),
        waits_for: Option<&RestoreRecord>,
    ) -> Result<()> {
        let mut inner = self.inner();
        let of_kept = seen.kept.as_ref().and_then(|kept| kept.mint);
        let node = seen.kept.as_ref().map(|kept| kept.node);
        let node = node.unwrap_or_default();
        inner.had_store = of_kept.is_some() || left.outbox_done > OutboxId::START;
        let (incarnation, mint) = match goes_on {
            // One that is not minded says nothing of ours, which may come back.
            GoOn::AsLeft if !seen.minds_mint => (left.lineage.current(), of_kept),
            GoOn::AsLeft => (
                left.lineage.current(),
                seen.mint.as_ref().and_then(|mint| mint.mark),
            ),
            GoOn::Anew(after) => (after, None),
        };
        inner.noted = seen.noted;
        let causes = waits_for.map(|record| [&[record.cause][..], &record.also].concat());
        inner.waits_for = causes.unwrap_or_default();
        self.waiting.set(i64::from(waits_for.is_some()));
        inner.kept = Kept {
            mint,
            ledger: Some(LedgerMark {
                incarnation,
                boot: left.boot,
                bookings: left.bookings,
            }),
            born: None,
            node: KeptNode {
                is_doubted: node.is_doubted || is_doubted,
                ..node
            },
        };
        inner.make(&self.data_dir).context("the file of marks")
    }

    /// Whether the pool ever had a mint's store, by all that is known.
    pub(crate) fn had_mint_store(&self) -> bool {
        self.inner().had_store
    }

    /// How far the ledger was found.
    pub(crate) fn ledger_mark(&self) -> Option<LedgerMark> {
        self.inner().kept.ledger
    }

    /// Why the operator's word is waited for; empty when it is not. The first is the one that
    /// holds payments, if any does.
    pub(crate) fn waits_for(&self) -> Vec<Cause> {
        self.inner().waits_for.clone()
    }

    /// The operator's word is there.
    pub(crate) fn accepted(&self) {
        self.inner().waits_for.clear();
        self.waiting.set(0);
    }

    /// Tells the file how far the ledger is, and the ledger how far the mint's store is,
    /// where something changed. Called from time to time, and for the `last` time when the
    /// pool stops.
    pub(crate) async fn exchange(self: &Arc<Self>, ledger: &Ledger, last: bool) -> Result<()> {
        let (stores, reader) = (Arc::clone(self), ledger.reader().clone());
        let looking = move || stores.look_at(reader.bookings()?, last);
        if let Some(mark) = tokio::task::spawn_blocking(looking).await?? {
            ledger.note(serde_json::to_vec(&mark)?).await?;
            self.inner().noted = Some(mark);
        }
        Ok(())
    }

    /// Keeps how far the ledger is, and gives what it is to be told.
    fn look_at(&self, bookings: u64, last: bool) -> Result<Option<StoreMark>> {
        let mut inner = self.inner();
        let known = inner.kept.ledger;
        let is_news = known.is_some_and(|known| known.bookings < bookings);
        if is_news {
            inner.kept.ledger = known.map(|known| LedgerMark { bookings, ..known });
        }
        let kept = if last || inner.made.elapsed() >= ANEW {
            inner.make(&self.data_dir)
        } else if is_news {
            inner.write()
        } else {
            Ok(())
        };
        kept.context("the file of marks")?;
        Ok(inner.kept.mint.filter(|mark| inner.noted != Some(*mark)))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn write(&mut self) -> io::Result<()> {
        let file = self.file.as_mut();
        let file = file.ok_or_else(|| io::Error::other("the ledger was not opened yet"))?;
        file.write(&self.kept)
    }

    /// Makes the file anew: a copy that is written into it later is told from it.
    fn make(&mut self, data_dir: &Path) -> io::Result<()> {
        let path = data_dir::store_marks(data_dir);
        self.file = Some(MarkFile::make(&path, &mut self.kept)?);
        self.made = Instant::now();
        Ok(())
    }
}

impl Witness for Stores {
    fn tell(&self, mark: StoreMark) -> io::Result<()> {
        let mut inner = self.inner();
        let known = inner.kept.mint;
        if known.is_some_and(|known| known.store == mark.store && known.counter >= mark.counter) {
            return Ok(());
        }
        inner.kept.mint = Some(mark);
        let written = inner.write();
        if written.is_err() {
            inner.kept.mint = known;
        }
        written
    }
}

/// All that a record says was found.
fn in_words(record: &RestoreRecord) -> String {
    let also = record.also.iter().map(|cause| cause.in_words());
    let all: Vec<_> = std::iter::once(record.cause.in_words())
        .chain(also)
        .collect();
    all.join("; ")
}

/// The mint's mark, as the ledger keeps it.
fn read_note(note: &[u8]) -> Option<StoreMark> {
    serde_json::from_slice(note).ok()
}
