//! How far the node's channels are: the mark in its store, and the store's place on the disk.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use accounting::StoreMark;
use ldk_node::io::sqlite_store::{KV_TABLE_NAME, SQLITE_DB_FILE_NAME, SqliteStore};
use lightning::io;
use lightning::util::persist::KVStoreSync;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::marks::{self, Found, MarkKeeper, Part};

/// The namespace of our own records.
const OURS: &str = "axepool";

/// The key of the store's mark.
const MARK: &str = "mark";

/// How far the channels are.
pub(super) struct ChannelsMark {
    sqlite: Arc<SqliteStore>,
    keeper: Arc<dyn MarkKeeper>,
    last: Mutex<StoreMark>,
}

impl ChannelsMark {
    /// The mark of the store in `sqlite`, which gets its first one if it has none.
    pub(super) fn open(
        sqlite: &Arc<SqliteStore>,
        keeper: Arc<dyn MarkKeeper>,
    ) -> io::Result<ChannelsMark> {
        let last = match read_ours(sqlite, MARK)? {
            Some(mark) => mark,
            None => {
                let mark = marks::begin();
                write_ours(sqlite, MARK, &mark)?;
                keeper.keep(Part::Channels, mark)?;
                mark
            }
        };
        Ok(ChannelsMark {
            sqlite: Arc::clone(sqlite),
            keeper,
            last: Mutex::new(last),
        })
    }

    /// A channel's state was written: whoever has a copy of before has an older one. Called
    /// before its peer hears of that state. The node does not stop where this cannot be kept:
    /// its channels are well, and only a copy of them might not be known as such.
    pub(super) fn advance(&self) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let next = last.next();
        let kept = write_ours(&self.sqlite, MARK, &next).and_then(|()| {
            *last = next;
            self.keeper
                .keep(Part::Channels, next)
                .map_err(io::Error::from)
        });
        if let Err(error) = kept {
            tracing::error!(%error, "how far the channels are cannot be kept: an older copy of them may not be known as one");
        }
    }
}

pub(super) fn open_sqlite(dir: &Path) -> io::Result<SqliteStore> {
    let (file, table) = (SQLITE_DB_FILE_NAME.to_owned(), KV_TABLE_NAME.to_owned());
    SqliteStore::new(dir.to_owned(), Some(file), Some(table))
}

pub(super) fn read_ours<T: DeserializeOwned>(
    sqlite: &SqliteStore,
    key: &str,
) -> io::Result<Option<T>> {
    match KVStoreSync::read(sqlite, OURS, "", key) {
        Ok(bytes) => {
            let read = serde_json::from_slice(&bytes).map(Some);
            read.map_err(|error| not_ours(key, &error))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn write_ours(
    sqlite: &SqliteStore,
    key: &str,
    value: &impl Serialize,
) -> io::Result<()> {
    let bytes = serde_json::to_vec(value).map_err(|error| not_ours(key, &error))?;
    KVStoreSync::write(sqlite, OURS, "", key, bytes)
}

fn not_ours(key: &str, error: &serde_json::Error) -> io::Error {
    let why = format!("{OURS}/{key} in the node's store: {error}");
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// What the store in `dir` is, for the comparison at a start.
pub(in crate::node) fn found(dir: &Path) -> io::Result<Found> {
    if !dir.join(SQLITE_DB_FILE_NAME).try_exists()? {
        return Ok(Found::Nothing);
    }
    let mark = read_ours(&open_sqlite(dir)?, MARK)?;
    Ok(mark.map_or(Found::Unmarked, Found::Marked))
}

/// Puts the store in `dir` out of the way, under a name with `secs` in it.
pub(in crate::node) fn set_aside(dir: &Path, secs: u64) -> std::io::Result<()> {
    // SQLite's own files first: a store without them is whole, they without it are nothing.
    for end in ["-journal", "-wal", "-shm", ""] {
        let path = dir.join(format!("{SQLITE_DB_FILE_NAME}{end}"));
        let aside = dir.join(format!("{SQLITE_DB_FILE_NAME}.set-aside-{secs}{end}"));
        match std::fs::rename(path, aside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    std::fs::File::open(dir)?.sync_all()
}

/// Makes the store in `dir` another one than that which was known.
pub(in crate::node) fn begin_anew(dir: &Path) -> io::Result<StoreMark> {
    std::fs::create_dir_all(dir)?;
    let mark = marks::begin();
    write_ours(&open_sqlite(dir)?, MARK, &mark)?;
    Ok(mark)
}
