//! The books in memory: the model of what the store keeps, row for row.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use thiserror::Error;

use super::account::{EpochAccount, MinerAccount, Stage};
use super::decide::decide;
use super::event::{Changes, Effect, Event};
use super::payment::{AllocationRow, Payout, PayoutKey, PayoutState};
use super::policy::Policy;
use super::posting::{Account, Cause, OperatorEntry, Posting, Totals};
use super::rows::{Rows, SettleError};
use crate::{EpochId, MinerId, Msat, Work};

/// All rows of the settlement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// What is known of OCEAN's ways.
    pub policy: Policy,
    epochs: BTreeMap<EpochId, EpochAccount>,
    works: BTreeMap<EpochId, BTreeMap<MinerId, Work>>,
    miners: BTreeMap<MinerId, MinerAccount>,
    quotes: BTreeSet<(MinerId, EpochId)>,
    payouts: BTreeMap<PayoutKey, Payout>,
    allocations: BTreeMap<PayoutKey, Vec<AllocationRow>>,
    operator: BTreeMap<String, OperatorEntry>,
    totals: Totals,
    postings: Vec<Posting>,
}

impl Books {
    /// Empty books.
    pub fn new(policy: Policy) -> Self {
        Books {
            policy,
            ..Books::default()
        }
    }

    /// Credits work to the open epoch; false when none is open.
    pub fn credit(&mut self, miner: MinerId, work: Work) -> bool {
        let open = self.open_epoch();
        if let Some(open) = open {
            let sum = self
                .works
                .entry(open)
                .or_default()
                .entry(miner)
                .or_default();
            *sum = sum.saturating_add(work);
        }
        open.is_some()
    }

    /// The rows of a store.
    pub fn of_rows(rows: BookRows) -> Self {
        let payouts = rows.payouts.into_iter();
        let operator = rows.operator.into_iter();
        Books {
            policy: rows.policy,
            epochs: rows.epochs,
            works: rows.works,
            miners: rows.miners,
            quotes: rows.quotes,
            payouts: payouts.map(|row| (row.payment.key(), row)).collect(),
            allocations: rows.allocations,
            operator: operator.map(|row| (row.id.clone(), row)).collect(),
            totals: rows.totals,
            postings: rows.postings,
        }
    }

    /// A quote was ordered by work, as the ledger does from `quote_min_work` on.
    pub fn quote_ordered(&mut self, miner: MinerId, epoch: EpochId) {
        self.quotes.insert((miner, epoch));
    }

    /// The epoch that takes shares.
    pub fn open_epoch(&self) -> Option<EpochId> {
        let (&id, account) = self.epochs.last_key_value()?;
        (account.stage == Stage::Open).then_some(id)
    }

    /// The work credited to an epoch's own shares.
    pub fn own_work(&self, epoch: EpochId) -> Work {
        let works = self
            .works
            .get(&epoch)
            .into_iter()
            .flat_map(BTreeMap::values);
        works.fold(Work::ZERO, |sum, work| sum.saturating_add(*work))
    }

    /// How many miners have work in an epoch's own shares.
    pub fn own_miners(&self, epoch: EpochId) -> u64 {
        self.works.get(&epoch).map_or(0, |works| works.len() as u64)
    }

    /// Books an event, wholly or (on an error) not at all.
    pub fn apply(&mut self, event: Event) -> Result<Vec<Effect>, SettleError<Infallible>> {
        let changes = decide(self, &self.policy, event)?;
        Ok(self.write(changes))
    }

    /// Writes rows, as a store would.
    pub fn write(&mut self, changes: Changes) -> Vec<Effect> {
        self.epochs.extend(changes.epochs);
        self.miners.extend(changes.miners);
        self.payouts.extend(changes.payouts);
        self.allocations.extend(changes.allocations);
        self.operator
            .extend(changes.operator.map(|entry| (entry.id.clone(), entry)));
        self.totals = changes.totals.unwrap_or(self.totals);
        for effect in &changes.effects {
            match effect {
                Effect::Posting(posting) => self.postings.push(posting.clone()),
                Effect::CreateQuote { miner, epoch } => {
                    self.quotes.insert((*miner, *epoch));
                }
                Effect::PayQuote { .. } | Effect::Alarm(_) => {}
            }
        }
        changes.effects
    }

    /// The epochs' accounts.
    pub fn epoch_accounts(&self) -> &BTreeMap<EpochId, EpochAccount> {
        &self.epochs
    }

