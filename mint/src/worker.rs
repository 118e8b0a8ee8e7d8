//! The worker that drains the ledger's outbox into the mint, and repairs a mint store that is
//! behind the ledger.
//!
//! The mint is never ahead of the ledger, since it does only what rows say; it may be
//! behind. A row is marked done after the mint's commit: a crash in between delivers
//! it again, and every row is harmless twice. So what is missing although it was marked
//! done is missing for another reason: the store is lost or an older copy. It is not paid
//! again by itself, but after a restore, when nothing old is honoured beyond the bound that
//! the operator accepts (docs/decisions/0017-stores-that-are-not-the-last-ones.md).

use std::sync::Arc;
use std::time::Duration;

use accounting::OutboxId;
use cdk_common::database::Error as StoreError;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::handle::Mint;
use crate::outbox::{Expected, Order, Outbox, OutboxError, Row};
use crate::quote::QuoteKey;

/// Rows in one transaction: fast enough (about 20,000 a second), and the store's write
/// lock is free again within a tenth of a second.
const BATCH: usize = 1000;

/// The poll interval of an empty outbox that does not tell of new rows.
const POLL: Duration = Duration::from_millis(100);

/// The poll interval of one that does.
const POLL_TOLD: Duration = Duration::from_secs(10);

/// The timeout of the last acknowledgement to the ledger, when the worker is stopped.
const LAST_TELLING: Duration = Duration::from_secs(1);

/// One step failed, and is to be tried again.
#[derive(Debug, Error)]
pub(crate) enum StepError {
    #[error("the mint's store: {0}")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}

/// The reaction to a failed transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterFailure {
    /// The store is in trouble: the same again, later.
    Retry,
    /// One of several rows is at fault: each on its own.
    Split,
    /// This one row is at fault, for good.
    Park,
}

/// Only a broken rule of the store is a row's own fault; everything else (a full disk,
/// a lock, a bug) may pass, and money is never set aside for it.
pub(crate) fn after_failure(error: &StoreError, rows: usize) -> AfterFailure {
    match error {
        StoreError::Duplicate if rows > 1 => AfterFailure::Split,
        StoreError::Duplicate => AfterFailure::Park,
        _ => AfterFailure::Retry,
    }
}

impl Mint {
    /// Starts the worker that drains `outbox` until `cancel`.
    pub fn spawn_worker(
        &self,
        outbox: Arc<dyn Outbox>,
        cancel: CancellationToken,
    ) -> JoinHandle<()> {
        tokio::spawn(Worker::new(self.clone(), outbox).run(cancel))
    }
}

/// The worker: where it is in the outbox, and in the repair that follows each start.
pub(crate) struct Worker {
    mint: Mint,
    outbox: Arc<dyn Outbox>,
    after: OutboxId,
    /// The next batch, read ahead while the batch before was applied.
    ahead: Vec<Row>,
    /// Rows that are durable here and not acknowledged to the ledger yet.
    applied: Vec<OutboxId>,
    repair: Repair,
}

/// The pass over everything that the ledger says the mint should know.
enum Repair {
    /// The page after this quote is to be read.
    From(Option<QuoteKey>),
    /// A page that was read. What its rows in the outbox say is done once the outbox was
    /// found empty after that.
    Page(Vec<Expected>),
    Finished,
}

impl Worker {
    pub(crate) fn new(mint: Mint, outbox: Arc<dyn Outbox>) -> Self {
        Worker {
            mint,
            outbox,
            after: OutboxId::START,
            ahead: Vec::new(),
            applied: Vec::new(),
            repair: Repair::From(None),
        }
    }

