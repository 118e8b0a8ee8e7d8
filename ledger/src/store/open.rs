//! A file becomes a ledger: made new, or checked, read and replayed.

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use accounting::{
    CloseCause, Epoch, EpochId, EpochState, EpochTerms, Incarnation, Lineage, OutboxId,
};
use redb::backends::FileBackend;
use redb::{Database, DatabaseError, ReadableDatabase};

use crate::entry;
use crate::error::{OpenError, StoreError};
use crate::state::{Start, State};
use crate::store::books::create_books;
use crate::store::checkpoint::begin;
use crate::store::length::SyncedLength;
use crate::store::snapshot::json;
use crate::store::tables::{
    BLOCKS, BUCKETS, EPOCHS, JOURNAL, MARKS, META, OUTBOX, PACKED_ACCOUNTS, PACKED_TALLIES,
    QUOTED_SHARES, SCHEMA, SESSIONS, TALLIES, WORKERS, meta,
};
use crate::store::{Snapshot, caught};

/// Opens the database, again if need be. The one seam under the store: the tests put
/// failing disks here.
pub(crate) trait Opener: Debug + Send + Sync {
    /// Opens it, and makes it new when `create` and there is none.
    fn open(&self, create: bool) -> Result<Database, OpenError>;
}

/// The file of a real ledger.
#[derive(Debug)]
pub(crate) struct FileOpener {
    pub(crate) path: PathBuf,
    pub(crate) cache_bytes: usize,
}

impl Opener for FileOpener {
    fn open(&self, create: bool) -> Result<Database, OpenError> {
        let path = &self.path;
        let io = |source| OpenError::Io {
            path: path.clone(),
            source,
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let file = match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && create => {
                self.make(&mut options)?;
                options.open(path).map_err(io)?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(OpenError::NoLedger(path.clone()));
            }
            file => file.map_err(io)?,
        };
        // An empty file would be made a new database whatever we say.
        if !create && file.metadata().map_err(io)?.len() == 0 {
            return Err(OpenError::NoLedger(path.clone()));
        }
        self.database(file)
    }
}

impl FileOpener {
    /// Makes an empty database. Under another name until it is whole: one that lost its
    /// power half made is refused ever after.
    fn make(&self, options: &mut OpenOptions) -> Result<(), OpenError> {
        let io = |source| OpenError::Io {
            path: self.path.clone(),
            source,
        };
        let mut unfinished = self.path.clone().into_os_string();
        unfinished.push(".new");
        let file = private(options)
            .create(true)
            .open(&unfinished)
            .map_err(io)?;
        // Two first starts at once: one of them makes it.
        file.try_lock()
            .map_err(|_| OpenError::LockedByAnother(self.path.clone()))?;
        file.set_len(0).map_err(io)?;
        drop(self.database(file)?);
        match std::fs::hard_link(&unfinished, &self.path) {
            Ok(()) => std::fs::remove_file(&unfinished).map_err(io)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(OpenError::LockedByAnother(self.path.clone()));
            }
            // A card's file system may have no links. A rename replaces what is there,
            // so it comes second.
            Err(_) => std::fs::rename(&unfinished, &self.path).map_err(io)?,
        }
        sync_directory(&self.path).map_err(io)
    }

    fn database(&self, file: File) -> Result<Database, OpenError> {
        // redb repairs what it has just made as well: nothing to worry anybody with.
        let is_new = file.metadata().is_ok_and(|metadata| metadata.len() == 0);
        let opened = caught(|| {
            let backend = FileBackend::new(file).map(SyncedLength);
            let mut builder = Database::builder();
            builder
                .set_cache_size(self.cache_bytes)
                .set_repair_callback(move |repair| {
                    if !is_new {
                        let progress = repair.progress();
                        tracing::warn!(progress, "the ledger was not closed: checking it");
                    }
                });
            Ok(backend.and_then(|backend| builder.create_with_backend(backend)))
        })?;
        opened.map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => OpenError::LockedByAnother(self.path.clone()),
            other => OpenError::Store(other.into()),
        })
    }
}

#[cfg(unix)]
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600)
}

#[cfg(not(unix))]
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

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
}

/// Reads a ledger; with `first` given, makes it where there is none.
pub(crate) fn open_store(
    database: &Database,
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
        ..caught(|| read(database))?
    })
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

fn read(database: &Database) -> Result<Opened, StoreError> {
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
        let entries = entry::batch(row.value())?;
        state.prepare(&entries, &mut snapshot)?;
        state.apply(number.value(), &entries, |_| ());
    }
    let boot = u32::try_from(snapshot.number(meta::BOOT)?).unwrap_or(u32::MAX);
    Ok(Opened {
        is_new: false,
        incarnation: identity(database)?,
        lineage: lineage(database)?,
        boot,
        state,
    })
}
