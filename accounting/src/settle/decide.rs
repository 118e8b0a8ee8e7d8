//! One event, decided: read rows, think, give the rows to write.

use std::collections::BTreeSet;

use bitcoin::BlockHash;

use super::account::{Block, Earnings, EpochAccount, Stage};
use super::event::{Alarm, Changes, Event};
use super::expect::{Expectations, covers, span};
use super::operator;
use super::pay;
use super::payment::{PayoutKey, PayoutState};
use super::policy::Policy;
use super::posting::{Account, Cause};
use super::rows::{Booked, Draft, Rows, SettleError};
use crate::{EpochId, EpochTerms, Sat, Work};

/// What an event does to the books. Pure: it reads `rows` and gives what is to be
/// written, in one transaction; the same event again gives no changes.
pub fn decide<R: Rows>(
    rows: &R,
    policy: &Policy,
    event: Event,
) -> Result<Changes, SettleError<R::Error>> {
    let mut draft = Draft::of(rows)?;
    match event {
        Event::EpochOpened { epoch, terms } => opened(&mut draft, epoch, terms)?,
        Event::EpochClosed {
            epoch,
            block,
            work,
            miners,
            next,
            next_terms,
        } => {
            let done = Done {
                block,
                work,
                miners,
            };
            closed(&mut draft, policy, epoch, done, (next, next_terms))?;
        }
        Event::EarningsKnown {
            block,
            earnings,
            reward,
        } => {
            earnings_known(&mut draft, policy, block, earnings, reward)?;
        }
        Event::BlockOrphaned { block } => orphaned(&mut draft, policy, block)?,
        Event::Paid(payment) => pay::paid(&mut draft, policy, payment)?,
        Event::Assign { payout, epoch } => pay::assign(&mut draft, policy, payout, epoch)?,
        Event::ToFee { payout } => to_fee(&mut draft, payout)?,
        Event::Operator(entry) => operator::book(&mut draft, entry)?,
    }
    Ok(draft.changes)
}

fn opened<R: Rows>(draft: &mut Draft<'_, R>, epoch: EpochId, terms: EpochTerms) -> Booked<(), R> {
    if terms.fee_bps > EpochTerms::MAX_FEE_BPS {
        return Err(super::AllocationError::Fee(terms.fee_bps).into());
    }
    if let Some((&last, account)) = draft.epochs.last_key_value() {
        let again = last == epoch && account.stage == Stage::Open && account.terms == terms;
        return if again {
            Ok(())
        } else {
            Err(SettleError::NotNew(epoch))
        };
    }
    draft.put_epoch(EpochAccount::opened(epoch, terms));
    Ok(())
}

/// What there is to an epoch when it is closed.
#[derive(Clone, Copy)]
struct Done {
    block: Option<Block>,
    work: Work,
    miners: u64,
}

fn closed<R: Rows>(
    draft: &mut Draft<'_, R>,
    policy: &Policy,
    epoch: EpochId,
    done: Done,
    (next, next_terms): (EpochId, EpochTerms),
) -> Booked<(), R> {
    let block = done.block;
    let account = draft.epoch(epoch)?;
    let known = block.is_some_and(|block| of_block(draft, block.hash).is_some());
    if known || account.stage == (Stage::Closed { block }) {
        return Ok(());
    }
    if account.stage != Stage::Open {
        return Err(SettleError::NotOpen(epoch));
    }
    if draft
        .epochs
        .last_key_value()
        .is_none_or(|(&last, _)| next <= last)
    {
        return Err(SettleError::NotNew(next));
    }
    if next_terms.fee_bps > EpochTerms::MAX_FEE_BPS {
        return Err(super::AllocationError::Fee(next_terms.fee_bps).into());
    }
    let mut account = account.clone();
    account.stage = Stage::Closed { block };
    account.work = account.work.saturating_add(done.work);
    account.miners = account.miners.saturating_add(done.miners);
    draft.put_epoch(account);
    draft.put_epoch(EpochAccount::opened(next, next_terms));
    if block.is_some() {
        pay::resolve_named(draft, policy)
    } else {
        Ok(())
    }
}

/// The closed epoch of a block that counts.
fn of_block<'a, R: Rows>(draft: &'a Draft<'_, R>, hash: BlockHash) -> Option<&'a EpochAccount> {
    let is = |epoch: &&EpochAccount| epoch.block().is_some_and(|block| block.hash == hash);
    draft.epochs.values().rev().find(is)
}

fn earnings_known<R: Rows>(
    draft: &mut Draft<'_, R>,
    policy: &Policy,
    block: BlockHash,
    told: Earnings,
    reward: Option<Sat>,
) -> Booked<(), R> {
    let Some(account) = of_block(draft, block) else {
        return Ok(());
    };
    if [account.earnings, account.earnings_refused].contains(&Some(told)) {
        return Ok(());
    }
    let mut account = account.clone();
    let epoch = account.epoch;
    let height = account.block().map_or(0, |block| block.height);
    let limit = policy.most_earned(height, reward);
    let implausible = told.net.to_msat().is_none_or(|net| net > limit);
    let before = Expectations::of(&draft.epochs, policy);
    let (doubted, believed) = (before.doubted(), before.believed(epoch));
    let alarm = match believed.filter(|_| account.covered) {
        _ if implausible => Some(Alarm::EarningsImplausible { epoch, told }),
        // What payouts were split by does not change under them.
        Some(used) => Some(Alarm::EarningsChanged { epoch, used, told }),
        None => None,
    };
    if let Some(alarm) = alarm {
        account.earnings_refused = Some(told);
        draft.alarm(alarm);
        draft.put_epoch(account);
        return Ok(());
    }
    account.earnings = Some(told);
    draft.put_epoch(account);
    alarm_doubts(draft, policy, epoch, &doubted);
    measure_again(draft, policy, epoch);
    Ok(())
}