    /// Works until cancelled.
    pub(crate) async fn run(mut self, cancel: CancellationToken) {
        let mut backoff = Backoff::default();
        let mut news = self.outbox.news();
        let poll = if news.is_some() { POLL_TOLD } else { POLL };
        loop {
            // Before the look: what comes during it is looked for once more.
            if let Some(news) = &mut news {
                news.mark_unchanged();
            }
            let mut is_woken = false;
            // Cut off in the middle is as good as killed: a transaction is all or nothing, and
            // what is not told to be done is done again, without harm, at the next start.
            let Some(step) = cancel.run_until_cancelled(self.step()).await else {
                break;
            };
            let wait = match step {
                Ok(progress) => {
                    backoff.reset();
                    self.mint.set_worker_trouble(None);
                    is_woken = !progress;
                    if progress { Duration::ZERO } else { poll }
                }
                Err(error) => {
                    self.mint.metrics().worker_failures.inc();
                    self.mint.set_worker_trouble(Some(error.to_string()));
                    let wait = backoff.next(rand::random());
                    tracing::warn!(%error, ?wait, failures = backoff.failures(), "the outbox cannot be processed; will retry");
                    wait
                }
            };
            self.mint
                .metrics()
                .worker_failing
                .set(i64::from(backoff.failures()));
            tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                () = told(&mut news), if is_woken => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        let told = tokio::time::timeout(LAST_TELLING, self.tell()).await;
        if !matches!(told, Ok(Ok(()))) {
            tracing::info!(
                ?told,
                "the last outbox rows could not be acknowledged; they are repeated at the next start"
            );
        }
    }

    /// One batch of rows, or one page of the repair when there are none; false when there
    /// was neither.
    pub(crate) async fn step(&mut self) -> Result<bool, StepError> {
        Ok(self.drain().await? || self.repair().await?)
    }

    /// One batch. The ledger is told of the batch before and asked for the next one while
    /// this one is applied: each waits for a file of its own, and telling twice does no
    /// harm.
    async fn drain(&mut self) -> Result<bool, StepError> {
        if self.applied.len() > BATCH {
            // The last telling failed: nothing is applied on top of it.
            self.outbox.done(self.applied.clone()).await?;
            self.applied.clear();
        }
        let mut rows = std::mem::take(&mut self.ahead);
        if rows.is_empty() {
            rows = self.outbox.pending(self.after, BATCH).await?;
        }
        let Some(last) = rows.last().map_or(self.applied.last(), |row| Some(&row.id)) else {
            self.mint.metrics().caught_up();
            return Ok(false);
        };
        let last = *last;
        self.mint.metrics().behind(rows.len());
        let before = self.applied.len();
        let (told, applied, next) = tokio::join!(
            self.tell(),
            self.apply(&rows),
            self.outbox.pending(last, BATCH)
        );
        if applied.is_ok() {
            self.applied.extend(rows.iter().map(|row| row.id));
            self.after = last;
        }
        if told.is_ok() {
            self.applied.drain(..before);
        }
        told?;
        applied?;
        self.ahead = next?;
        Ok(true)
    }

    async fn tell(&self) -> Result<(), OutboxError> {
        if self.applied.is_empty() {
            return Ok(());
        }
        self.outbox.done(self.applied.clone()).await
    }

    async fn apply(&self, rows: &[Row]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let Err(error) = self.mint.apply(rows).await else {
            return Ok(());
        };
        if after_failure(&error, rows.len()) == AfterFailure::Retry {
            return Err(error);
        }
        for row in rows {
            match self.mint.apply(std::slice::from_ref(row)).await {
                Ok(()) => {}
                Err(error) if after_failure(&error, 1) == AfterFailure::Park => {
                    self.mint.park(row, error.to_string()).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn repair(&mut self) -> Result<bool, StepError> {
        match std::mem::replace(&mut self.repair, Repair::Finished) {
            Repair::Finished => return Ok(false),
            Repair::From(after) => {
                let page = self.outbox.expected(after, BATCH).await;
                self.repair = match page {
                    Ok(page) => Repair::Page(page),
                    Err(error) => {
                        self.repair = Repair::From(after);
                        return Err(error.into());
                    }
                };
            }
            Repair::Page(page) => match self.repair_page(&page).await {
                Ok(next) => self.repair = next,
                Err(error) => {
                    self.repair = Repair::Page(page);
                    return Err(error);
                }
            },
        }
        Ok(true)
    }

    /// Looks what of a page the mint does not know, now that no row waits. That it was
    /// acknowledged is certain then.
    async fn repair_page(&self, page: &[Expected]) -> Result<Repair, StepError> {
        let repairs_all = self.mint.repairs_all().await?;
        let Some(last) = page.last().map(|expected| expected.quote) else {
            if repairs_all {
                self.mint.repaired_all().await?;
            }
            tracing::info!("the mint has every quote and payment that the ledger ordered");
            return Ok(Repair::Finished);
        };
        let missing = self.mint.missing(page).await?;
        let rows = as_rows(&missing);
        if !rows.is_empty() {
            tracing::warn!(
                quotes = missing.len(),
                "the mint's store is behind the ledger: repairing"
            );
        }
        let (harmless, paid): (Vec<Row>, Vec<Row>) = match repairs_all {
            true => (rows, Vec::new()),
            false => rows
                .into_iter()
                .partition(|row| !matches!(row.order, Order::PayQuote { .. })),
        };
        for rows in harmless.chunks(BATCH) {
            self.apply(rows).await?;
        }
        if !self.mint.are_parked(&paid).await? {
            let closed = self.mint.close_as_behind().await;
            closed.map_err(|error| StoreError::Internal(error.to_string()))?;
        }
        Ok(Repair::From(Some(last)))
    }
}

/// Waits until the outbox tells of new rows; for ever where it does not.
async fn told(news: &mut Option<watch::Receiver<OutboxId>>) {
    let changed = match news {
        Some(news) => news.changed().await.is_ok(),
        None => false,
    };
    // A ledger that is closed tells nothing any more.
    if !changed {
        std::future::pending().await
    }
}

/// Rows that bring the mint up to what is expected. They are nobody's rows in the
/// outbox: their id is that of no row, and none is marked done.
fn as_rows(missing: &[Expected]) -> Vec<Row> {
    let mut rows = Vec::new();
    for expected in missing {
        let quote = expected.quote;
        // A payment makes the quote that it needs.
        if expected.payments.is_empty() {
            rows.push(Order::CreateQuote { quote, typed: None });
        }
        rows.extend(
            expected
                .payments
                .iter()
                .map(|(payout, amount)| Order::PayQuote {
                    quote,
                    payout: payout.clone(),
                    amount: *amount,
                }),
        );
    }
    rows.into_iter()
        .map(|order| Row {
            id: OutboxId::START,
            order,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_broken_rule_parks_a_row() {
        let full = || StoreError::Database("database or disk is full".into());
        for (error, rows, then) in [
            (StoreError::Duplicate, 2, AfterFailure::Split),
            (StoreError::Duplicate, 1, AfterFailure::Park),
            (full(), 1, AfterFailure::Retry),
            (full(), 1000, AfterFailure::Retry),
            (StoreError::Internal("a bug".into()), 1, AfterFailure::Retry),
            (StoreError::Locked, 1, AfterFailure::Retry),
        ] {
            assert_eq!(after_failure(&error, rows), then, "{error} with {rows}");
        }
    }
}
