//! The settlement of a payment: to which epochs and accounts it goes.

use super::event::Alarm;
use super::expect::Expectations;
use super::note::Note;
use super::payment::{PaidTo, Payment, Payout, PayoutKey, PayoutState, Suspense, Via};
use super::policy::{Held, Policy};
use super::post::settle;
use super::posting::{Account, Cause};
use super::rows::{Booked, Draft, Rows, SettleError};
use super::select::{Candidate, Found, Meant, candidates, candidates_only, named};
use crate::{EpochId, Msat};

/// Where a payment goes.
enum Way {
    Operator,
    Suspense(Suspense),
    /// Too small to be split now.
    Gather,
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
        return place(draft, policy, payment, None);
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
        (PayoutState::Suspended(why), Some(payment)) => place(draft, policy, payment, Some(why)),
        _ => Ok(()),
    }
}

/// The one door through which a payment goes where it belongs by itself: a new one, and
/// (`suspended`) one in suspense of which more is known now.
fn place<R: Rows>(
    draft: &mut Draft<'_, R>,
    policy: &Policy,
    payment: Payment,
    suspended: Option<Suspense>,
) -> Booked<(), R> {
    let key = payment.key();
    let (amount, cause) = (payment.amount, Cause::Payout(key));
    let from = match suspended {
        None => Account::Outside,
        Some(_) => Account::Suspense,
    };
    let gathered = gathered(draft, policy)?;
    match way(draft, policy, &payment, gathered.to_split) {
        Way::Operator => {
            draft.post(cause, from, Account::Operator, amount)?;
            draft.put_payout(Payout::new(payment, PayoutState::Operators));
        }
        Way::Suspense(why) => {
            if suspended == Some(why) {
                draft.put_payout(Payout::new(payment, PayoutState::Suspended(why)));
                return Ok(());
            }
            if suspended.is_none() {
                draft.post(cause, from, Account::Suspense, amount)?;
            }
            draft.alarm(Alarm::Suspended {
                payout: key,
                amount,
                why,
            });
            draft.put_payout(Payout::new(payment, PayoutState::Suspended(why)));
        }
        Way::Gather => {
            draft.post(cause, from, Account::Gathering, amount)?;
            draft.gathers_since(payment.received_ms)?;
            draft.put_payout(Payout::new(payment.without_note(), PayoutState::Gathered));
        }
        Way::Miners(found, candidates) => {
            if !gathered.held.is_zero() {
                // Who was to get it may have got it already, from what a restore lost.
                let cause = Cause::Operator(format!("gathered/{key}"));
                draft.post(cause, Account::Gathering, Account::Operator, gathered.held)?;
            }
            let split = (found, candidates.as_slice());
            settle(draft, policy, payment, gathered.to_split, split, from)?;
        }
    }
    Ok(())
}

/// What gathers.
struct Gathered {
    /// It joins the next payment that is split.
    to_split: Msat,
    /// It came before the operator accepted a restored ledger: some of it may have been
    /// split already.
    held: Msat,
}