    /// The payouts.
    pub fn payouts(&self) -> &BTreeMap<PayoutKey, Payout> {
        &self.payouts
    }

    /// What a settled payout did to each miner.
    pub fn allocations(&self, payout: &PayoutKey) -> &[AllocationRow] {
        self.allocations.get(payout).map_or(&[], Vec::as_slice)
    }

    /// The miners' accounts.
    pub fn miner_accounts(&self) -> &BTreeMap<MinerId, MinerAccount> {
        &self.miners
    }

    /// Every line, in order.
    pub fn postings(&self) -> &[Posting] {
        &self.postings
    }

    /// The sums.
    pub fn sums(&self) -> Totals {
        self.totals
    }

    /// Adds everything up again from the postings alone and compares it with the rows.
    pub fn check(&self) -> Result<(), Imbalance> {
        let mut totals = Totals::default();
        let mut flows: BTreeMap<Account, (u128, u128)> = BTreeMap::new();
        for posting in &self.postings {
            totals
                .post(posting)
                .map_err(|error| Imbalance::Totals(error.to_string()))?;
            let amount = u128::from(posting.amount.get());
            let from = &mut flows.entry(posting.from).or_default().1;
            *from = from.saturating_add(amount);
            let to = &mut flows.entry(posting.to).or_default().0;
            *to = to.saturating_add(amount);
        }
        // A time, which no posting has.
        totals.gathered_since_ms = self.totals.gathered_since_ms;
        if totals != self.totals || !totals.balance() {
            return Err(Imbalance::Totals(format!(
                "{totals:?}, not {:?}",
                self.totals
            )));
        }
        self.check_miners(&flows)?;
        self.check_payouts()?;
        self.check_epochs()
    }

