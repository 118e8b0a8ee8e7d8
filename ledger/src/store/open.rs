//! A store becomes a ledger: made new, or checked, read and its journal replayed.

use accounting::{
    CloseCause, Epoch, EpochId, EpochState, EpochTerms, Incarnation, Lineage, OutboxId,
};
use redb::{Database, ReadableDatabase};

use crate::entry;
use crate::error::{OpenError, StoreError};
use crate::journal::{self, Journal, JournalUnfit, Named, Read};
use crate::state::{Start, State};
use crate::store::books::create_books;
use crate::store::checkpoint::begin;
use crate::store::open_file::Opener;
use crate::store::snapshot::json;
use crate::store::tables::{
    BLOCKS, BUCKETS, EPOCHS, JOURNAL, MARKS, META, OUTBOX, PACKED_ACCOUNTS, PACKED_TALLIES,
    QUOTED_SHARES, SCHEMA, SESSIONS, TALLIES, WORKERS, meta,
};
use crate::store::{Snapshot, caught};

/// A ledger as it was left.
pub(crate) struct Opened {
    /// It was made just now.
    pub(crate) is_new: bool,
    pub(crate) incarnation: Incarnation,
    /// Which names the quotes of which epochs.
    pub(crate) lineage: Lineage,
    /// How often it was started before.
    pub(crate) boot: u32,
    /// With the journal replayed.
    pub(crate) state: State,
    /// The journal, where it belongs to the store.
    pub(crate) journal: Option<Journal>,
    /// Why the journal does not fit, now or when the store was opened last: the state may then
    /// be less than there was.
    pub(crate) unfit: Option<JournalUnfit>,
    /// A journal is there that is not the store's, and something was written to it.
    pub(crate) has_used_journal: bool,
}

/// How to read a journal.
#[derive(Debug)]
pub(crate) struct JournalFile<'a> {
    pub(crate) opener: &'a dyn Opener,
    /// By so many blocks it grows.
    pub(crate) growth: u64,
}

/// Reads a ledger; with `first` given, makes it where there is none.
pub(crate) fn open_store(
    database: &Database,
    file: &JournalFile<'_>,
    first: Option<(EpochTerms, u64)>,
) -> Result<Opened, OpenError> {
    let found = schema(database)?;
    if let Some(found) = found {
        if found > SCHEMA {
            return Err(OpenError::NewerSchema {
                found,
                supported: SCHEMA,
            });
        }
        if found < SCHEMA {
            caught(|| migrate(database, found))?;
        }
    } else if let Some((terms, now_ms)) = first {
        caught(|| initialise(database, terms, now_ms))?;
    }
    Ok(Opened {
        is_new: found.is_none(),
        ..read(database, file)?
    })
}

/// As [`open_store`], for who does not decide how a ledger goes on that has lost its
/// journal: it is refused.
pub(crate) fn open_whole(database: &Database, opener: &dyn Opener) -> Result<Opened, OpenError> {
    let file = JournalFile { opener, growth: 1 };
    let opened = open_store(database, &file, None)?;
    match opened.unfit {
        Some(unfit) => Err(OpenError::journal(opener.journal_path(), unfit.into())),
        None => Ok(opened),
    }
}

/// What the store knows of its journal.
pub(crate) fn named_journal(database: &Database) -> Result<Option<Named>, StoreError> {
    let row = Snapshot::begin(database)?.meta(meta::JOURNAL_FILE)?;
    Ok(row.as_deref().map(Named::of_row).transpose()?)
}

/// Which ledger this is: asked after a reopen, lest we go on in another file.
pub(crate) fn identity(database: &Database) -> Result<Incarnation, StoreError> {
    caught(|| {
        let bytes = Snapshot::begin(database)?.meta(meta::INCARNATION)?;
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(Incarnation::from_bytes)
            .ok_or(StoreError::Missing(meta::INCARNATION))
    })
}

/// The names of its quotes.
pub(super) fn lineage(database: &Database) -> Result<Lineage, StoreError> {
    match Snapshot::begin(database)?.meta(meta::LINEAGE)? {
        Some(row) => json("lineage", &row),
        None => Ok(identity(database)?.into()),
    }
}

fn schema(database: &Database) -> Result<Option<u64>, StoreError> {
    let read = database.begin_read()?;
    let table = match read.open_table(META) {
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
        table => table?,
    };
    let row = table.get(meta::SCHEMA)?;
    let row = row.and_then(|row| row.value().try_into().ok());
    Ok(Some(u64::from_be_bytes(
        row.ok_or(StoreError::Missing(meta::SCHEMA))?,
    )))
}

