//! The rows that the settlement reads, and the draft of the rows that it will write.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use thiserror::Error;

use super::account::{EpochAccount, MinerAccount};
use super::allocate::AllocationError;
use super::event::{Alarm, Changes, Effect};
use super::expect::Epochs;
use super::payment::{Payout, PayoutKey, PayoutState};
use super::posting::{Account, Cause, OperatorEntry, Posting, PostingError, Totals};
use crate::{EpochId, MinerId, Msat, Work};

/// The stored rows, as of the transaction that the changes will be written in.
pub trait Rows {
    /// Why a row could not be read.
    type Error;

    /// All epochs' accounts (a few hundred a year).
    fn epochs(&self) -> Result<BTreeMap<EpochId, EpochAccount>, Self::Error>;

    /// Every miner's work of one epoch's own shares, without what it absorbed. Asked
    /// of closed epochs only.
    fn works(&self, epoch: EpochId) -> Result<BTreeMap<MinerId, Work>, Self::Error>;

    /// A miner's account; the default where there is none yet.
    fn miner(&self, miner: MinerId) -> Result<MinerAccount, Self::Error>;

    /// True when the order to make this quote was ever given.
    fn quote_requested(&self, miner: MinerId, epoch: EpochId) -> Result<bool, Self::Error>;

    /// A payout.
    fn payout(&self, key: &PayoutKey) -> Result<Option<Payout>, Self::Error>;

    /// All suspended payouts, in the order of their keys.
    fn suspended(&self) -> Result<Vec<Payout>, Self::Error>;

    /// An operator's entry.
    fn operator_entry(&self, id: &str) -> Result<Option<OperatorEntry>, Self::Error>;

    /// The totals.
    fn totals(&self) -> Result<Totals, Self::Error>;
}

/// Why an event cannot be booked. Nothing of it is written then.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SettleError<E> {
    /// A row could not be read.
    #[error("reading the books: {0}")]
    Rows(E),
    /// No such payout.
    #[error("there is no payout {0}")]
    UnknownPayout(PayoutKey),
    /// The payout is not in suspense (any more).
    #[error("payout {0} is not in suspense")]
    NotSuspended(PayoutKey),
    /// No such epoch.
    #[error("there is no epoch {0}")]
    UnknownEpoch(EpochId),
    /// The epoch is still open, or dissolved.
    #[error("epoch {0} is not closed, or it is merged into another")]
    NotClosed(EpochId),
    /// The epoch is not the open one.
    #[error("epoch {0} is not the open one")]
    NotOpen(EpochId),
    /// The epoch is there already, or older than the newest.
    #[error("epoch {0} cannot be opened: it is not newer than all others")]
    NotNew(EpochId),
    /// Neither the epoch nor any before it has work.
    #[error("neither epoch {0} nor any before it has work")]
    NoWork(EpochId),
    /// On-chain money is booked when it is buried.
    #[error("{payout} has {confirmations} of {needed} confirmations")]
    TooEarly {
        /// The output.
        payout: PayoutKey,
        /// How many it has.
        confirmations: u32,
        /// How many it needs.
        needed: u32,
    },
    /// The operator's account has not so much.
    #[error("{asked} msat cannot be withdrawn: the balance is {available} msat")]
    Withdrawal {
        /// Asked for.
        asked: Msat,
        /// There.
        available: u128,
    },
    /// An operator's entry without an id or an amount, or with another one's id.
    #[error("operator's entry {0:?} is empty, too long, or another one with this id exists")]
    OperatorEntry(String),
    /// A fee above everything.
    #[error("the split: {0}")]
    Allocation(#[from] AllocationError),
    /// The stored sums contradict each other.
    #[error(transparent)]
    Posting(#[from] PostingError),
    /// A miner's or an epoch's sum contradicts itself, or passes 2^64 msat.
    #[error("the books contradict themselves: {0}")]
    Corrupt(String),
}

impl<E> SettleError<E> {
    /// The refusal as such, or the reason why a row could not be read.
    pub fn refusal(self) -> Result<SettleError<Infallible>, E> {
        use SettleError as S;
        Ok(match self {
            S::Rows(error) => return Err(error),
            S::UnknownPayout(key) => S::UnknownPayout(key),
            S::NotSuspended(key) => S::NotSuspended(key),
            S::UnknownEpoch(epoch) => S::UnknownEpoch(epoch),
            S::NotClosed(epoch) => S::NotClosed(epoch),
            S::NotOpen(epoch) => S::NotOpen(epoch),
            S::NotNew(epoch) => S::NotNew(epoch),
            S::NoWork(epoch) => S::NoWork(epoch),
            S::TooEarly {
                payout,
                confirmations,
                needed,
            } => S::TooEarly {
                payout,
                confirmations,
                needed,
            },
            S::Withdrawal { asked, available } => S::Withdrawal { asked, available },
            S::OperatorEntry(id) => S::OperatorEntry(id),
            S::Allocation(error) => S::Allocation(error),
            S::Posting(error) => S::Posting(error),
            S::Corrupt(what) => S::Corrupt(what),
        })
    }
}

/// The books as they will be: the rows read, with the changes so far over them.
pub(super) struct Draft<'a, R: Rows> {
    rows: &'a R,
    pub(super) epochs: Epochs,
    pub(super) changes: Changes,
    quotes_ordered: BTreeSet<(MinerId, EpochId)>,
}

