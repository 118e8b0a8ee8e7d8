//! The payout room's door to the books, which are the ledger's.

use accounting::CloseCause;
use accounting::settle::{Block, Event};
use async_trait::async_trait;
use basics::clock;
use ledger::{Ledger, LedgerError};
use payout::{BookError, Booked, Booking};

/// The ledger as the payout room sees it.
#[derive(Clone, Debug)]
pub(super) struct LedgerBooks(pub(super) Ledger);

#[async_trait]
impl Booking for LedgerBooks {
    async fn book(&self, event: Event) -> Result<Booked, BookError> {
        let effects = self.0.settle(event).await.map_err(book_error)?;
        Ok(if effects.is_empty() {
            Booked::Known
        } else {
            Booked::New
        })
    }

    async fn close_epoch(&self, block: Block) -> Result<Booked, BookError> {
        let open = self.0.open_epoch().id;
        let Block { hash, height } = block;
        let cause = CloseCause::OceanBlock { hash, height };
        let closed = self.0.close_epoch(cause, clock::now_ms()).await;
        let closed = closed.map_err(book_error)?;
        // A block that has closed an epoch before names that one again.
        if closed.id < open {
            return Ok(Booked::Known);
        }
        tracing::info!(epoch = closed.id.get(), height, %hash, work = %closed.totals.work, "closed by OCEAN's block");
        Ok(Booked::New)
    }
}

/// What the rules refuse stays refused; everything else may be booked later.
fn book_error(error: LedgerError) -> BookError {
    match error {
        LedgerError::Refused(_) | LedgerError::ClosesItself => {
            BookError::Refused(error.to_string())
        }
        LedgerError::Failing { .. }
        | LedgerError::Closed
        | LedgerError::Reopening
        | LedgerError::Store(_) => BookError::Unavailable(error.to_string()),
    }
}
