//! The earnings of a miner's work, epoch by epoch and payout by payout.
//!
//! Sums are the ledger's and the mint's integers. Expected earnings are estimates, in
//! floating point, and are called estimates.

use std::collections::{BTreeMap, BTreeSet};

use accounting::settle::{AllocationRow, Block, EpochAccount, PayoutKey, Stage};
use accounting::{Epoch, EpochId, EpochTerms, MinerId, Msat, Sat, Tally, Work};
use ledger::{LedgerError, Reader};
use pool::run::{Claimable, Claimed};
use schemars::JsonSchema;
use serde::Serialize;

/// Epochs and payouts looked at: some weeks of them.
const EPOCHS: u64 = 30;
const PAYOUTS: usize = 60;

/// Paid epochs before those with work that are looked at, a line each: what is older still
/// is one sum.
const OLDER: usize = 30;

/// Lines of the statement.
const LINES: usize = 20;

/// Paid epochs that an estimate is made from: what work earned lately.
const PAID_EPOCHS: usize = 8;

/// The earnings from a miner's work in an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Earning {
    /// The epoch.
    pub(crate) epoch: EpochId,
    /// When it opened.
    pub(crate) opened_ms: u64,
    /// When it was closed; `null` while it is open.
    pub(crate) closed_ms: Option<u64>,
    /// The OCEAN block that closed it.
    pub(crate) block: Option<Block>,
    /// The miner's, that of absorbed epochs included.
    pub(crate) work: Work,
    /// The number of the miner's shares.
    pub(crate) shares: u64,
    /// All miners'.
    pub(crate) whole_work: Work,
    #[serde(flatten)]
    pub(crate) state: EarningState,
}

/// What became of an epoch's work.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum EarningState {
    /// It is open: more work comes, and the money later.
    Running {
        /// What it is worth so far, as work was paid lately.
        estimate_msat: Option<f64>,
    },
    /// It is closed; the money has not come yet.
    Pending {
        /// Of what OCEAN says that the block earned, else as work was paid lately.
        estimate_msat: Option<f64>,
    },
    /// Its quote was paid.
    Paid {
        /// In all.
        paid_sat: Sat,
        /// Of it, taken out as a token or by a sweep; `null` while the mint is not open.
        swept_sat: Option<Sat>,
    },
    /// It was paid for, and what it got is below a satoshi or on a later epoch's quote.
    Carried,
    /// Its block was orphaned: the work counts in another epoch.
    Merged {
        /// Which.
        into: EpochId,
    },
}

/// What one payout gave, to the msat: `carry_before + allocated = 1000 x paid + carry_after`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct StatementLine {
    /// When the payment was seen.
    pub(crate) received_ms: u64,
    /// The payment.
    pub(crate) payout: PayoutKey,
    /// The remainder below a satoshi before.
    pub(crate) carry_before_msat: Msat,
    /// The miner's part of the payment.
    pub(crate) allocated_msat: Msat,
    /// The whole satoshis that were paid to the quote.
    pub(crate) paid_sat: Sat,
    /// The remainder below a satoshi after.
    pub(crate) carry_after_msat: Msat,
    /// Whose quote was paid, or would have been.
    pub(crate) epoch: EpochId,
}

/// Paid epochs that are too old for a line of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct OlderPaid {
    /// Their number.
    pub(crate) epochs: u64,
    /// In all.
    pub(crate) paid_sat: Sat,
}

/// What may come. Estimates, by what work was paid lately; `null` before any was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Estimates")]
pub(crate) struct Prospects {
    /// At the hashrate of the last 24 hours; 0 while the last hour has no work.
    pub(crate) sat_per_day: Option<f64>,
    /// Until the carry is a whole satoshi, at that rate.
    pub(crate) days_to_next_sat: Option<f64>,
}

/// A miner's work in an epoch.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    work: Work,
    shares: u64,
}

impl Done {
    fn of(tally: &Tally) -> Done {
        Done {
            work: tally.work,
            shares: tally.shares,
        }
    }
}