    fn check_miners(&self, flows: &BTreeMap<Account, (u128, u128)>) -> Result<(), Imbalance> {
        for (&miner, account) in &self.miners {
            let (allocated, gone) = flows
                .get(&Account::Carry(miner))
                .copied()
                .unwrap_or_default();
            let paid = u128::from(account.paid.get()).saturating_mul(1000);
            let carry = u128::from(account.carry.get());
            let right = allocated == u128::from(account.allocated.get())
                && gone == paid
                && allocated == paid.saturating_add(carry)
                && carry < 1000;
            if !right {
                return Err(Imbalance::Miner(miner));
            }
        }
        for account in flows.keys() {
            match account {
                Account::Carry(miner) if !self.miners.contains_key(miner) => {
                    return Err(Imbalance::Miner(*miner));
                }
                Account::Quote(miner, epoch) if !self.quotes.contains(&(*miner, *epoch)) => {
                    return Err(Imbalance::Quote(*miner, *epoch));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn check_payouts(&self) -> Result<(), Imbalance> {
        let mut booked: BTreeMap<PayoutKey, (u128, u128, u128)> = BTreeMap::new();
        for posting in &self.postings {
            let Cause::Payout(key) = posting.cause else {
                continue;
            };
            let (came, fee, allocated) = booked.entry(key).or_default();
            let amount = u128::from(posting.amount.get());
            if posting.from == Account::Outside {
                *came = came.saturating_add(amount);
            }
            match posting.to {
                Account::Operator => *fee = fee.saturating_add(amount),
                Account::Carry(_) => *allocated = allocated.saturating_add(amount),
                _ => {}
            }
        }
        for (key, payout) in &self.payouts {
            let amount = u128::from(payout.payment.amount.get());
            let (came, fee, allocated) = booked.remove(key).unwrap_or_default();
            let rows = self
                .allocations(key)
                .iter()
                .map(|row| u128::from(row.allocated.get()));
            let rows = rows.fold(0_u128, u128::saturating_add);
            let right = match &payout.state {
                PayoutState::Settled(done) => {
                    let parts = done.parts.iter().map(|part| part.amount);
                    let split = amount.saturating_add(u128::from(done.gathered.get()));
                    fee == u128::from(done.fee.get())
                        && fee.saturating_add(allocated) == split
                        && Msat::checked_sum(parts) == done.amount(&payout.payment)
                }
                PayoutState::Suspended(_) | PayoutState::Gathered => fee == 0 && allocated == 0,
                PayoutState::Operators | PayoutState::ToFee => fee == amount && allocated == 0,
            };
            if !right || came != amount || rows != allocated {
                return Err(Imbalance::Payout(*key));
            }
        }
        booked
            .into_keys()
            .next()
            .map_or(Ok(()), |key| Err(Imbalance::Payout(key)))
    }

    fn check_epochs(&self) -> Result<(), Imbalance> {
        let open = self
            .epochs
            .values()
            .filter(|epoch| epoch.stage == Stage::Open)
            .count();
        if open > 1 || (open == 0 && !self.epochs.is_empty()) {
            return Err(Imbalance::Open(open));
        }
        for (&id, epoch) in &self.epochs {
            let own = if epoch.stage == Stage::Open {
                Work::ZERO
            } else {
                self.own_work(id)
            };
            let absorbed = epoch.absorbed.iter().map(|&id| self.own_work(id));
            let work = absorbed.fold(own, Work::saturating_add);
            let heir = match epoch.stage {
                Stage::Merged { into, .. } => self.epochs.get(&into).is_some_and(|heir| {
                    !matches!(heir.stage, Stage::Merged { .. }) && heir.absorbed.contains(&id)
                }),
                Stage::Open | Stage::Closed { .. } => true,
            };
            if epoch.work != work || !heir {
                return Err(Imbalance::Epoch(id));
            }
        }
        Ok(())
    }
}

/// All that a store has of the books.
#[derive(Debug, Default)]
pub struct BookRows {
    /// What is known of OCEAN's ways.
    pub policy: Policy,
    /// The epochs' accounts.
    pub epochs: BTreeMap<EpochId, EpochAccount>,
    /// The work of the miners of each epoch.
    pub works: BTreeMap<EpochId, BTreeMap<MinerId, Work>>,
    /// The miners' accounts.
    pub miners: BTreeMap<MinerId, MinerAccount>,
    /// Every quote that was ordered.
    pub quotes: BTreeSet<(MinerId, EpochId)>,
    /// Every payment that arrived.
    pub payouts: Vec<Payout>,
    /// What each settled payout did to each miner.
    pub allocations: BTreeMap<PayoutKey, Vec<AllocationRow>>,
    /// The operator's entries.
    pub operator: Vec<OperatorEntry>,
    /// Where all the money is.
    pub totals: Totals,
    /// Every posting, in the order in which they were made.
    pub postings: Vec<Posting>,
}

/// What does not add up. Never seen unless the store lost or changed a row.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Imbalance {
    /// The postings' sums are not the stored totals, or do not balance.
    #[error("the postings add up to other totals: {0}")]
    Totals(String),
    /// A miner's account is not what was posted to it.
    #[error("the account of {0} does not match its postings")]
    Miner(MinerId),
    /// A quote was paid that was never ordered.
    #[error("the quote of {0} for epoch {1} was paid but never ordered")]
    Quote(MinerId, EpochId),
    /// A payout is not fee and allocations.
    #[error("payout {0} does not match the sum of its fee and allocations")]
    Payout(PayoutKey),
    /// Not one epoch is open.
    #[error("{0} epochs are open")]
    Open(usize),
    /// An epoch's work is not the sum of its shares, or its heir does not know it.
    #[error("the work of epoch {0} is not that of its miners")]
    Epoch(EpochId),
}

impl Rows for Books {
    type Error = Infallible;

    fn epochs(&self) -> Result<BTreeMap<EpochId, EpochAccount>, Infallible> {
        Ok(self.epochs.clone())
    }

    fn works(&self, epoch: EpochId) -> Result<BTreeMap<MinerId, Work>, Infallible> {
        Ok(self.works.get(&epoch).cloned().unwrap_or_default())
    }

    fn miner(&self, miner: MinerId) -> Result<MinerAccount, Infallible> {
        Ok(self.miners.get(&miner).copied().unwrap_or_default())
    }

    fn quote_requested(&self, miner: MinerId, epoch: EpochId) -> Result<bool, Infallible> {
        Ok(self.quotes.contains(&(miner, epoch)))
    }

    fn payout(&self, key: &PayoutKey) -> Result<Option<Payout>, Infallible> {
        Ok(self.payouts.get(key).cloned())
    }

    fn suspended(&self) -> Result<Vec<Payout>, Infallible> {
        let waits = |payout: &&Payout| matches!(payout.state, PayoutState::Suspended(_));
        Ok(self.payouts.values().filter(waits).cloned().collect())
    }

    fn operator_entry(&self, id: &str) -> Result<Option<OperatorEntry>, Infallible> {
        Ok(self.operator.get(id).cloned())
    }

    fn totals(&self) -> Result<Totals, Infallible> {
        Ok(self.totals)
    }
}
