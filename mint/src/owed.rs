//! The debts of a mint's store, summed from what it has.

use accounting::Sat;
use cdk_common::database::{DynMintDatabase, Error};
use serde::Serialize;

use crate::store::read_totals;

/// The mint's liabilities, in satoshis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Liabilities {
    /// Ecash issued and not redeemed, of every keyset there ever was.
    pub outstanding_sat: Sat,
    /// Paid to quotes and not issued yet.
    pub paid_unissued_sat: Sat,
    /// Payments that the mint refuses for good and that are still owed.
    pub parked_sat: Sat,
    /// All that quotes were ever paid: no debt of its own, it tells which payments of
    /// the ledger have not reached the mint yet.
    pub paid_sat: Sat,
}

impl Liabilities {
    /// All of it, or `None` past 2^64 - 1 sat.
    pub fn total(&self) -> Option<Sat> {
        self.outstanding_sat
            .checked_add(self.paid_unissued_sat)?
            .checked_add(self.parked_sat)
    }
}

/// The debts for ecash and quotes. After a restore there is more to reckon with than the
/// store knows of: ecash that was issued since, by the operator's word, and ecash that was
/// melted since, by the node's. So redeemed may pass what the store knows of as issued, by
/// what the old quotes were not issued.
pub(crate) async fn owed(
    store: &DynMintDatabase,
    forgotten: Option<Forgotten>,
) -> Result<Liabilities, Error> {
    let totals = read_totals(store).await?;
    // Redeemed first: what is redeemed was issued before.
    let redeemed = sum(store.get_total_redeemed().await?.values())?;
    let issued = sum(store.get_total_issued().await?.values())?;
    let mut unissued = difference("issued quotes", totals.paid_sat, totals.issued_sat)?;
    let outstanding = match forgotten {
        None => difference("redeemed ecash", issued, redeemed)?,
        Some(Forgotten {
            issued: more,
            melted,
        }) => {
            let overflow = Error::AmountOverflow;
            let issued = issued.checked_add(more.get()).ok_or(overflow)?;
            let redeemed = redeemed.saturating_add(melted.get());
            let beyond = redeemed.saturating_sub(issued);
            // A store that was lost knows of no payments until they are ordered again.
            unissued = Sat::new(unissued.get().saturating_sub(beyond));
            Sat::new(issued.saturating_sub(redeemed))
        }
    };
    Ok(Liabilities {
        outstanding_sat: outstanding,
        paid_unissued_sat: unissued,
        parked_sat: Sat::ZERO,
        paid_sat: Sat::new(totals.paid_sat),
    })
}

/// The amounts that a restored store has no rows of, as others know them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forgotten {
    /// Issued since, by the operator's word.
    pub(crate) issued: Sat,
    /// Melted since, by the node's journal.
    pub(crate) melted: Sat,
}

fn sum<'a>(amounts: impl Iterator<Item = &'a cdk_common::Amount>) -> Result<u64, Error> {
    amounts
        .map(|amount| u64::from(*amount))
        .try_fold(0u64, u64::checked_add)
        .ok_or(Error::AmountOverflow)
}

fn difference(what: &str, whole: u64, part: u64) -> Result<Sat, Error> {
    whole
        .checked_sub(part)
        .map(Sat::new)
        .ok_or_else(|| Error::Internal(format!("{what}: {part} sat of {whole} sat")))
}
