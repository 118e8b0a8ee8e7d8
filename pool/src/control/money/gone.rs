//! A booked payment that a reorganisation removed from the chain. Miners keep the sats
//! that they were paid of it, so the operator bears the loss: it is booked as a cost of
//! the node, once.

use accounting::settle::{Event, OperatorEntry, OperatorKind, PayoutKey};
use anyhow::{Context, Result, bail};
use ledger::Ledger;

use super::{Coffer, fee};
use crate::admin::FeeStatus;

/// The id of the entry that books a payment out.
pub fn booked_out_id(payout: &PayoutKey) -> String {
    format!("reorganised {payout}")
}

/// Books it out of the operator's account; done before it is done.
///
/// # Errors
/// It is none of the payments, it is in a block, or the books cannot be written.
pub(super) async fn book_out(
    ledger: &Ledger,
    coffer: &dyn Coffer,
    payout: PayoutKey,
) -> Result<FeeStatus> {
    let reader = ledger.reader().clone();
    let found = tokio::task::spawn_blocking(move || reader.payout(&payout)).await??;
    let found = found.with_context(|| format!("there is no payout {payout}"))?;
    if !coffer.is_gone(&payout) {
        bail!(
            "the chain has payout {payout}, did not miss it for long, or is in doubt: nothing is booked out"
        );
    }
    let entry = OperatorEntry {
        id: booked_out_id(&payout),
        kind: OperatorKind::NodeCost,
        amount: found.payment.amount,
    };
    let booked = ledger.settle(Event::Operator(entry)).await?;
    if !booked.is_empty() {
        tracing::warn!(%payout, amount_msat = %found.payment.amount, "a payment that a reorganisation removed from the chain is written off by command");
    }
    let reader = ledger.reader().clone();
    Ok(tokio::task::spawn_blocking(move || fee::status(&reader)).await??)
}