fn gathered<R: Rows>(draft: &Draft<'_, R>, policy: &Policy) -> Booked<Gathered, R> {
    let totals = draft.totals()?;
    let amount = u64::try_from(totals.gathered)
        .map(Msat::new)
        .map_err(|_| SettleError::Corrupt(format!("{} msat gather", totals.gathered)))?;
    let held = policy
        .held
        .is_some_and(|held| totals.gathered_since_ms <= held.until_ms);
    let (to_split, held) = match held {
        true => (Msat::ZERO, amount),
        false => (amount, Msat::ZERO),
    };
    Ok(Gathered { to_split, held })
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

/// The booked payment with what a later telling adds: a note, that OCEAN made it, or that
/// its offer is known after all. `None` when it adds nothing. Time and heights stay those
/// of the first telling.
fn evidence(mut booked: Payment, told: Payment) -> Option<Payment> {
    match (&mut booked.via, told.via) {
        (
            Via::Lightning { note, paid_to, .. },
            Via::Lightning {
                note: told_note,
                paid_to: told_paid_to,
                ..
            },
        ) => {
            let is_known = (*paid_to, told_paid_to) == (PaidTo::UnknownOffer, PaidTo::OceanOffer);
            let has_note = note.is_none() && told_note.is_some();
            if !is_known && !has_note {
                return None;
            }
            if is_known {
                *paid_to = told_paid_to;
            }
            if has_note {
                *note = told_note;
            }
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

/// Where a payment goes, with what gathered before it.
fn way<R: Rows>(draft: &Draft<'_, R>, policy: &Policy, payment: &Payment, gathered: Msat) -> Way {
    let limit = policy
        .max_payout
        .min(Policy::SUPPLY.to_msat().unwrap_or(policy.max_payout));
    let is_held = policy.held.is_some_and(|held| is_held(&held, payment));
    let paid_to = match payment.via {
        Via::Lightning { paid_to, .. } => Some(paid_to),
        Via::OnChain { .. } => None,
    };
    // Not even what is surely the operator's goes by itself: it may have been booked,
    // and withdrawn, in what a restore lost.
    if paid_to == Some(PaidTo::NoOffer) && !is_held {
        return Way::Operator;
    }
    if payment.amount.is_zero() || payment.amount > limit {
        return Way::Suspense(Suspense::Implausible);
    }
    let is_small = paid_to.is_some() && payment.amount < policy.floor;
    // Nobody can fill the list of suspended payments a millisatoshi at a time.
    if is_small && (is_held || paid_to == Some(PaidTo::UnknownOffer)) {
        return Way::Gather;
    }
    if is_held {
        return Way::Suspense(Suspense::BeforeRestore);
    }
    if paid_to == Some(PaidTo::UnknownOffer) {
        return Way::Suspense(Suspense::UnknownOffer);
    }
    match among_epochs(draft, policy, payment, gathered) {
        Way::Suspense(_) if is_small => Way::Gather,
        Way::Miners(_, candidates)
            if paid_to.is_some()
                && is_below_floor(draft, policy, payment, gathered, &candidates) =>
        {
            Way::Gather
        }
        way => way,
    }
}

/// A split costs a row for each miner: who wants one made pays for it. Small ones add up
/// until they are enough. (What comes on-chain has paid a miner's fee.)
fn is_below_floor<R: Rows>(
    draft: &Draft<'_, R>,
    policy: &Policy,
    payment: &Payment,
    gathered: Msat,
    candidates: &[Candidate],
) -> bool {
    let miners = candidates
        .iter()
        .filter_map(|candidate| draft.epochs.get(&candidate.epoch))
        .fold(0_u64, |sum, epoch| sum.saturating_add(epoch.miners));
    let all = payment.amount.get().saturating_add(gathered.get());
    Msat::new(all) < policy.floor_for(miners)
}

/// The epochs of a payment that is the miners'.
fn among_epochs<R: Rows>(
    draft: &Draft<'_, R>,
    policy: &Policy,
    payment: &Payment,
    gathered: Msat,
) -> Way {
    let (note, height, sure) = match &payment.via {
        Via::OnChain {
            from_ocean: false, ..
        } => return Way::Suspense(Suspense::Stranger),
        Via::OnChain {
            appeared_height, ..
        } => {
            let height = appeared_height.checked_sub(policy.on_chain_depth);
            (None, height, true)
        }
        Via::Lightning {
            note, tip_height, ..
        } => {
            let deep = tip_height.and_then(|tip| tip.checked_sub(policy.lightning_depth));
            (note.as_deref().and_then(Note::parse), deep, false)
        }
    };
    let epochs = &draft.epochs;
    let expectations = Expectations::of(epochs, policy);
    let amount = Msat::new(payment.amount.get().saturating_add(gathered.get()));
    let of = |meant| candidates(epochs, &expectations, meant, amount);
    if let Some(found) = note.and_then(|note| named(epochs, policy, note)) {
        let candidates = found
            .epoch()
            .map(|epoch| of(Meant::Named(epoch)))
            .unwrap_or_default();
        return match candidates.is_empty() {
            true => Way::Suspense(Suspense::NoWork),
            false => Way::Miners(found, candidates),
        };
    }
    let deep = height.map(|height| of(Meant::Deep { height, sure }));
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

/// A block became known: the suspended payments that name it find their epoch, by the
/// door that they came to first. So those that are held wait for the operator.
pub(super) fn resolve_named<R: Rows>(draft: &mut Draft<'_, R>, policy: &Policy) -> Booked<(), R> {
    for payout in draft.suspended()? {
        let PayoutState::Suspended(why) = payout.state else {
            continue;
        };
        let note = note_of(&payout.payment).filter(|_| waits_for_block(why));
        if note.is_some_and(|note| named(&draft.epochs, policy, note).is_some()) {
            place(draft, policy, payout.payment, Some(why))?;
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
    // It is the operator's word about this payment, and not about what gathers.
    settle(
        draft,
        policy,
        payout.payment,
        Msat::ZERO,
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
