//! The ledger's own outbox, as the worker reads it.

use async_trait::async_trait;
use ledger::{EpochId, Ledger, LedgerError, OutboxId, OutboxKind, OutboxRow, Reader};

use crate::outbox::{Expected, Order, Outbox, OutboxError, Row};
use crate::quote::QuoteKey;

/// The outbox of a ledger in this process.
#[derive(Clone, Debug)]
pub struct LedgerOutbox(Ledger);

impl LedgerOutbox {
    /// The outbox of `ledger`.
    pub const fn new(ledger: Ledger) -> Self {
        LedgerOutbox(ledger)
    }

    /// Reads from a blocking thread, since the ledger's reads look at the disk.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(Reader) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, OutboxError> {
        let reader = self.0.reader().clone();
        tokio::task::spawn_blocking(move || read(reader))
            .await
            .map_err(|error| OutboxError(Box::new(error)))?
            .map_err(|error| OutboxError(Box::new(error)))
    }
}

#[async_trait]
impl Outbox for LedgerOutbox {
    async fn pending(&self, after: OutboxId, limit: usize) -> Result<Vec<Row>, OutboxError> {
        let rows = self.read(move |reader| reader.outbox(after, limit)).await?;
        Ok(rows.into_iter().map(row).collect())
    }

    async fn done(&self, ids: Vec<OutboxId>) -> Result<(), OutboxError> {
        self.0
            .outbox_done(ids)
            .await
            .map_err(|error| OutboxError(Box::new(error)))
    }

    async fn expected(
        &self,
        after: Option<QuoteKey>,
        limit: usize,
    ) -> Result<Vec<Expected>, OutboxError> {
        self.read(move |reader| requested(&reader, after, limit))
            .await
    }
}

fn row(row: OutboxRow) -> Row {
    let order = match row.kind {
        OutboxKind::CreateQuote { miner, epoch } => Order::CreateQuote {
            quote: QuoteKey::of_epoch(miner, epoch),
        },
    };
    Row { id: row.id, order }
}

/// The quotes that were ever asked for, by epoch and key.
fn requested(
    reader: &Reader,
    after: Option<QuoteKey>,
    limit: usize,
) -> Result<Vec<Expected>, LedgerError> {
    let mut epoch = after.map_or(EpochId::FIRST, |after| after.epoch);
    let open = reader.open_epoch().id;
    let mut page = Vec::new();
    while epoch <= open && page.len() < limit {
        let seen = after
            .filter(|after| after.epoch == epoch)
            .map(|after| after.miner);
        let asked = reader.tallies(epoch)?.into_iter().filter(|(miner, tally)| {
            tally.quote_requested && seen.is_none_or(|seen| *miner > seen)
        });
        page.extend(asked.take(limit - page.len()).map(|(miner, _)| Expected {
            quote: QuoteKey::of_epoch(miner, epoch),
            payments: Vec::new(),
        }));
        epoch = epoch.next();
    }
    Ok(page)
}
