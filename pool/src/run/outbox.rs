//! The ledger as the orderer of the mint's quotes: its outbox and its books behind
//! [`mint::Outbox`], which is all that the mint knows of it.

#[cfg(test)]
mod tests;

use accounting::settle::PayoutKey;
use accounting::{OrderedQuote, OutboxId, OutboxKind, OutboxRow};
use async_trait::async_trait;
use ledger::{Ledger, LedgerError, Reader};
use mint::{Expected, Order, Outbox, OutboxError, PayoutId, PayoutIdError, QuoteKey, Row};
use tokio::sync::watch;

/// The outbox of a ledger in this process, which the mint's worker drains.
#[derive(Clone, Debug)]
pub struct LedgerOutbox(Ledger);

impl LedgerOutbox {
    /// The outbox of `ledger`.
    pub const fn new(ledger: Ledger) -> Self {
        LedgerOutbox(ledger)
    }

    /// Reads on a blocking thread, since the ledger's reads look at the disk.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(Reader) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, OutboxError> {
        let reader = self.0.reader().clone();
        tokio::task::spawn_blocking(move || read(reader))
            .await
            .map_err(outbox_error)?
            .map_err(outbox_error)
    }
}

#[async_trait]
impl Outbox for LedgerOutbox {
    async fn pending(&self, after: OutboxId, limit: usize) -> Result<Vec<Row>, OutboxError> {
        let rows = self.read(move |reader| reader.outbox(after, limit)).await?;
        let rows = rows.into_iter().map(row);
        rows.collect::<Result<_, _>>().map_err(outbox_error)
    }

    async fn done(&self, ids: Vec<OutboxId>) -> Result<(), OutboxError> {
        self.0.outbox_done(ids).await.map_err(outbox_error)
    }

    fn news(&self) -> Option<watch::Receiver<OutboxId>> {
        Some(self.0.reader().outbox_end())
    }

    async fn expected(
        &self,
        after: Option<QuoteKey>,
        limit: usize,
    ) -> Result<Vec<Expected>, OutboxError> {
        let after = after.map(|quote| (quote.epoch, quote.miner, quote.share));
        let quotes = self
            .read(move |reader| reader.ordered_quotes(after, limit))
            .await?;
        let quotes = quotes.into_iter().map(expected);
        quotes.collect::<Result<_, _>>().map_err(outbox_error)
    }
}

fn row(row: OutboxRow) -> Result<Row, PayoutIdError> {
    let order = match row.kind {
        OutboxKind::CreateQuote {
            miner,
            epoch,
            share,
            typed,
        } => Order::CreateQuote {
            quote: QuoteKey {
                miner,
                epoch,
                share,
            },
            typed,
        },
        OutboxKind::PayQuote {
            payout,
            miner,
            epoch,
            share,
            sats,
        } => Order::PayQuote {
            quote: QuoteKey {
                miner,
                epoch,
                share,
            },
            payout: payout_id(&payout)?,
            amount: sats,
        },
        OutboxKind::SettleEpoch { epoch } => Order::SettleEpoch { epoch },
        OutboxKind::MergeEpoch { epoch, into } => Order::MergeEpoch { epoch, into },
    };
    Ok(Row { id: row.id, order })
}

/// The mint knows a payout by the name that it has in the ledger's books.
fn payout_id(key: &PayoutKey) -> Result<PayoutId, PayoutIdError> {
    key.to_string().parse()
}

/// A quote that was ever asked for, with every payment that the books have for it.
fn expected(quote: OrderedQuote) -> Result<Expected, PayoutIdError> {
    let payments = quote.payments.iter();
    let payments = payments.map(|(key, sats)| Ok((payout_id(key)?, *sats)));
    Ok(Expected {
        quote: QuoteKey {
            miner: quote.miner,
            epoch: quote.epoch,
            share: quote.share,
        },
        payments: payments.collect::<Result<_, _>>()?,
    })
}

fn outbox_error(error: impl std::error::Error + Send + Sync + 'static) -> OutboxError {
    OutboxError(Box::new(error))
}
