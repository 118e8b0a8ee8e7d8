//! The split of a payout's parts over the miners: pure, and done again by the auditor.

use std::collections::{BTreeMap, BTreeSet};

use ruint::aliases::U256;
use serde::{Deserialize, Serialize};

use super::account::Earnings;
use super::allocate::{AllocationError, allocate};
use super::expect::Epochs;
use super::policy::Policy;
use crate::{EpochId, EpochTerms, MinerId, Msat, Split, Work};

/// Every miner's work, by epoch.
pub(super) type Works = BTreeMap<EpochId, BTreeMap<MinerId, Work>>;

/// An epoch's part of a payout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The epoch that is expected to get it.
    pub epoch: EpochId,
    /// How much.
    pub amount: Msat,
    /// The epoch whose miners get it: itself, or the nearest earlier one with work.
    pub pays_over: EpochId,
    /// The terms it is split by: those of `pays_over`, whose miners saw them.
    pub terms: EpochTerms,
    /// What the API said of `epoch`'s block.
    pub earnings: Option<Earnings>,
    /// The work that it is split over, newest first.
    pub slices: Vec<Slice>,
    /// The operator's fee of it.
    pub fee: Msat,
}

/// The work of an epoch, or as much of it as the window still takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// The epoch.
    pub epoch: EpochId,
    /// All its work.
    pub work: Work,
    /// What counts of it; below `work` each miner counts with
    /// `floor(miner's work x taken / work)`.
    pub taken: Work,
}

/// What miners get of all parts of a payout.
#[derive(Debug, Default)]
pub(super) struct SplitOut {
    /// The fee of each part.
    pub(super) fees: Vec<Msat>,
    /// Each miner's msat, and the epoch whose quote their whole sats go to.
    pub(super) miners: BTreeMap<MinerId, (Msat, EpochId)>,
}

/// `amount` for `epoch`, with the work that it is to be split over. `None` when neither
/// it nor any earlier epoch has work.
pub(super) fn plan(epochs: &Epochs, policy: &Policy, epoch: EpochId, amount: Msat) -> Option<Part> {
    let earnings = epochs.get(&epoch)?.earnings;
    let mut closed = epochs.range(..=epoch).rev().filter(|(_, e)| e.is_closed());
    let (&pays_over, payer) = closed.clone().find(|(_, e)| !e.work.is_zero())?;
    let slices = match payer.terms.split {
        Split::Epoch => vec![Slice {
            epoch: pays_over,
            work: payer.work,
            taken: payer.work,
        }],
        Split::Tides => {
            let all = closed.by_ref().map(|(&id, e)| (id, e.work));
            let window = earnings.and_then(|known| known.shares_in_window);
            match window.filter(|&shares| shares > 0) {
                Some(shares) => window_of_work(all, shares),
                None => window_of_epochs(all, policy.window_epochs, pays_over),
            }
        }
    };
    Some(Part {
        epoch,
        amount,
        pays_over,
        terms: payer.terms,
        earnings,
        slices,
        fee: Msat::ZERO,
    })
}

/// The newest epochs that make up `shares` x 2^32 hashes, the oldest one cut.
pub(super) fn window_of_work(
    newest_first: impl Iterator<Item = (EpochId, Work)>,
    shares: u64,
) -> Vec<Slice> {
    // 64 bits shifted by 32: it fits.
    let mut left = u128::from(shares).saturating_mul(1 << 32);
    let mut slices = Vec::new();
    for (epoch, work) in newest_first.filter(|(_, work)| !work.is_zero()) {
        let taken = work.hashes().min(left);
        slices.push(Slice {
            epoch,
            work,
            taken: Work::from_hashes(taken),
        });
        left = left.saturating_sub(taken);
        if left == 0 {
            break;
        }
    }
    slices
}

/// The last `count` epochs; always with `pays_over`, though so many without work may
/// stand before it.
fn window_of_epochs(
    newest_first: impl Iterator<Item = (EpochId, Work)>,
    count: usize,
    pays_over: EpochId,
) -> Vec<Slice> {
    let whole = |(epoch, work)| Slice {
        epoch,
        work,
        taken: work,
    };
    newest_first
        .enumerate()
        .filter(|&(at, (epoch, work))| !work.is_zero() && (at < count || epoch == pays_over))
        .map(|(_, epoch)| whole(epoch))
        .collect()
}

/// Splits every part over its work. `works` has every epoch of the slices.
pub(super) fn split(parts: &[Part], works: &Works) -> Result<SplitOut, AllocationError> {
    let covered: BTreeSet<EpochId> = parts.iter().map(|part| part.pays_over).collect();
    let homes = homes(parts, works, &covered);
    let mut out = SplitOut::default();
    for part in parts {
        let allocation = allocate(part.amount, part.terms.fee_bps, &weights(part, works))?;
        out.fees.push(allocation.fee);
        for (miner, msat) in allocation.miners {
            let (_, home) = homes.get(&miner).copied().unwrap_or((true, part.pays_over));
            let entry = out.miners.entry(miner).or_insert((Msat::ZERO, home));
            // All parts together are one payment, which fits.
            entry.0 = Msat::new(entry.0.get().saturating_add(msat.get()));
        }
    }
    Ok(out)
}

/// For each miner the newest covered epoch in which they have work; for who has none in
/// those, the newest of the window: a leaver's tail would otherwise stay in carry for
/// ever. (`true` marks a covered one.)
fn homes(
    parts: &[Part],
    works: &Works,
    covered: &BTreeSet<EpochId>,
) -> BTreeMap<MinerId, (bool, EpochId)> {
    let used: BTreeSet<EpochId> = parts
        .iter()
        .flat_map(|part| part.slices.iter().map(|slice| slice.epoch))
        .collect();
    let mut homes = BTreeMap::new();
    for epoch in used.union(covered) {
        let of = (covered.contains(epoch), *epoch);
        let miners = works
            .get(epoch)
            .into_iter()
            .flatten()
            .filter(|(_, work)| !work.is_zero());
        for (&miner, _) in miners {
            let home = homes.entry(miner).or_insert(of);
            *home = of.max(*home);
        }
    }
    homes
}

/// The work that a part is split over. A window so small that every miner rounds to
/// nothing counts as the whole of the newest epoch.
fn weights(part: &Part, works: &Works) -> BTreeMap<MinerId, Work> {
    let mut sums: BTreeMap<MinerId, Work> = BTreeMap::new();
    for slice in &part.slices {
        for (&miner, &work) in works.get(&slice.epoch).into_iter().flatten() {
            let counted = scaled_floor(work, slice);
            if !counted.is_zero() {
                let sum = sums.entry(miner).or_default();
                *sum = sum.saturating_add(counted);
            }
        }
    }
    if sums.is_empty() {
        return works.get(&part.pays_over).cloned().unwrap_or_default();
    }
    sums
}

fn scaled_floor(work: Work, slice: &Slice) -> Work {
    if slice.taken >= slice.work {
        return work;
    }
    let product = U256::from(work.hashes()).saturating_mul(U256::from(slice.taken.hashes()));
    let scaled = product.checked_div(U256::from(slice.work.hashes()));
    Work::from_hashes(scaled.unwrap_or_default().saturating_to())
}
