//! The marks that identify the state of the mint's store: an id of its own, a counter that
//! every commit advances, and its progress through the rows of a ledger.
//!
//! A store that is lost, an older copy or another pool's cannot be told from a good one by
//! itself: it is whole, and it issues and redeems everything a second time. So its mark is
//! told to a [`Witness`] outside of the store after each commit and before anybody gets the
//! commit's answer, and compared at each start
//! (docs/decisions/0017-stores-that-are-not-the-last-ones.md).

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use accounting::{Incarnation, OutboxId, StoreId, StoreMark};
use bitcoin::hex::DisplayHex as _;
use cdk_common::database::{DynMintDatabase, Error};
use rusqlite::{Connection, OptionalExtension as _};
use serde::{Deserialize, Serialize};

use crate::copy::{BUSY, CopyError};
use crate::index::{self, Tx, read_number, stored_number, write_number};

/// Under [`index::AXEPOOL`]: all that is here.
pub(crate) const MARKS: &str = "marks";
const STORE: &str = "store";
pub(crate) const COUNTER: &str = "counter";
const LEDGER: &str = "ledger";
const APPLIED: &str = "applied";
const BEHIND: &str = "behind";

/// An id for a store that is made, or goes on as another one.
fn draw() -> StoreId {
    StoreId::from_bytes(rand::random())
}

/// The progress of a ledger at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerMark {
    /// The ledger's incarnation.
    pub incarnation: Incarnation,
    /// The number of its starts.
    pub boot: u32,
    /// The number of bookings in its books.
    pub bookings: u64,
}

/// Remembers the mark of the mint's store outside of it.
pub trait Witness: fmt::Debug + Send + Sync + 'static {
    /// Remembers `mark`; on disk when this returns. One of the same store that is not
    /// higher than the last one changes nothing.
    ///
    /// # Errors
    /// It cannot be written. The mint writes nothing more until it can.
    fn tell(&self, mark: StoreMark) -> io::Result<()>;
}

/// The marks in a mint's store; a store that an older program wrote has none of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredMarks {
    /// Its mark.
    pub mark: Option<StoreMark>,
    /// The ledger that it followed at its last opening.
    pub ledger: Option<LedgerMark>,
    /// The highest row of the outbox that was ever applied.
    pub applied: Option<OutboxId>,
    /// It was found to lack payments that it had acknowledged.
    pub is_behind: bool,
    /// Tells the mnemonic that its keys came from, as
    /// [`fingerprint`](crate::fingerprint) does.
    pub fingerprint: Option<String>,
}

