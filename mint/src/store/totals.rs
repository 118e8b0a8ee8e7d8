//! The running totals over all mint quotes: sats paid, sats issued.

use cdk_common::database::{DynMintDatabase, Error};
use cdk_common::mint::MintQuote;

use crate::index::{Tx, read_number, stored_number, write_number};

const SECONDARY: &str = "totals";
const PAID: &str = "paid_sat";
const ISSUED: &str = "issued_sat";

/// Sums over mint quotes, in satoshis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Paid to the quotes.
    pub(crate) paid_sat: u64,
    /// Issued on them.
    pub(crate) issued_sat: u64,
}

impl Totals {
    /// The changes of `quote` that are not written yet.
    pub(crate) fn of(quote: &MintQuote) -> Result<Self, Error> {
        let mut pending = Totals::default();
        let mut copy = quote.clone();
        let Some(changes) = copy.take_changes() else {
            return Ok(pending);
        };
        for payment in changes.payments.unwrap_or_default() {
            pending.paid_sat = add(pending.paid_sat, payment.amount.value())?;
        }
        for issued in changes.issuances.unwrap_or_default() {
            pending.issued_sat = add(pending.issued_sat, u64::from(issued))?;
        }
        Ok(pending)
    }

    /// Both sums with `more`.
    pub(crate) fn count(&mut self, more: Totals) -> Result<(), Error> {
        self.paid_sat = add(self.paid_sat, more.paid_sat)?;
        self.issued_sat = add(self.issued_sat, more.issued_sat)?;
        Ok(())
    }

    /// Adds these to the stored ones, inside `tx`.
    pub(crate) async fn store(self, tx: Tx<'_>) -> Result<(), Error> {
        for (key, more) in [(PAID, self.paid_sat), (ISSUED, self.issued_sat)] {
            if more > 0 {
                let total = add(read_number(&mut *tx, SECONDARY, key).await?, more)?;
                write_number(&mut *tx, SECONDARY, key, total).await?;
            }
        }
        Ok(())
    }
}

/// The totals as of the last commit.
pub(crate) async fn read_totals(store: &DynMintDatabase) -> Result<Totals, Error> {
    Ok(Totals {
        issued_sat: stored_number(store, SECONDARY, ISSUED).await?,
        // Paid is read last: what is issued in between was paid before, so that the
        // difference of the two never falls below zero.
        paid_sat: stored_number(store, SECONDARY, PAID).await?,
    })
}

pub(super) fn add(total: u64, more: u64) -> Result<u64, Error> {
    total.checked_add(more).ok_or(Error::AmountOverflow)
}
