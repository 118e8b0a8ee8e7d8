//! The first rules of a settlement, as far as an auditor needs them: files that were
//! published by them are recomputed by them for ever. Nothing is settled by these.

use std::collections::BTreeMap;

use ruint::aliases::U256;

use super::allocate::{AllocationError, allocate, apportion_msat};
use super::expect::covers;
use super::select::{Candidate, Found};
use super::split::{Part, Slice, SplitOut, Works, homes};
use crate::{EpochId, MinerId, Msat, Work};

/// How an amount was shared out over the candidates: by work where not all expectations
/// were known.
pub(super) fn share_out(
    amount: Msat,
    found: Found,
    candidates: &[Candidate],
) -> Vec<(EpochId, Msat)> {
    let Some(newest) = candidates.last() else {
        return Vec::new();
    };
    let enough = newest
        .expected
        .is_none_or(|expected| covers(amount, expected));
    let gift = found.epoch() == Some(newest.epoch) && (amount.is_zero() || !enough);
    let known = candidates
        .iter()
        .all(|candidate| candidate.expected.is_some());
    let weight = |candidate: &Candidate| match candidate.expected {
        Some(expected) if known => {
            u128::from(expected.get().saturating_sub(candidate.received.get()))
        }
        _ => candidate.work.hashes(),
    };
    let weights = candidates
        .iter()
        .map(|candidate| (candidate.epoch, weight(candidate)));
    let parts = if gift {
        None
    } else {
        apportion_msat(amount, weights)
    };
    match parts {
        Some(parts) => parts
            .into_iter()
            .filter(|(_, part)| !part.is_zero())
            .collect(),
        None => vec![(newest.epoch, amount)],
    }
}

/// How parts were split: by one sum over the window, with the fee of the part's terms.
pub(super) fn split(parts: &[Part], works: &Works) -> Result<SplitOut, AllocationError> {
    let homes = homes(parts, works);
    let mut out = SplitOut::default();
    for part in parts {
        let allocation = allocate(part.amount, part.terms.fee_bps, &weights(part, works))?;
        out.fees.push(allocation.fee);
        out.add(part, allocation.miners, &homes);
    }
    Ok(out)
}

/// The work that a part was split over. A window so small that every miner rounded to
/// nothing counted as the whole of the newest epoch.
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