/// The marks in the store in `dir`; `None` when there is no store. Nothing may have it
/// open for writing meanwhile.
///
/// # Errors
/// It does not read.
pub fn stored_marks(dir: &Path) -> Result<Option<StoredMarks>, CopyError> {
    let path = dir.join("mint.sqlite");
    if !path.try_exists()? {
        return Ok(None);
    }
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    let table = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'kv_store'";
    let table: Option<String> = connection
        .query_row(table, [], |row| row.get(0))
        .optional()?;
    if table.is_none() {
        return Ok(Some(StoredMarks::default()));
    }
    let value = |namespace: &str, key: &str| -> Result<Option<Vec<u8>>, rusqlite::Error> {
        let query = "SELECT value FROM kv_store WHERE primary_namespace = ?1 \
                     AND secondary_namespace = ?2 AND key = ?3";
        let keys = [index::AXEPOOL, namespace, key];
        connection
            .query_row(query, keys, |row| row.get(0))
            .optional()
    };
    let store = value(MARKS, STORE)?.map(text).map(StoreId::try_from);
    let store = store.transpose().map_err(damaged)?;
    let counter = value(MARKS, COUNTER)?.map(number).transpose()?;
    let ledger = value(MARKS, LEDGER)?.map(|row| serde_json::from_slice(&row));
    let applied = value(MARKS, APPLIED)?.map(number).transpose()?;
    Ok(Some(StoredMarks {
        mark: store.map(|store| StoreMark {
            store,
            counter: counter.unwrap_or(0),
        }),
        ledger: ledger.transpose().map_err(damaged)?,
        applied: applied.map(OutboxId::new),
        is_behind: value(MARKS, BEHIND)?.is_some(),
        fingerprint: value(index::SEED, crate::seed::FINGERPRINT)?
            .map(|print| print.to_lower_hex_string()),
    }))
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

fn number(bytes: Vec<u8>) -> Result<u64, CopyError> {
    text(bytes).parse().map_err(damaged)
}

fn damaged(error: impl std::error::Error + Send + Sync + 'static) -> CopyError {
    CopyError::Io(io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The open store's own: which it is, and who is told of its commits.
#[derive(Debug, Default)]
pub(crate) struct Marking {
    store: OnceLock<StoreId>,
    witness: Option<Arc<dyn Witness>>,
    /// The witness could not be told of the last commit.
    is_untold: AtomicBool,
}

impl Marking {
    pub(crate) fn new(witness: Option<Arc<dyn Witness>>) -> Marking {
        Marking {
            witness,
            ..Marking::default()
        }
    }

    /// Counts a commit that is about to be made, inside its transaction. A store whose id
    /// is not known yet is one that is being opened.
    pub(crate) async fn count(&self, tx: Tx<'_>) -> Result<Option<StoreMark>, Error> {
        let Some(&store) = self.store.get() else {
            return Ok(None);
        };
        let counter = read_number(&mut *tx, MARKS, COUNTER).await?;
        let counter = counter.checked_add(1).ok_or(Error::AmountOverflow)?;
        write_number(tx, MARKS, COUNTER, counter).await?;
        Ok(Some(StoreMark { store, counter }))
    }

    /// Tells of a commit that was made. What waited for it is answered after this.
    pub(crate) async fn tell(&self, mark: Option<StoreMark>) -> Result<(), Error> {
        let (Some(mark), Some(witness)) = (mark, self.witness.clone()) else {
            return Ok(());
        };
        let told = tokio::task::spawn_blocking(move || witness.tell(mark)).await;
        let told = told.map_err(|error| Error::Internal(error.to_string()))?;
        self.is_untold.store(told.is_err(), Ordering::Release);
        told.map_err(|error| untold(&error))
    }

    /// Before a write: an error while the last commit could not be told. It is told again
    /// by this.
    pub(crate) async fn is_told(&self, store: &DynMintDatabase) -> Result<(), Error> {
        if !self.is_untold.load(Ordering::Acquire) {
            return Ok(());
        }
        let counter = stored_number(store, MARKS, COUNTER).await?;
        let id = self.store.get().copied();
        self.tell(id.map(|store| StoreMark { store, counter }))
            .await
    }
}

fn untold(error: &io::Error) -> Error {
    tracing::error!(%error, "the mint's mark cannot be written: the mint's writes wait");
    Error::Internal(format!("the mint's mark cannot be written: {error}"))
}

/// Gives a store without an id one, and notes `ledger` as the one that it follows from now
/// on. The commit of it is told: before anything is served the mark is one that no copy
/// from before this start has.
pub(crate) async fn begin(
    store: &DynMintDatabase,
    marking: &Marking,
    ledger: Option<LedgerMark>,
) -> Result<(), Error> {
    let stored = store.kv_read(index::AXEPOOL, MARKS, STORE).await?;
    let id = match stored {
        Some(stored) => StoreId::try_from(text(stored))
            .map_err(|_| Error::Internal("the stored store's id is none".into()))?,
        None => draw(),
    };
    // Before the transaction, so that it is counted and told.
    let id = *marking.store.get_or_init(|| id);
    let mut tx = store.begin_transaction().await?;
    put_id(tx.as_mut(), id).await?;
    if let Some(ledger) = &ledger {
        index::write_json(tx.as_mut(), index::AXEPOOL, MARKS, LEDGER, ledger).await?;
    }
    tx.commit().await
}

/// From now on it is another store: what an older copy of it is compared with is not what
/// becomes of this one. Inside the transaction that makes it a restored one, which is
/// before [`begin`]. `applied`: every row of the outbox that there is by now.
pub(crate) async fn begin_anew(tx: Tx<'_>, applied: OutboxId) -> Result<(), Error> {
    put_id(&mut *tx, draw()).await?;
    write_number(&mut *tx, MARKS, APPLIED, applied.get()).await?;
    tx.kv_remove(index::AXEPOOL, MARKS, BEHIND).await
}

async fn put_id(tx: Tx<'_>, id: StoreId) -> Result<(), Error> {
    tx.kv_write(index::AXEPOOL, MARKS, STORE, id.to_string().as_bytes())
        .await
}

/// Notes that rows up to `last` were applied, inside the transaction that applies them.
pub(crate) async fn applied(tx: Tx<'_>, last: OutboxId) -> Result<(), Error> {
    let known = read_number(&mut *tx, MARKS, APPLIED).await?;
    if last.get() > known {
        write_number(tx, MARKS, APPLIED, last.get()).await?;
    }
    Ok(())
}

/// Stores for the next start that acknowledged payments are missing.
pub(crate) async fn set_behind(store: &DynMintDatabase) -> Result<(), Error> {
    let mut tx = store.begin_transaction().await?;
    tx.kv_write(index::AXEPOOL, MARKS, BEHIND, b"1").await?;
    tx.commit().await
}

/// True when the store says that acknowledged payments are missing.
pub(crate) async fn is_behind(store: &DynMintDatabase) -> Result<bool, Error> {
    let stored = store.kv_read(index::AXEPOOL, MARKS, BEHIND).await?;
    Ok(stored.is_some())
}
