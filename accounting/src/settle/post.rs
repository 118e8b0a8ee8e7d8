//! The split of a payment into postings, accounts and orders for the mint.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::account::{EpochAccount, MinerAccount};
use super::event::Effect;
use super::expect::covers;
use super::payment::{AllocationRow, Payment, Payout, PayoutKey, PayoutState, Settlement};
use super::policy::Policy;
use super::posting::{Account, Cause};
use super::rows::{Booked, Draft, Rows, SettleError};
use super::select::{Candidate, Found, share_out};
use super::split::{Part, SplitOut, Works, plan, split};
use crate::{EpochId, MinerId, Msat, Work};

/// Splits a payment, with what `gathered` before it, over the miners of its epochs and
/// posts every msat of it.
pub(super) fn settle<R: Rows>(
    draft: &mut Draft<'_, R>,
    policy: &Policy,
    payment: Payment,
    gathered: Msat,
    (found, candidates): (Found, &[Candidate]),
    from: Account,
) -> Booked<(), R> {
    let key = payment.key();
    let amount = payment.amount.checked_add(gathered);
    let amount = amount.ok_or_else(|| SettleError::Corrupt(format!("{gathered} msat gather")))?;
    let mut parts = Vec::new();
    for (epoch, amount) in share_out(amount, found, candidates) {
        let part = plan(&draft.epochs, policy, epoch, amount)?;
        parts.push(part.ok_or(SettleError::NoWork(epoch))?);
    }
    let from = match gathered.is_zero() {
        true => from,
        // Both are one sum from here on.
        false => {
            let cause = Cause::Payout(key);
            draft.post(cause, from, Account::Gathering, payment.amount)?;
            Account::Gathering
        }
    };
    let mut works = Works::new();
    for epoch in parts
        .iter()
        .flat_map(|part| part.slices.iter().map(|slice| slice.epoch))
    {
        if let Entry::Vacant(vacant) = works.entry(epoch) {
            vacant.insert(works_of(draft, epoch)?);
        }
    }
    let SplitOut { fees, miners } = split(&parts, &works)?;
    let fee = Msat::checked_sum(fees).unwrap_or_default();
    draft.post(Cause::Payout(key), from, Account::Operator, fee)?;
    let mut rows = Vec::with_capacity(miners.len());
    for (miner, (allocated, quote_epoch)) in miners {
        rows.push(credit(draft, key, from, miner, allocated, quote_epoch)?);
    }
    for part in &parts {
        receive(draft, part.epoch, part.amount)?;
    }
    measure(draft, candidates, &parts)?;
    for &epoch in works.keys() {
        let mut account = draft.epoch(epoch)?.clone();
        if !account.paid_over {
            account.paid_over = true;
            draft.put_epoch(account);
        }
    }
    let settlement = Settlement {
        rules: Settlement::RULES,
        found,
        gathered,
        candidates: candidates.to_vec(),
        parts,
        fee,
    };
    draft.put_payout(Payout::new(payment, PayoutState::Settled(settlement)));
    draft.changes.allocations.insert(key, rows);
    Ok(())
}

/// The work of an epoch's miners, which must be that of its account: a split over some
/// of the tallies would pay, and be published, wrongly.
fn works_of<R: Rows>(draft: &Draft<'_, R>, epoch: EpochId) -> Booked<BTreeMap<MinerId, Work>, R> {
    let works = draft.works(epoch)?;
    let sum = works
        .values()
        .fold(Work::ZERO, |sum, work| sum.saturating_add(*work));
    let account = draft.epoch(epoch)?.work;
    if sum != account {
        let what = format!("the work of epoch {epoch} is {account}, its miners' {sum}");
        return Err(SettleError::Corrupt(what));
    }
    Ok(works)
}

/// A miner's part joins their carry, and its whole sats go to the quote.
fn credit<R: Rows>(
    draft: &mut Draft<'_, R>,
    payout: PayoutKey,
    from: Account,
    miner: MinerId,
    allocated: Msat,
    epoch: EpochId,
) -> Booked<AllocationRow, R> {
    let before = draft.miner(miner)?;
    let corrupt =
        || SettleError::Corrupt(format!("the account of {miner}: {before:?} + {allocated}"));
    let due = before.carry.checked_add(allocated).ok_or_else(corrupt)?;
    let (paid, carry) = (due.to_sat_floor(), due.below_sat());
    let after = MinerAccount {
        allocated: before
            .allocated
            .checked_add(allocated)
            .ok_or_else(corrupt)?,
        paid: before.paid.checked_add(paid).ok_or_else(corrupt)?,
        carry,
    };
    // The rule of the account, kept at every step: a wrong row stops the books here.
    let whole = after
        .paid
        .to_msat()
        .and_then(|paid| paid.checked_add(carry));
    if whole != Some(after.allocated) {
        return Err(corrupt());
    }
    let cause = || Cause::Payout(payout);
    draft.post(cause(), from, Account::Carry(miner), allocated)?;
    if !paid.is_zero() {
        let msat = paid.to_msat().ok_or_else(corrupt)?;
        draft.post(
            cause(),
            Account::Carry(miner),
            Account::Quote(miner, epoch),
            msat,
        )?;
        draft.order_quote(miner, epoch)?;
        let per = draft.epoch(epoch)?.terms.quote_per;
        draft.changes.effects.push(Effect::PayQuote {
            payout,
            miner,
            epoch,
            sats: paid,
            per,
        });
    }
    draft.changes.miners.insert(miner, after);
    Ok(AllocationRow {
        miner,
        allocated,
        carry_before: before.carry,
        paid,
        carry_after: carry,
        quote_epoch: epoch,
    })
}

/// An epoch's part reduces what it is still expected to get.
fn receive<R: Rows>(draft: &mut Draft<'_, R>, epoch: EpochId, amount: Msat) -> Booked<(), R> {
    let mut account = draft.epoch(epoch)?.clone();
    account.received = account
        .received
        .checked_add(amount)
        .ok_or_else(|| SettleError::Corrupt(format!("epoch {epoch} would pass 2^64 msat")))?;
    draft.put_epoch(account);
    Ok(())
}

/// Which of the candidates are covered now. Where nothing is known of what to expect,
/// those that got something of this payment: they have as much for their work as any
/// other that it could have gone to.
fn measure<R: Rows>(
    draft: &mut Draft<'_, R>,
    candidates: &[Candidate],
    parts: &[Part],
) -> Booked<(), R> {
    for candidate in candidates {
        let account = draft.epoch(candidate.epoch)?;
        let covered = match candidate.expected {
            Some(expected) => covers(account.received, expected),
            None => parts.iter().any(|part| part.epoch == candidate.epoch),
        };
        if covered && !account.covered {
            let account = EpochAccount {
                covered,
                ..account.clone()
            };
            draft.put_epoch(account);
        }
    }
    Ok(())
}