/// A miner's books.
pub(super) struct Books {
    pub(super) earnings: Vec<Earning>,
    pub(super) older_paid: OlderPaid,
    pub(super) statement: Vec<StatementLine>,
    msat_per_hash: Option<f64>,
}

impl Books {
    pub(super) fn look(
        reader: &Reader,
        miner: &MinerId,
        claimable: Option<&Claimable>,
    ) -> Result<Self, LedgerError> {
        let accounts = reader.epoch_accounts()?;
        let tallies = reader.tallies_of(miner, EPOCHS)?.into_iter();
        let mut done: BTreeMap<EpochId, Done> =
            tallies.map(|(id, tally)| (id, Done::of(&tally))).collect();
        let allocations = reader.allocations_of(miner, PAYOUTS)?;
        let lines = allocations
            .iter()
            .map(|(payout, row)| line(payout.payment.received_ms, payout.payment.key(), row));
        let statement: Vec<StatementLine> = lines.collect();
        let (older, rest) = paid_before(&done, &statement, claimable);
        for id in older {
            let tally = reader.tally(id, miner)?;
            done.insert(id, tally.as_ref().map(Done::of).unwrap_or_default());
        }
        let rate = msat_per_hash(&accounts);
        let mut earnings = Vec::with_capacity(done.len());
        for (id, own) in done.iter().rev() {
            let (Some(epoch), Some(account)) = (reader.epoch(*id)?, accounts.get(id)) else {
                continue;
            };
            let mut work = own.work;
            for absorbed in &account.absorbed {
                let more = match done.get(absorbed) {
                    Some(done) => done.work,
                    None => {
                        let tally = reader.tally(*absorbed, miner)?;
                        tally.map_or(Work::ZERO, |tally| tally.work)
                    }
                };
                work = work.saturating_add(more);
            }
            let paid = Paid::of(*id, &statement, claimable);
            earnings.push(earning(&epoch, account, (work, own.shares), paid, rate));
        }
        Ok(Books {
            earnings,
            older_paid: rest,
            statement: statement.into_iter().take(LINES).collect(),
            msat_per_hash: rate,
        })
    }

    /// What may come at `hashrate`, hashes a second.
    pub(super) fn prospects(&self, hashrate: f64, carry: Msat) -> Prospects {
        let per_day = self.msat_per_hash.map(|rate| rate * hashrate * 86_400.0);
        let missing = 1000_f64 - carry.below_sat().get() as f64;
        let days = per_day.filter(|per_day| *per_day > 0.0);
        Prospects {
            sat_per_day: per_day.map(|msat| msat / 1000.0),
            days_to_next_sat: days.map(|per_day| missing / per_day),
        }
    }
}

fn line(received_ms: u64, payout: PayoutKey, row: &AllocationRow) -> StatementLine {
    StatementLine {
        received_ms,
        payout,
        carry_before_msat: row.carry_before,
        allocated_msat: row.allocated,
        paid_sat: row.paid,
        carry_after_msat: row.carry_after,
        epoch: row.quote_epoch,
    }
}

/// The epochs whose quotes were paid beside those in `shown`: the newest of them, and the sum
/// of the rest. The mint has them by miner, however long ago it was; without it the ledger's
/// last payouts tell.
fn paid_before(
    shown: &BTreeMap<EpochId, Done>,
    statement: &[StatementLine],
    claimable: Option<&Claimable>,
) -> (Vec<EpochId>, OlderPaid) {
    let by_ledger = statement.iter().map(|line| line.epoch);
    let by_mint = claimable.into_iter().flat_map(|mint| mint.epochs.keys());
    let all: BTreeSet<EpochId> = by_ledger.chain(by_mint.copied()).collect();
    let before = all.into_iter().rev().filter(|id| !shown.contains_key(id));
    let paid = before.filter_map(|id| {
        let paid = Paid::of(id, statement, claimable).paid;
        (!paid.is_zero()).then_some((id, paid))
    });
    let (mut lines, mut rest) = (Vec::new(), OlderPaid::default());
    for (id, paid) in paid {
        if lines.len() < OLDER {
            lines.push(id);
            continue;
        }
        rest.epochs = rest.epochs.saturating_add(1);
        // A sum of what the pool received: it is below all bitcoins.
        rest.paid_sat = rest.paid_sat.checked_add(paid).unwrap_or(rest.paid_sat);
    }
    (lines, rest)
}

