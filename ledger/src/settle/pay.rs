//! A payment: whose it is.

use super::event::Alarm;
use super::expect::Expectations;
use super::note::Note;
use super::payment::{Payment, Payout, PayoutKey, PayoutState, Suspense, Via};
use super::policy::{Held, Policy};
use super::post::settle;
use super::posting::{Account, Cause};
use super::rows::{Booked, Draft, Rows, SettleError};
use super::select::{Candidate, Found, candidates_deep, candidates_named, candidates_only, named};
use crate::EpochId;

/// Where a payment goes.
enum Way {
    Operator,
    Suspense(Suspense),
    Miners(Found, Vec<Candidate>),
}

/// Books a payment, or does nothing when it is booked already.
pub(super) fn paid<R: Rows>(
    draft: &mut Draft<'_, R>,
    policy: &Policy,
    payment: Payment,
) -> Booked<(), R> {
    buried(policy, &payment)?;
    let payment = payment.bounded();
    let key = payment.key();
    let Some(booked) = draft.payout(&key)? else {
        return match way(draft, policy, &payment) {
            Way::Operator => {
                draft.post(
                    Cause::Payout(key),
                    Account::Outside,
                    Account::Operator,
                    payment.amount,
                )?;
                draft
                    .changes
                    .payouts
                    .insert(key, Payout::new(payment, PayoutState::Operators));
                Ok(())
            }
            Way::Suspense(why) => {
                draft.post(
                    Cause::Payout(key),
                    Account::Outside,
                    Account::Suspense,
                    payment.amount,
                )?;
                draft.alarm(Alarm::Suspended {
                    payout: key,
                    amount: payment.amount,
                    why,
                });
                let payout = Payout::new(payment, PayoutState::Suspended(why));
                draft.changes.payouts.insert(key, payout);
                Ok(())
            }
            Way::Miners(found, candidates) => settle(
                draft,
                policy,
                payment,
                (found, &candidates),
                Account::Outside,
            ),
        };
    };
    if booked.payment.amount != payment.amount {
        let told = payment.amount;
        if booked.amount_refused != Some(told) {
            draft.alarm(Alarm::AmountChanged {
                payout: key,
                booked: booked.payment.amount,
                told,
            });
            let booked = Payout {
                amount_refused: Some(told),
                ..booked
            };
            draft.changes.payouts.insert(key, booked);
        }
        return Ok(());
    }
    match (booked.state, evidence(booked.payment, payment)) {
        (PayoutState::Suspended(_), Some(payment)) => again(draft, policy, payment),
        _ => Ok(()),
    }
}

/// On-chain money is booked when it is buried.
fn buried<E>(policy: &Policy, payment: &Payment) -> Result<(), SettleError<E>> {
    let Via::OnChain {
        coinbase,
        confirmations,
        ..
    } = payment.via
    else {
        return Ok(());
    };
    let needed = if coinbase {
        policy.coinbase_confirmations
    } else {
        policy.confirmations
    };
    if confirmations >= needed {
        return Ok(());
    }
    Err(SettleError::TooEarly {
        payout: payment.key(),
        confirmations,
        needed,
    })
}

/// The booked payment with what a later telling adds: a note, or that OCEAN made it.
/// `None` when it adds nothing. Time and heights stay those of the first telling.
fn evidence(mut booked: Payment, told: Payment) -> Option<Payment> {
    match (&mut booked.via, told.via) {
        (
            Via::Lightning { note, .. },
            Via::Lightning {
                note: Some(more), ..
            },
        ) if note.is_none() => {
            *note = Some(more);
        }
        (
            Via::OnChain { from_ocean, .. },
            Via::OnChain {
                from_ocean: true, ..
            },
        ) if !*from_ocean => {
            *from_ocean = true;
        }
        _ => return None,
    }
    Some(booked)
}

/// A suspended payment about which more is known now.
fn again<R: Rows>(draft: &mut Draft<'_, R>, policy: &Policy, payment: Payment) -> Booked<(), R> {
    match way(draft, policy, &payment) {
        Way::Miners(found, candidates) => settle(
            draft,
            policy,
            payment,
            (found, &candidates),
            Account::Suspense,
        ),
        Way::Suspense(why) => {
            let payout = Payout::new(payment, PayoutState::Suspended(why));
            draft.changes.payouts.insert(payout.payment.key(), payout);
            Ok(())
        }
        // Suspended money came to our offer or address: that does not change.
        Way::Operator => Ok(()),
    }
}

