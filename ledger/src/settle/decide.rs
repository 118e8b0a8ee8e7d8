//! One event, decided: read rows, think, give the rows to write.

use bitcoin::BlockHash;

use super::account::{Block, Earnings, EpochAccount, Stage};
use super::event::{Alarm, Changes, Event};
use super::expect::{Expectations, covers};
use super::operator;
use super::pay;
use super::payment::{PayoutKey, PayoutState};
use super::policy::Policy;
use super::posting::{Account, Cause};
use super::rows::{Booked, Draft, Rows, SettleError};
use crate::{EpochId, EpochTerms, Work};

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
            next,
            next_terms,
        } => {
            closed(&mut draft, policy, epoch, block, work, (next, next_terms))?;
        }
        Event::EarningsKnown { block, earnings } => {
            earnings_known(&mut draft, policy, block, earnings)?;
        }
        Event::BlockOrphaned { block } => orphaned(&mut draft, block)?,
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

fn closed<R: Rows>(
    draft: &mut Draft<'_, R>,
    policy: &Policy,
    epoch: EpochId,
    block: Option<Block>,
    work: Work,
    (next, next_terms): (EpochId, EpochTerms),
) -> Booked<(), R> {
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
    account.work = account.work.saturating_add(work);
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
) -> Booked<(), R> {
    let Some(account) = of_block(draft, block) else {
        return Ok(());
    };
    if [account.earnings, account.earnings_refused].contains(&Some(told)) {
        return Ok(());
    }
    let mut account = account.clone();
    let epoch = account.epoch;
    let implausible = told.net.to_msat().is_none_or(|net| net > policy.max_payout);
    let alarm = match account.earnings.filter(|_| account.covered) {
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
    measure_again(draft, policy, epoch);
    Ok(())
}

/// Now that the truth about a block is known: were the epochs that share it covered?
fn measure_again<R: Rows>(draft: &mut Draft<'_, R>, policy: &Policy, closer: EpochId) {
    let span = draft
        .epochs
        .range(..closer)
        .rev()
        .take_while(|(_, epoch)| epoch.block().is_none())
        .filter(|(_, epoch)| epoch.is_closed());
    let span: Vec<EpochId> = std::iter::once(closer)
        .chain(span.map(|(&id, _)| id))
        .collect();
    let expectations = Expectations::of(&draft.epochs, policy);
    let changed: Vec<EpochAccount> = span
        .into_iter()
        .filter_map(|id| {
            draft
                .epochs
                .get(&id)
                .map(|account| (account, expectations.of_epoch(id)))
        })
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

fn orphaned<R: Rows>(draft: &mut Draft<'_, R>, hash: BlockHash) -> Booked<(), R> {
    let Some(account) = of_block(draft, hash).cloned() else {
        return Ok(());
    };
    let Some(block) = account.block() else {
        return Ok(());
    };
    if !account.is_unpaid() {
        if !account.orphaned {
            draft.alarm(Alarm::OrphanedAfterMoney {
                epoch: account.epoch,
                block,
            });
            draft.put_epoch(EpochAccount {
                orphaned: true,
                ..account
            });
        }
        return Ok(());
    }
    // The open epoch at the latest: nothing is paid over it.
    let after = draft
        .epochs
        .range(account.epoch.next()..)
        .map(|(_, epoch)| epoch);
    let heir = after
        .filter(|epoch| !matches!(epoch.stage, Stage::Merged { .. }))
        .find(|epoch| epoch.is_unpaid())
        .cloned()
        .ok_or_else(|| SettleError::Corrupt("no epoch is open".into()))?;
    let mut heir = heir;
    heir.work = heir.work.saturating_add(account.work);
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
        PayoutState::Settled(_) | PayoutState::Operators => {
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
