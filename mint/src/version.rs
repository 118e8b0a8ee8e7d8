//! The schema version of the mint's store: of cdk's tables and of our records. A store that a
//! newer program wrote is refused before anything looks at it.

use std::path::Path;

use cdk_common::database::{DynMintDatabase, Error};
use rusqlite::{Connection, OptionalExtension as _};

use crate::copy::{BUSY, CopyError};
use crate::index;
use crate::open_error::OpenError;

/// The newest change of cdk's tables that this cdk makes. cdk applies what it knows and
/// says nothing of what it does not.
pub(crate) const NEWEST_MIGRATION: &str = "20260811000000_add_last_checked_to_mint_quote.sql";

/// Our records, see `index`. 2 has the marks, which an older program would not keep up.
const RECORDS: u64 = 2;

/// Under [`index::AXEPOOL`].
const FORMAT: &str = "format";
const KEY: &str = "records";

/// The newest change of the tables of the store at `path`; `None` for a store without any.
pub(crate) fn newest_migration(path: &Path) -> Result<Option<String>, CopyError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    let there = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'migrations'";
    let there: Option<String> = connection
        .query_row(there, [], |row| row.get(0))
        .optional()?;
    if there.is_none() {
        return Ok(None);
    }
    // The first ones are numbered, the later ones begin with their day.
    let newest = "SELECT MAX(name) FROM migrations WHERE name GLOB '20*'";
    Ok(connection.query_row(newest, [], |row| row.get(0))?)
}

/// Refuses a store whose tables are newer than cdk's here.
pub(crate) fn check_tables(path: &Path) -> Result<(), OpenError> {
    if !path.exists() {
        return Ok(());
    }
    match newest_migration(path)? {
        Some(found) if found.as_str() > NEWEST_MIGRATION => Err(OpenError::Newer {
            path: path.to_owned(),
            found,
            known: NEWEST_MIGRATION.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Refuses a store with records newer than ours, and marks one that says nothing.
pub(crate) async fn check_records(store: &DynMintDatabase, path: &Path) -> Result<(), OpenError> {
    let stored = store.kv_read(index::AXEPOOL, FORMAT, KEY).await?;
    let Some(stored) = stored else {
        return write(store).await;
    };
    let text = String::from_utf8_lossy(&stored).into_owned();
    match text.parse::<u64>() {
        Ok(RECORDS) => Ok(()),
        Ok(found) if found < RECORDS => write(store).await,
        Ok(_) => Err(OpenError::Newer {
            path: path.to_owned(),
            found: format!("records {text}"),
            known: format!("records {RECORDS}"),
        }),
        Err(_) => Err(Error::Internal(format!("the stored format {text:?} is none")).into()),
    }
}

async fn write(store: &DynMintDatabase) -> Result<(), OpenError> {
    let mut tx = store.begin_transaction().await?;
    let format = RECORDS.to_string();
    tx.kv_write(index::AXEPOOL, FORMAT, KEY, format.as_bytes())
        .await?;
    Ok(tx.commit().await?)
}