/// What was paid to the quotes of an epoch, as the ledger and the mint know it.
struct Paid {
    paid: Sat,
    swept: Option<Sat>,
}

impl Paid {
    fn of(epoch: EpochId, statement: &[StatementLine], claimable: Option<&Claimable>) -> Self {
        let lines = statement.iter().filter(|line| line.epoch == epoch);
        // A sum of what the pool received: it is below all bitcoins.
        let booked = lines.fold(Sat::ZERO, |sum, line| {
            sum.checked_add(line.paid_sat).unwrap_or(sum)
        });
        let claimed = claimable.map(|claimable| {
            let claimed = claimable.epochs.get(&epoch).copied();
            claimed.unwrap_or_else(Claimed::default)
        });
        Paid {
            // The mint learns of it a moment after the ledger, and knows of older ones.
            paid: claimed.map_or(booked, |claimed| claimed.paid.max(booked)),
            swept: claimed.map(|claimed| claimed.issued),
        }
    }
}

fn earning(
    epoch: &Epoch,
    account: &EpochAccount,
    (work, shares): (Work, u64),
    paid: Paid,
    rate: Option<f64>,
) -> Earning {
    let whole_work = if epoch.is_open() {
        epoch.totals.work.saturating_add(account.work)
    } else {
        account.work
    };
    Earning {
        epoch: epoch.id,
        opened_ms: epoch.opened_ms,
        closed_ms: epoch.closed_ms(),
        block: account.block(),
        work,
        shares,
        whole_work,
        state: state(epoch, account, (work, whole_work), paid, rate),
    }
}

fn state(
    epoch: &Epoch,
    account: &EpochAccount,
    (work, whole): (Work, Work),
    paid: Paid,
    rate: Option<f64>,
) -> EarningState {
    let by_rate = rate.map(|rate| rate * net(&account.terms) * hashes(work));
    if let Stage::Merged { into, .. } = account.stage {
        EarningState::Merged { into }
    } else if !paid.paid.is_zero() {
        EarningState::Paid {
            paid_sat: paid.paid,
            swept_sat: paid.swept,
        }
    } else if epoch.is_open() {
        EarningState::Running {
            estimate_msat: by_rate,
        }
    } else if account.covered || account.paid_over {
        EarningState::Carried
    } else {
        let told = account.earnings.filter(|_| !whole.is_zero());
        let told = told.map(|earnings| {
            earnings.net.get() as f64 * 1000.0 * net(&account.terms) * hashes(work) / hashes(whole)
        });
        EarningState::Pending {
            estimate_msat: told.or(by_rate),
        }
    }
}

/// What a hash earned lately before the fee, in msat; `None` before any was paid.
fn msat_per_hash(accounts: &BTreeMap<EpochId, EpochAccount>) -> Option<f64> {
    let paid = accounts
        .values()
        .rev()
        .filter(|account| account.is_closed() && account.covered && !account.work.is_zero())
        .take(PAID_EPOCHS);
    let sums = paid.fold((0.0, 0.0), |(msat, work), account| {
        (
            msat + account.received.get() as f64,
            work + hashes(account.work),
        )
    });
    (sums.1 > 0.0).then(|| sums.0 / sums.1)
}

/// What the fee leaves.
fn net(terms: &EpochTerms) -> f64 {
    1.0 - f64::from(terms.fee_bps) / f64::from(EpochTerms::MAX_FEE_BPS)
}

fn hashes(work: Work) -> f64 {
    work.hashes() as f64
}

#[cfg(test)]
mod tests;
