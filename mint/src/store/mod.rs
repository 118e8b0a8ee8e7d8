//! The mint's database as this room uses it: one writer at a time, with running totals
//! kept in the same transactions as what they count.
//!
//! Two properties of cdk's SQLite store ask for this layer. `BEGIN IMMEDIATE` waits
//! for SQLite's write lock by blocking its thread: a few writers at once stall the
//! whole runtime, and on one thread they wait for a lock whose holder cannot run. Here
//! they queue as tasks instead. And no query sums what quotes were paid and issued
//! without reading every row: the totals are counted where the rows are written.

mod guard;
mod old;
mod reads;
mod totals;
mod write;

use std::sync::Arc;

use async_trait::async_trait;
use cdk_common::database::mint::{Database, Transaction};
use cdk_common::database::{DynMintDatabase, Error};
use tokio::sync::Semaphore;

use crate::marks::Marking;
pub(crate) use guard::WriteGuard;
pub(crate) use old::{BOUND, CLAIMED, Door, Old, RESTORED, claim, raise};
pub(crate) use totals::read_totals;
use write::Write;

/// The mint's database behind a queue of one writer.
pub(crate) struct Store {
    inner: DynMintDatabase,
    writer: Arc<Semaphore>,
    guard: Arc<dyn WriteGuard>,
    door: Arc<Door>,
    marking: Arc<Marking>,
}

impl Store {
    /// The store over `inner`, which must not be written to in any other way.
    pub(crate) fn new(
        inner: DynMintDatabase,
        guard: Arc<dyn WriteGuard>,
        door: Arc<Door>,
        marking: Arc<Marking>,
    ) -> Self {
        Store {
            inner,
            writer: Arc::new(Semaphore::new(1)),
            guard,
            door,
            marking,
        }
    }
}

#[async_trait]
impl Database<Error> for Store {
    async fn begin_transaction(&self) -> Result<Box<dyn Transaction<Error> + Send + Sync>, Error> {
        let turn = Arc::clone(&self.writer)
            .acquire_owned()
            .await
            .map_err(|_| Error::Internal("the store is closed".into()))?;
        self.guard.before("begin")?;
        self.marking.is_told(&self.inner).await?;
        let inner = self.inner.begin_transaction().await?;
        let guard = Arc::clone(&self.guard);
        let marking = Arc::clone(&self.marking);
        let old = self.door.old();
        Ok(Box::new(Write::new(inner, turn, (guard, marking), old)))
    }
}