/// What booking gives, or why it cannot.
pub(super) type Booked<T, R> = Result<T, SettleError<<R as Rows>::Error>>;

impl<'a, R: Rows> Draft<'a, R> {
    pub(super) fn of(rows: &'a R) -> Booked<Self, R> {
        Ok(Draft {
            rows,
            epochs: rows.epochs().map_err(SettleError::Rows)?,
            changes: Changes::default(),
            quotes_ordered: BTreeSet::new(),
        })
    }

    /// Writes an epoch's row.
    pub(super) fn put_epoch(&mut self, epoch: EpochAccount) {
        self.changes.epochs.insert(epoch.epoch, epoch.clone());
        self.epochs.insert(epoch.epoch, epoch);
    }

    pub(super) fn epoch(&self, id: EpochId) -> Booked<&EpochAccount, R> {
        self.epochs.get(&id).ok_or(SettleError::UnknownEpoch(id))
    }

    /// The work of an epoch with that of all it absorbed.
    pub(super) fn works(&self, id: EpochId) -> Booked<BTreeMap<MinerId, Work>, R> {
        let mut all = self.rows.works(id).map_err(SettleError::Rows)?;
        for &absorbed in &self.epoch(id)?.absorbed {
            for (miner, work) in self.rows.works(absorbed).map_err(SettleError::Rows)? {
                let sum = all.entry(miner).or_default();
                *sum = sum.saturating_add(work);
            }
        }
        Ok(all)
    }

    pub(super) fn miner(&self, miner: MinerId) -> Booked<MinerAccount, R> {
        match self.changes.miners.get(&miner) {
            Some(account) => Ok(*account),
            None => self.rows.miner(miner).map_err(SettleError::Rows),
        }
    }

    pub(super) fn payout(&self, key: &PayoutKey) -> Booked<Option<Payout>, R> {
        match self.changes.payouts.get(key) {
            Some(payout) => Ok(Some(payout.clone())),
            None => self.rows.payout(key).map_err(SettleError::Rows),
        }
    }

    pub(super) fn suspended(&self) -> Booked<Vec<Payout>, R> {
        let mut all = self.rows.suspended().map_err(SettleError::Rows)?;
        all.retain(|payout| !self.changes.payouts.contains_key(&payout.payment.key()));
        let changed = self.changes.payouts.values().cloned();
        all.extend(changed.filter(|payout| matches!(payout.state, PayoutState::Suspended(_))));
        Ok(all)
    }

    pub(super) fn operator_entry(&self, id: &str) -> Booked<Option<OperatorEntry>, R> {
        self.rows.operator_entry(id).map_err(SettleError::Rows)
    }

    pub(super) fn totals(&self) -> Booked<Totals, R> {
        match self.changes.totals {
            Some(totals) => Ok(totals),
            None => self.rows.totals().map_err(SettleError::Rows),
        }
    }

    /// Writes a payout's row.
    pub(super) fn put_payout(&mut self, payout: Payout) {
        self.changes.payouts.insert(payout.payment.key(), payout);
    }

    /// Some of what gathers was received then.
    pub(super) fn gathers_since(&mut self, received_ms: u64) -> Booked<(), R> {
        let mut totals = self.totals()?;
        let since = &mut totals.gathered_since_ms;
        *since = match *since {
            0 => received_ms,
            before => before.min(received_ms),
        };
        self.changes.totals = Some(totals);
        Ok(())
    }

    /// Appends a line, unless there is nothing to move.
    pub(super) fn post(
        &mut self,
        cause: Cause,
        from: Account,
        to: Account,
        amount: Msat,
    ) -> Booked<(), R> {
        if amount.is_zero() {
            return Ok(());
        }
        let posting = Posting {
            cause,
            from,
            to,
            amount,
        };
        let mut totals = self.totals()?;
        totals.post(&posting)?;
        if totals.gathered == 0 {
            totals.gathered_since_ms = 0;
        }
        self.changes.totals = Some(totals);
        self.changes.effects.push(Effect::Posting(posting));
        Ok(())
    }

    /// Orders a quote, once.
    pub(super) fn order_quote(&mut self, miner: MinerId, epoch: EpochId) -> Booked<(), R> {
        let ordered = self.quotes_ordered.contains(&(miner, epoch))
            || self
                .rows
                .quote_requested(miner, epoch)
                .map_err(SettleError::Rows)?;
        if !ordered {
            self.quotes_ordered.insert((miner, epoch));
            self.changes
                .effects
                .push(Effect::CreateQuote { miner, epoch });
        }
        Ok(())
    }

    pub(super) fn alarm(&mut self, alarm: Alarm) {
        self.changes.effects.push(Effect::Alarm(alarm));
    }
}