/// What is not believed since this news: its own, or what it contradicts.
fn alarm_doubts<R: Rows>(
    draft: &mut Draft<'_, R>,
    policy: &Policy,
    news: EpochId,
    before: &BTreeSet<EpochId>,
) {
    let doubted = Expectations::of(&draft.epochs, policy).doubted();
    let new = doubted
        .into_iter()
        .filter(|epoch| *epoch == news || !before.contains(epoch));
    let told: Vec<_> = new
        .filter_map(|epoch| Some((epoch, draft.epochs.get(&epoch)?.earnings?)))
        .collect();
    for (epoch, told) in told {
        draft.alarm(Alarm::EarningsImplausible { epoch, told });
    }
}

/// Now that the truth about a block is known: were the epochs that share it covered?
fn measure_again<R: Rows>(draft: &mut Draft<'_, R>, policy: &Policy, closer: EpochId) {
    let expectations = Expectations::of(&draft.epochs, policy);
    if expectations.believed(closer).is_none() {
        return;
    }
    let closed = draft.epochs.get(&closer);
    let span = closed.into_iter().chain(span(&draft.epochs, closer));
    let changed: Vec<EpochAccount> = span
        .filter_map(|account| Some((account, expectations.of_epoch(account.epoch)?)))
        .map(|(account, expected)| (account, covers(account.received, expected)))
        .filter(|(account, covered)| account.covered != *covered)
        .map(|(account, covered)| EpochAccount {
            covered,
            ..account.clone()
        })
        .collect();
    changed
        .into_iter()
        .for_each(|account| draft.put_epoch(account));
}

fn orphaned<R: Rows>(draft: &mut Draft<'_, R>, policy: &Policy, hash: BlockHash) -> Booked<(), R> {
    let Some(account) = of_block(draft, hash).cloned() else {
        return Ok(());
    };
    let Some(block) = account.block() else {
        return Ok(());
    };
    if account.orphaned {
        return Ok(());
    }
    // Only what is known to be most of its money keeps it. What is less stays with whom
    // it was given to, and holds nobody's work back.
    let expected = Expectations::of(&draft.epochs, policy).of_epoch(account.epoch);
    if expected.is_some_and(|expected| covers(account.received, expected)) {
        draft.alarm(Alarm::OrphanedAfterMoney {
            epoch: account.epoch,
            block,
        });
        draft.put_epoch(EpochAccount {
            orphaned: true,
            ..account
        });
        return Ok(());
    }
    dissolve(draft, account, block)
}

/// Moves the work of an epoch to the next one that may take it.
fn dissolve<R: Rows>(
    draft: &mut Draft<'_, R>,
    account: EpochAccount,
    block: Block,
) -> Booked<(), R> {
    // The open epoch at the latest: nothing is paid over it.
    let after = draft
        .epochs
        .range(account.epoch.next()..)
        .map(|(_, epoch)| epoch);
    let mut heir = after
        .filter(|epoch| !matches!(epoch.stage, Stage::Merged { .. }))
        .find(|epoch| epoch.is_unpaid())
        .cloned()
        .ok_or_else(|| SettleError::Corrupt("no epoch is open".into()))?;
    if !account.received.is_zero() {
        draft.alarm(Alarm::DissolvedAfterMoney {
            epoch: account.epoch,
            into: heir.epoch,
            received: account.received,
        });
    }
    heir.work = heir.work.saturating_add(account.work);
    heir.miners = heir.miners.saturating_add(account.miners);
    heir.absorbed.push(account.epoch);
    heir.absorbed.extend(&account.absorbed);
    let stage = Stage::Merged {
        into: heir.epoch,
        block,
    };
    for earlier in &account.absorbed {
        let mut earlier = draft.epoch(*earlier)?.clone();
        if let Stage::Merged { into, .. } = &mut earlier.stage {
            *into = heir.epoch;
        }
        draft.put_epoch(earlier);
    }
    draft.put_epoch(heir);
    draft.put_epoch(EpochAccount {
        stage,
        earnings: None,
        ..account
    });
    Ok(())
}

fn to_fee<R: Rows>(draft: &mut Draft<'_, R>, key: PayoutKey) -> Booked<(), R> {
    let mut payout = draft.payout(&key)?.ok_or(SettleError::UnknownPayout(key))?;
    match payout.state {
        PayoutState::Suspended(_) => {}
        PayoutState::ToFee => return Ok(()),
        PayoutState::Settled(_) | PayoutState::Operators | PayoutState::Gathered => {
            return Err(SettleError::NotSuspended(key));
        }
    }
    let amount = payout.payment.amount;
    draft.post(
        Cause::Payout(key),
        Account::Suspense,
        Account::Operator,
        amount,
    )?;
    payout.state = PayoutState::ToFee;
    draft.changes.payouts.insert(key, payout);
    Ok(())
}
