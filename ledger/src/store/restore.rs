//! A store from a backup becomes a ledger of its own.

use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable};
use serde::Serialize;

use crate::store::checkpoint::{begin, json};
use crate::store::open::{FileOpener, OpenError, Opener, lineage, open_store};
use crate::store::tables::{META, QUOTES_PAID, meta};
use crate::store::{StoreError, caught};
use crate::{EpochId, Incarnation};

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
    let before = open_store(&database, None)?.incarnation;
    Ok(caught(|| {
        let restored = Restored {
            before,
            after: Incarnation::from_bytes(rand::random()),
            from: first_unpaid(&database)?,
        };
        let names = lineage(&database)?.restored(restored.from, restored.after);
        let write = begin(&database)?;
        let mut table = write.open_table(META)?;
        let after = restored.after.to_bytes();
        table.insert(meta::INCARNATION, after.as_slice())?;
        table.insert(meta::LINEAGE, json("lineage", &names)?.as_slice())?;
        drop(table);
        write.commit()?;
        Ok(restored)
    })?)
}

/// The epoch after the newest one with a quote that was paid.
fn first_unpaid(database: &Database) -> Result<EpochId, StoreError> {
    let paid = database.begin_read()?.open_table(QUOTES_PAID)?;
    let newest = paid.last()?.map(|(key, _)| EpochId::new(key.value().0));
    Ok(newest.map_or(EpochId::FIRST, EpochId::next))
}
