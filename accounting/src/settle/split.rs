//! The split of a payout's parts over the miners: pure, and done again by the auditor.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::account::Earnings;
use super::allocate::{AllocationError, allocate, apportion_msat};
use super::expect::{Epochs, Expectations};
use super::policy::Policy;
use crate::{EpochId, EpochTerms, MinerId, Msat, Split, Work};

/// Every miner's work, by epoch.
pub(super) type Works = BTreeMap<EpochId, BTreeMap<MinerId, Work>>;

/// An epoch's part of a payout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Part {
    /// The epoch that is expected to get it.
    pub epoch: EpochId,
    /// How much.
    pub amount: Msat,
    /// The epoch whose miners get it: itself, or the nearest earlier one with work.
    pub pays_over: EpochId,
    /// The terms of `pays_over`: they say over which work the part is split.
    pub terms: EpochTerms,
    /// What the API said of `epoch`'s block, as far as it was believed.
    pub earnings: Option<Earnings>,
    /// The work that it is split over, newest first.
    pub slices: Vec<Slice>,
    /// The operator's fee of it.
    pub fee: Msat,
}

/// The work of an epoch, or as much of it as the window still takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Slice {
    /// The epoch.
    pub epoch: EpochId,
    /// All its work.
    pub work: Work,
    /// What counts of it.
    pub taken: Work,
    /// What falls on it. None in a settlement by [`Settlement::FIRST_RULES`]: there each
    /// miner counted with `floor(miner's work x taken / work)` in one sum, and the fee
    /// was that of the part's terms.
    ///
    /// [`Settlement::FIRST_RULES`]: super::Settlement::FIRST_RULES
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SlicePay")]
    pub pays: Option<SlicePay>,
}

/// What falls on a slice, and what of it is the operator's: by the terms of the slice's
/// own epoch, which is when the work was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SlicePay {
    /// Its part of the part, in proportion to `taken`.
    pub amount: Msat,
    /// The fee of its epoch's terms, in basis points.
    #[schemars(range(max = 10_000))]
    pub fee_bps: u16,
    /// The fee, rounded down.
    pub fee: Msat,
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
pub(super) fn plan(
    epochs: &Epochs,
    policy: &Policy,
    epoch: EpochId,
    amount: Msat,
) -> Result<Option<Part>, AllocationError> {
    let mut closed = epochs.range(..=epoch).rev().filter(|(_, e)| e.is_closed());
    let Some((&pays_over, payer)) = closed.clone().find(|(_, e)| !e.work.is_zero()) else {
        return Ok(None);
    };
    let earnings = Expectations::of(epochs, policy).used(epoch, payer.terms.split);
    let mut slices = match payer.terms.split {
        Split::Epoch => vec![whole((pays_over, payer.work))],
        Split::Tides => {
            let all = closed.by_ref().map(|(&id, e)| (id, e.work));
            let window = earnings.and_then(|known| known.shares_in_window);
            match window.filter(|&shares| shares > 0) {
                Some(shares) => window_of_work(all, shares),
                None => window_of_epochs(all, policy.window_epochs, pays_over),
            }
        }
    };
    let fee_of = |epoch: EpochId| epochs.get(&epoch).map_or(0, |epoch| epoch.terms.fee_bps);
    let fee = pay_slices(amount, &mut slices, fee_of)?;
    Ok(Some(Part {
        epoch,
        amount,
        pays_over,
        terms: payer.terms,
        earnings,
        slices,
        fee,
    }))
}

/// Divides a part over its slices and takes the fee of each. Gives all fees.
pub(super) fn pay_slices(
    amount: Msat,
    slices: &mut [Slice],
    fee_of: impl Fn(EpochId) -> u16,
) -> Result<Msat, AllocationError> {
    let weights = slices
        .iter()
        .enumerate()
        .map(|(at, slice)| (at, slice.taken.hashes()));
    let parts = apportion_msat(amount, weights).ok_or(AllocationError::NoWork)?;
    let mut fees = Msat::ZERO;
    for (slice, (_, amount)) in slices.iter_mut().zip(parts) {
        let fee_bps = fee_of(slice.epoch);
        let fee = super::fee_floor(amount, fee_bps)?;
        slice.pays = Some(SlicePay {
            amount,
            fee_bps,
            fee,
        });
        // All of them are of one amount, which fits.
        fees = Msat::new(fees.get().saturating_add(fee.get()));
    }
    Ok(fees)
}

fn whole((epoch, work): (EpochId, Work)) -> Slice {
    Slice {
        epoch,
        work,
        taken: work,
        pays: None,
    }
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
            taken: Work::from_hashes(taken),
            ..whole((epoch, work))
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
    newest_first
        .enumerate()
        .filter(|&(at, (epoch, work))| !work.is_zero() && (at < count || epoch == pays_over))
        .map(|(_, epoch)| whole(epoch))
        .collect()
}

/// Splits every part over its work. `works` has every epoch of the slices.
pub(super) fn split(parts: &[Part], works: &Works) -> Result<SplitOut, AllocationError> {
    let homes = homes(parts, works);
    let mut out = SplitOut::default();
    for part in parts {
        let mut fees = Msat::ZERO;
        for slice in &part.slices {
            let SlicePay {
                amount, fee_bps, ..
            } = slice.pays.ok_or(AllocationError::NoWork)?;
            let works = works.get(&slice.epoch).ok_or(AllocationError::NoWork)?;
            let allocation = allocate(amount, fee_bps, works)?;
            fees = Msat::new(fees.get().saturating_add(allocation.fee.get()));
            out.add(part, allocation.miners, &homes);
        }
        out.fees.push(fees);
    }
    Ok(out)
}

impl SplitOut {
    /// What miners get of a part.
    pub(super) fn add(
        &mut self,
        part: &Part,
        miners: BTreeMap<MinerId, Msat>,
        homes: &BTreeMap<MinerId, (bool, EpochId)>,
    ) {
        for (miner, msat) in miners {
            let (_, home) = homes.get(&miner).copied().unwrap_or((true, part.pays_over));
            let entry = self.miners.entry(miner).or_insert((Msat::ZERO, home));
            // All parts together are one payment, which fits.
            entry.0 = Msat::new(entry.0.get().saturating_add(msat.get()));
        }
    }
}

/// For each miner the newest covered epoch in which they have work; for who has none in
/// those, the newest of the window: a leaver's tail would otherwise stay in carry for
/// ever. (`true` marks a covered one.)
pub(super) fn homes(parts: &[Part], works: &Works) -> BTreeMap<MinerId, (bool, EpochId)> {
    let covered: BTreeSet<EpochId> = parts.iter().map(|part| part.pays_over).collect();
    let used: BTreeSet<EpochId> = parts
        .iter()
        .flat_map(|part| part.slices.iter().map(|slice| slice.epoch))
        .collect();
    let mut homes = BTreeMap::new();
    for epoch in used.union(&covered) {
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
