//! What all quotes together were paid and issued.

use cdk_common::database::mint::Transaction;
use cdk_common::database::{DynMintDatabase, Error};
use cdk_common::mint::MintQuote;

const PRIMARY: &str = "axepool";
const SECONDARY: &str = "totals";
const PAID: &str = "paid_sat";
const ISSUED: &str = "issued_sat";

/// Sums over mint quotes, in satoshis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// What the quotes were paid.
    pub(crate) paid_sat: u64,
    /// What was issued on them.
    pub(crate) issued_sat: u64,
}

impl Totals {
    /// What `quote` has pending to be written.
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
    pub(crate) async fn store(
        self,
        tx: &mut (dyn Transaction<Error> + Send + Sync),
    ) -> Result<(), Error> {
        for (key, more) in [(PAID, self.paid_sat), (ISSUED, self.issued_sat)] {
            if more > 0 {
                let total = add(read_number(tx, SECONDARY, key).await?, more)?;
                write_number(tx, SECONDARY, key, total).await?;
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

/// A number of the pool's own records as of the last commit; 0 when it is not there.
pub(crate) async fn stored_number(
    store: &DynMintDatabase,
    secondary: &str,
    key: &str,
) -> Result<u64, Error> {
    parse(key, store.kv_read(PRIMARY, secondary, key).await?)
}

/// The same inside `tx`.
pub(crate) async fn read_number(
    tx: &mut (dyn Transaction<Error> + Send + Sync),
    secondary: &str,
    key: &str,
) -> Result<u64, Error> {
    parse(key, tx.kv_read(PRIMARY, secondary, key).await?)
}

/// Writes one, in decimal, inside `tx`.
pub(crate) async fn write_number(
    tx: &mut (dyn Transaction<Error> + Send + Sync),
    secondary: &str,
    key: &str,
    number: u64,
) -> Result<(), Error> {
    tx.kv_write(PRIMARY, secondary, key, number.to_string().as_bytes())
        .await
}

pub(super) fn add(total: u64, more: u64) -> Result<u64, Error> {
    total.checked_add(more).ok_or(Error::AmountOverflow)
}

fn parse(key: &str, stored: Option<Vec<u8>>) -> Result<u64, Error> {
    let Some(bytes) = stored else { return Ok(0) };
    std::str::from_utf8(&bytes)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Error::Internal(format!("the stored number {key} is none")))
}
