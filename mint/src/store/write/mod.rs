//! A write transaction: the inner one, its turn in the queue, and what it adds to the
//! totals. The tables that it writes have a file each.

mod ecash;
mod operations;
mod quotes;
mod records;

use std::sync::Arc;

use async_trait::async_trait;
use cdk_common::database::mint::Transaction;
use cdk_common::database::{DbTransactionFinalizer, DynMintTransaction, Error};
use cdk_common::mint::MintQuote;
use cdk_common::quote_id::QuoteId;
use tokio::sync::OwnedSemaphorePermit;

use super::guard::WriteGuard;
use super::old::{self, Old};
use super::totals::Totals;
use crate::marks::Marking;

/// A write transaction of the [`Store`](super::Store).
pub(super) struct Write {
    inner: Option<DynMintTransaction>,
    turn: Option<OwnedSemaphorePermit>,
    guard: Arc<dyn WriteGuard>,
    /// Counts the commit and tells of it.
    marking: Arc<Marking>,
    totals: Totals,
    /// The rule of a restored mint.
    old: Option<Arc<Old>>,
}

impl Write {
    pub(super) fn new(
        inner: DynMintTransaction,
        turn: OwnedSemaphorePermit,
        (guard, marking): (Arc<dyn WriteGuard>, Arc<Marking>),
        old: Option<Arc<Old>>,
    ) -> Self {
        Write {
            inner: Some(inner),
            turn: Some(turn),
            guard,
            marking,
            totals: Totals::default(),
            old,
        }
    }

    fn inner(&mut self) -> Result<&mut DynMintTransaction, Error> {
        self.inner
            .as_mut()
            .ok_or_else(|| Error::Internal("the transaction is over".into()))
    }
}

impl Write {
    /// Issues and payments of a quote from before a restore.
    async fn count_old_quote(&mut self, quote: &MintQuote, pending: Totals) -> Result<(), Error> {
        let Some(old) = self.old.clone() else {
            return Ok(());
        };
        if pending.issued_sat > 0 {
            old.is_open()?;
        }
        if !old.has(quote) {
            return Ok(());
        }
        if pending.paid_sat > 0 {
            old::raise(self.inner()?.as_mut(), pending.paid_sat).await?;
        }
        if pending.issued_sat > 0 {
            old::claim(self.inner()?.as_mut(), pending.issued_sat).await?;
        }
        Ok(())
    }
}

impl Drop for Write {
    /// A transaction that is dropped unfinished is rolled back in a task of its own:
    /// its turn must last until then, or the next writer would block its thread on a
    /// lock that only this task can release.
    fn drop(&mut self) {
        let (Some(inner), Some(turn)) = (self.inner.take(), self.turn.take()) else {
            return;
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = inner.rollback().await {
                    tracing::warn!(%error, "an unfinished write could not be rolled back; its connection is dropped");
                }
                drop(turn);
            });
        }
    }
}

#[async_trait]
impl DbTransactionFinalizer for Write {
    type Err = Error;

    async fn commit(mut self: Box<Self>) -> Result<(), Error> {
        self.guard.before("commit")?;
        let totals = self.totals;
        totals.store(self.inner()?.as_mut()).await?;
        let marking = Arc::clone(&self.marking);
        let mark = marking.count(self.inner()?.as_mut()).await?;
        let turn = self.turn.take();
        let guard = Arc::clone(&self.guard);
        let Some(inner) = self.inner.take() else {
            return Err(Error::Internal("the transaction is over".into()));
        };
        inner.commit().await?;
        // The next writer need not wait for the telling; who waits for this commit does.
        drop(turn);
        marking.tell(mark).await?;
        guard.before("committed")
    }

    async fn rollback(mut self: Box<Self>) -> Result<(), Error> {
        let turn = self.turn.take();
        let result = match self.inner.take() {
            Some(inner) => inner.rollback().await,
            None => Ok(()),
        };
        drop(turn);
        result
    }
}

#[async_trait]
impl Transaction<Error> for Write {
    async fn lock_quotes(&mut self, quote_ids: &[QuoteId]) -> Result<bool, Error> {
        self.inner()?.lock_quotes(quote_ids).await
    }
}