fn initialise(database: &Database, terms: EpochTerms, now_ms: u64) -> Result<(), StoreError> {
    let write = begin(database)?;
    {
        let mut table = write.open_table(META)?;
        let incarnation: [u8; 16] = rand::random();
        table.insert(meta::SCHEMA, SCHEMA.to_be_bytes().as_slice())?;
        table.insert(meta::INCARNATION, incarnation.as_slice())?;
        for (name, number) in [
            (meta::BOOT, 0),
            (meta::BATCH, 0),
            (meta::NEXT_OUTBOX, 1),
            (meta::NOW_MS, 0),
            (meta::OPEN_EPOCH, EpochId::FIRST.get()),
        ] {
            table.insert(name, number.to_be_bytes().as_slice())?;
        }
        let epoch = Epoch::open(EpochId::FIRST, now_ms, terms);
        let row = serde_json::to_vec(&epoch).map_err(|source| StoreError::Json {
            table: "epochs",
            source,
        })?;
        write
            .open_table(EPOCHS)?
            .insert(epoch.id.get(), row.as_slice())?;
        // All of them, so that no reader meets a missing one.
        write.open_table(JOURNAL)?;
        write.open_table(TALLIES)?;
        write.open_table(PACKED_TALLIES)?;
        write.open_table(WORKERS)?;
        write.open_table(BUCKETS)?;
        write.open_table(SESSIONS)?;
        write.open_table(OUTBOX)?;
        write.open_table(BLOCKS)?;
        write.open_table(QUOTED_SHARES)?;
        write.open_table(MARKS)?;
    }
    create_books(&write)?;
    Ok(write.commit()?)
}

/// Brings a store of the schema `found` to this one, all or nothing.
fn migrate(database: &Database, found: u64) -> Result<(), StoreError> {
    let write = begin(database)?;
    if found < 2 {
        create_books(&write)?;
    }
    write.open_table(QUOTED_SHARES)?;
    write.open_table(MARKS)?;
    write.open_table(PACKED_TALLIES)?;
    write.open_table(PACKED_ACCOUNTS)?;
    write
        .open_table(META)?
        .insert(meta::SCHEMA, SCHEMA.to_be_bytes().as_slice())?;
    Ok(write.commit()?)
}

fn read(database: &Database, file: &JournalFile<'_>) -> Result<Opened, OpenError> {
    let (mut opened, mut snapshot) = caught(|| read_rows(database))?;
    let (path, named) = (file.opener.journal_path(), named_journal(database)?);
    let error = |error| OpenError::journal(path.clone(), error);
    let beside = file.opener.open_journal().map_err(|io| error(io.into()))?;
    let stored = opened.state.batch();
    match journal::read(beside, named, stored, file.growth).map_err(error)? {
        Read::Fits(journal, batches) => {
            opened.journal = Some(journal);
            caught(|| {
                for (number, row) in &batches {
                    replay(&mut opened.state, *number, row, &mut snapshot)?;
                }
                Ok(())
            })?;
        }
        Read::None => (),
        // A start that ended early had set the unfit one aside and made this one.
        Read::Unfit { is_used: false, .. } if opened.unfit.is_some() => (),
        Read::Unfit { unfit, is_used } => {
            opened.unfit = Some(JournalUnfit::graver(opened.unfit, unfit));
            opened.has_used_journal = is_used;
        }
    }
    Ok(opened)
}

/// The rows of the store, without those of the journal.
fn read_rows(database: &Database) -> Result<(Opened, Snapshot), StoreError> {
    let mut snapshot = Snapshot::begin(database)?;
    let epochs = snapshot.epochs(EpochId::new(0), usize::MAX)?;
    let open = EpochId::new(snapshot.number(meta::OPEN_EPOCH)?);
    let open = epochs.iter().find(|epoch| epoch.id == open);
    let dissolved = snapshot.dissolved()?;
    let standing = epochs.iter().filter(|epoch| !dissolved.contains(&epoch.id));
    let closed_by = standing.filter_map(|epoch| match epoch.state {
        EpochState::Closed {
            cause: CloseCause::OceanBlock { hash, .. },
            ..
        } => Some((hash, epoch.id)),
        _ => None,
    });
    let mut state = State::new(Start {
        batch: snapshot.number(meta::BATCH)?,
        next_outbox: OutboxId::new(snapshot.number(meta::NEXT_OUTBOX)?),
        now_ms: snapshot.number(meta::NOW_MS)?,
        open: *open.ok_or(StoreError::Missing("open epoch"))?,
        closed_by: closed_by.collect(),
    });
    for row in snapshot.journal_after(state.batch())? {
        let (number, row) = row?;
        replay(&mut state, number.value(), row.value(), &mut snapshot)?;
    }
    let unfit = snapshot.meta(meta::JOURNAL_UNFIT)?;
    let unfit = unfit.and_then(|code| code.try_into().ok().map(u64::from_be_bytes));
    let boot = u32::try_from(snapshot.number(meta::BOOT)?).unwrap_or(u32::MAX);
    let opened = Opened {
        is_new: false,
        incarnation: identity(database)?,
        lineage: lineage(database)?,
        boot,
        state,
        journal: None,
        unfit: unfit.and_then(JournalUnfit::of_code),
        has_used_journal: false,
    };
    Ok((opened, snapshot))
}

fn replay(
    state: &mut State,
    number: u64,
    row: &[u8],
    snapshot: &mut Snapshot,
) -> Result<(), StoreError> {
    let entries = entry::batch(row)?;
    state.prepare(&entries, snapshot)?;
    state.apply(number, &entries, |_| ());
    Ok(())
}
