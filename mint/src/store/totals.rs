//! What all quotes together were paid and issued.

use cdk_common::database::mint::Transaction;
use cdk_common::database::{DynMintDatabase, Error};
use cdk_common::mint::MintQuote;

const PRIMARY: &str = "axepool";
const SECONDARY: &str = "totals";
const PAID: &str = "paid_sat";
const ISSUED: &str = "issued_sat";

/// Sums over all mint quotes, in satoshis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// What the quotes were paid.
    pub(crate) paid_sat: u64,
    /// What was issued on them.
    pub(crate) issued_sat: u64,
}

impl Totals {
    /// Adds what `quote` has pending to be written.
    pub(crate) fn count(&mut self, quote: &MintQuote) -> Result<(), Error> {
        let mut copy = quote.clone();
        let Some(changes) = copy.take_changes() else {
            return Ok(());
        };
        for payment in changes.payments.unwrap_or_default() {
            self.paid_sat = add(self.paid_sat, payment.amount.value())?;
        }
        for issued in changes.issuances.unwrap_or_default() {
            self.issued_sat = add(self.issued_sat, u64::from(issued))?;
        }
        Ok(())
    }

    /// Adds these to the stored ones, inside `tx`.
    pub(crate) async fn store(
        self,
        tx: &mut (dyn Transaction<Error> + Send + Sync),
    ) -> Result<(), Error> {
        for (key, more) in [(PAID, self.paid_sat), (ISSUED, self.issued_sat)] {
            if more > 0 {
                let total = add(
                    parse(key, tx.kv_read(PRIMARY, SECONDARY, key).await?)?,
                    more,
                )?;
                tx.kv_write(PRIMARY, SECONDARY, key, total.to_string().as_bytes())
                    .await?;
            }
        }
        Ok(())
    }
}

/// The totals as of the last commit.
pub(crate) async fn read_totals(store: &DynMintDatabase) -> Result<Totals, Error> {
    Ok(Totals {
        issued_sat: parse(ISSUED, store.kv_read(PRIMARY, SECONDARY, ISSUED).await?)?,
        // Paid is read last: what is issued in between was paid before, so that the
        // difference of the two never falls below zero.
        paid_sat: parse(PAID, store.kv_read(PRIMARY, SECONDARY, PAID).await?)?,
    })
}

fn add(total: u64, more: u64) -> Result<u64, Error> {
    total.checked_add(more).ok_or(Error::AmountOverflow)
}

fn parse(key: &str, stored: Option<Vec<u8>>) -> Result<u64, Error> {
    let Some(bytes) = stored else { return Ok(0) };
    std::str::from_utf8(&bytes)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Error::Internal(format!("the stored total {key} is not a number")))
}
