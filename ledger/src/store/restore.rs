//! A store from a backup becomes a ledger of its own.

use std::path::Path;

use accounting::{EpochId, Incarnation, OutboxId};
use redb::{Database, ReadableDatabase, ReadableTable};
use serde::Serialize;

use crate::error::{OpenError, StoreError};
use crate::examine::{AsLeft, Examiner, GoOn};
use crate::journal::JournalUnfit;
use crate::store::checkpoint::{begin, json};
use crate::store::open::{Opened, lineage, open_whole};
use crate::store::open_file::{FileOpener, Opener};
use crate::store::tables::{META, QUOTES_PAID, meta};
use crate::store::{Snapshot, caught};

/// What a restore made of a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// The incarnation of the ledger that was backed up.
    pub before: Incarnation,
    /// The one that it has now.
    pub after: Incarnation,
    /// The first epoch whose quotes are named by it.
    pub from: EpochId,
}

/// Gives the ledger at `path`, a copy that nobody has open, an incarnation of its own.
/// From the first epoch on that no payment had reached, quotes get new names: what
/// became of the old ones after the backup is not known.
///
/// # Errors
/// It cannot be read as a ledger, or not be written.
pub fn restore(path: &Path) -> Result<Restored, OpenError> {
    const CACHE_BYTES: usize = 16 << 20;
    let opener = FileOpener {
        path: path.to_owned(),
        cache_bytes: CACHE_BYTES,
    };
    let database = opener.open(false)?;
    // Brings it to this schema, and shows that all of it reads.
    let before = open_whole(&database, &opener)?.incarnation;
    let after = Incarnation::from_bytes(rand::random());
    let from = begin_anew(&database, after)?;
    Ok(Restored {
        before,
        after,
        from,
    })
}

/// Has quotes of the first unpaid epoch and later ones named by `after`, and gives that
/// epoch.
fn begin_anew(database: &Database, after: Incarnation) -> Result<EpochId, StoreError> {
    caught(|| {
        let from = first_unpaid(newest_paid(database)?);
        let names = lineage(database)?.restored(from, after);
        let write = begin(database)?;
        let mut table = write.open_table(META)?;
        table.insert(meta::INCARNATION, after.to_bytes().as_slice())?;
        table.insert(meta::LINEAGE, json("lineage", &names)?.as_slice())?;
        table.remove(meta::NOTE)?;
        table.remove(meta::JOURNAL_UNFIT)?;
        drop(table);
        write.commit()?;
        Ok(from)
    })
}

/// The newest epoch with a quote that was paid.
fn newest_paid(database: &Database) -> Result<Option<EpochId>, StoreError> {
    let paid = database.begin_read()?.open_table(QUOTES_PAID)?;
    Ok(paid.last()?.map(|(key, _)| EpochId::new(key.value().0)))
}

fn first_unpaid(newest_paid: Option<EpochId>) -> EpochId {
    newest_paid.map_or(EpochId::FIRST, EpochId::next)
}

/// Asks `examiner` how `opened`, whose journal is in its rows by now, goes on, and lets it.
pub(crate) fn examine(
    database: &Database,
    opened: &mut Opened,
    examiner: &Examiner,
) -> Result<(), OpenError> {
    let left = caught(|| as_left(database, opened))?;
    match examiner.ask(&left).map_err(OpenError::Examined)? {
        GoOn::AsLeft => forget_unfit(database, opened)?,
        GoOn::Anew(after) => {
            begin_anew(database, after)?;
            opened.incarnation = after;
            opened.lineage = lineage(database)?;
        }
    }
    Ok(())
}

/// Keeps what is wrong with the journal, before anything is done to that: whenever this start
/// ends, the next one tells of it.
pub(crate) fn keep_unfit(database: &Database, unfit: JournalUnfit) -> Result<(), StoreError> {
    caught(|| {
        let write = begin(database)?;
        let code = unfit.code().to_be_bytes();
        write
            .open_table(META)?
            .insert(meta::JOURNAL_UNFIT, code.as_slice())?;
        Ok(write.commit()?)
    })
}

/// It is decided how a ledger goes on whose journal was unfit.
fn forget_unfit(database: &Database, opened: &mut Opened) -> Result<(), StoreError> {
    if opened.unfit.take().is_none() {
        return Ok(());
    }
    caught(|| {
        let write = begin(database)?;
        write.open_table(META)?.remove(meta::JOURNAL_UNFIT)?;
        Ok(write.commit()?)
    })
}

fn as_left(database: &Database, opened: &Opened) -> Result<AsLeft, StoreError> {
    let snapshot = Snapshot::begin(database)?;
    let waiting = snapshot.outbox(OutboxId::START, 1)?;
    let before = |id: OutboxId| OutboxId::new(id.get().saturating_sub(1));
    let outbox_end = before(opened.state.next_outbox());
    let newest_paid = newest_paid(database)?;
    Ok(AsLeft {
        is_new: opened.is_new,
        lineage: opened.lineage.clone(),
        boot: opened.boot.saturating_add(1),
        bookings: snapshot.number(meta::BOOKINGS)?,
        outbox_end,
        outbox_done: waiting.first().map_or(outbox_end, |row| before(row.id)),
        has_paid: newest_paid.is_some(),
        first_unpaid: first_unpaid(newest_paid),
        note: snapshot.meta(meta::NOTE)?,
        journal_unfit: opened.unfit,
    })
}

/// Keeps `note` instead of the last one.
pub(crate) fn write_note(database: &Database, note: &[u8]) -> Result<(), StoreError> {
    caught(|| {
        let write = begin(database)?;
        write.open_table(META)?.insert(meta::NOTE, note)?;
        Ok(write.commit()?)
    })
}
