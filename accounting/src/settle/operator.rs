//! The operator's account: node costs, withdrawals and what became of them.

use super::posting::{Account, Cause, OperatorEntry, OperatorKind};
use super::rows::{Booked, Draft, Rows, SettleError};

/// The most bytes of an operator's entry's id, and of a withdrawal's destination.
const MAX_TEXT: usize = 128;

/// Books an entry; the same again changes nothing.
pub(super) fn book<R: Rows>(draft: &mut Draft<'_, R>, entry: OperatorEntry) -> Booked<(), R> {
    if let Some(booked) = draft.operator_entry(&entry.id)? {
        return if booked == entry {
            Ok(())
        } else {
            Err(SettleError::OperatorEntry(entry.id))
        };
    }
    if !is_bounded(&entry.id) || entry.amount.is_zero() {
        return Err(refused(&entry));
    }
    let (from, to) = match &entry.kind {
        OperatorKind::NodeCost => (Account::Operator, Account::NodeCosts),
        OperatorKind::Withdrawal { to } => {
            // Its outcome must find a place, too.
            if !is_bounded(to) || !is_bounded(&OperatorEntry::outcome_id(&entry.id)) {
                return Err(refused(&entry));
            }
            let available = draft.totals()?.withdrawable();
            if u128::from(entry.amount.get()) > available {
                return Err(SettleError::Withdrawal {
                    asked: entry.amount,
                    available,
                });
            }
            (Account::Operator, Account::Withdrawn)
        }
        OperatorKind::Sent { withdrawal, .. } => {
            check_outcome(draft, &entry, withdrawal)?;
            draft.changes.operator = Some(entry);
            return Ok(());
        }
        OperatorKind::Returned { withdrawal } => {
            check_outcome(draft, &entry, withdrawal)?;
            (Account::Withdrawn, Account::Operator)
        }
    };
    draft.post(Cause::Operator(entry.id.clone()), from, to, entry.amount)?;
    draft.changes.operator = Some(entry);
    Ok(())
}

/// An outcome is that of a withdrawal, of all of it, under the one id that it can have.
fn check_outcome<R: Rows>(
    draft: &Draft<'_, R>,
    outcome: &OperatorEntry,
    withdrawal: &str,
) -> Booked<(), R> {
    let booked = draft.operator_entry(withdrawal)?;
    let fits = booked.is_some_and(|booked| {
        matches!(booked.kind, OperatorKind::Withdrawal { .. }) && booked.amount == outcome.amount
    });
    if fits && outcome.id == OperatorEntry::outcome_id(withdrawal) {
        Ok(())
    } else {
        Err(refused(outcome))
    }
}

fn is_bounded(text: &str) -> bool {
    (1..=MAX_TEXT).contains(&text.len())
}

fn refused<E>(entry: &OperatorEntry) -> SettleError<E> {
    SettleError::OperatorEntry(entry.id.chars().take(MAX_TEXT).collect())
}