fn way<R: Rows>(draft: &Draft<'_, R>, policy: &Policy, payment: &Payment) -> Way {
    if let Via::Lightning {
        ocean_offer: false, ..
    } = payment.via
    {
        return Way::Operator;
    }
    let limit = policy
        .max_payout
        .min(Policy::SUPPLY.to_msat().unwrap_or(policy.max_payout));
    if payment.amount.is_zero() || payment.amount > limit {
        return Way::Suspense(Suspense::Implausible);
    }
    if policy.held.is_some_and(|held| is_held(&held, payment)) {
        return Way::Suspense(Suspense::BeforeRestore);
    }
    let (note, height) = match &payment.via {
        Via::OnChain {
            from_ocean: false, ..
        } => return Way::Suspense(Suspense::Stranger),
        Via::OnChain {
            appeared_height, ..
        } => (None, appeared_height.checked_sub(policy.on_chain_depth)),
        Via::Lightning {
            note, tip_height, ..
        } => {
            let deep = tip_height.and_then(|tip| tip.checked_sub(policy.lightning_depth));
            (note.as_deref().and_then(Note::parse), deep)
        }
    };
    let epochs = &draft.epochs;
    let expectations = Expectations::of(epochs, policy);
    if let Some(found) = note.and_then(|note| named(epochs, policy, note)) {
        let candidates = found
            .epoch()
            .map(|epoch| candidates_named(epochs, &expectations, epoch))
            .unwrap_or_default();
        return match candidates.is_empty() {
            true => Way::Suspense(Suspense::NoWork),
            false => Way::Miners(found, candidates),
        };
    }
    let deep = height.map(|height| candidates_deep(epochs, &expectations, height));
    match deep.filter(|candidates| !candidates.is_empty()) {
        Some(candidates) => Way::Miners(Found::Deep, candidates),
        None => Way::Suspense(Suspense::NoEpoch {
            hash: note.map(|note| note.hash),
            height: note.map(|note| note.height),
        }),
    }
}

/// True for what may have been paid out by what a restore lost.
fn is_held(held: &Held, payment: &Payment) -> bool {
    match payment.via {
        Via::Lightning { .. } => payment.received_ms <= held.until_ms,
        Via::OnChain {
            appeared_height, ..
        } => appeared_height <= held.until_height,
    }
}

/// A block became known: the suspended payments that name it find their epoch.
pub(super) fn resolve_named<R: Rows>(draft: &mut Draft<'_, R>, policy: &Policy) -> Booked<(), R> {
    for payout in draft.suspended()? {
        let PayoutState::Suspended(why) = payout.state else {
            continue;
        };
        let Some(note) = note_of(&payout.payment).filter(|_| waits_for_block(why)) else {
            continue;
        };
        let Some(found) = named(&draft.epochs, policy, note) else {
            continue;
        };
        let Some(epoch) = found.epoch() else { continue };
        let expectations = Expectations::of(&draft.epochs, policy);
        let candidates = candidates_named(&draft.epochs, &expectations, epoch);
        if candidates.is_empty() {
            let state = PayoutState::Suspended(Suspense::NoWork);
            let key = payout.payment.key();
            draft
                .changes
                .payouts
                .insert(key, Payout { state, ..payout });
        } else {
            settle(
                draft,
                policy,
                payout.payment,
                (found, &candidates),
                Account::Suspense,
            )?;
        }
    }
    Ok(())
}

fn note_of(payment: &Payment) -> Option<Note> {
    match &payment.via {
        Via::Lightning { note, .. } => note.as_deref().and_then(Note::parse),
        Via::OnChain { .. } => None,
    }
}

/// The operator's word: all of a suspended payment to one closed epoch.
pub(super) fn assign<R: Rows>(
    draft: &mut Draft<'_, R>,
    policy: &Policy,
    key: PayoutKey,
    epoch: EpochId,
) -> Booked<(), R> {
    let payout = draft.payout(&key)?.ok_or(SettleError::UnknownPayout(key))?;
    let found = Found::Assigned { epoch };
    match payout.state {
        PayoutState::Suspended(_) => {}
        PayoutState::Settled(done) if done.found == found => return Ok(()),
        _ => return Err(SettleError::NotSuspended(key)),
    }
    if !draft.epoch(epoch)?.is_closed() {
        return Err(SettleError::NotClosed(epoch));
    }
    let expectations = Expectations::of(&draft.epochs, policy);
    let candidates = candidates_only(&draft.epochs, &expectations, epoch);
    if candidates.is_empty() {
        return Err(SettleError::NoWork(epoch));
    }
    settle(
        draft,
        policy,
        payout.payment,
        (found, &candidates),
        Account::Suspense,
    )
}

/// True for what a block that becomes known can resolve.
fn waits_for_block(why: Suspense) -> bool {
    matches!(
        why,
        Suspense::NoEpoch {
            height: Some(_),
            ..
        }
    )
}
