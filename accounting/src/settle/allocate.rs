//! The exact split of an amount: floor, then the largest remainders.

use std::collections::BTreeMap;

use ruint::aliases::U256;
use thiserror::Error;

use crate::{EpochTerms, MinerId, Msat, Sat, Work};

/// What one amount becomes. `fee` and all of `miners` add up to it, exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allocation {
    /// The operator's part.
    pub fee: Msat,
    /// Each miner's part; a miner who got less than 1 msat is not in it.
    pub miners: BTreeMap<MinerId, Msat>,
}

/// Why an amount cannot be split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AllocationError {
    /// More than everything for the operator.
    #[error("a fee of {0} basis points is above {max}", max = EpochTerms::MAX_FEE_BPS)]
    Fee(u16),
    /// Nobody to give it to.
    #[error("there is no work to split it over")]
    NoWork,
}

/// Splits `amount`: first the fee, `fee_bps` basis points rounded down; the rest in
/// proportion to work, rounded down to the msat, and what that leaves one msat each to
/// the largest remainders, equal ones in the order of the keys. Linear in the miners.
pub fn allocate(
    amount: Msat,
    fee_bps: u16,
    works: &BTreeMap<MinerId, Work>,
) -> Result<Allocation, AllocationError> {
    let fee = fee_floor(amount, fee_bps)?;
    let rest = amount
        .checked_sub(fee)
        .ok_or(AllocationError::Fee(fee_bps))?;
    let weights = works.iter().map(|(&miner, work)| (miner, work.hashes()));
    let parts = apportion_msat(rest, weights).ok_or(AllocationError::NoWork)?;
    let miners = parts.into_iter().filter(|(_, part)| !part.is_zero());
    Ok(Allocation {
        fee,
        miners: miners.collect(),
    })
}

/// `fee_bps` basis points of `amount`, rounded down: a broken msat is the miners'.
pub fn fee_floor(amount: Msat, fee_bps: u16) -> Result<Msat, AllocationError> {
    if fee_bps > EpochTerms::MAX_FEE_BPS {
        return Err(AllocationError::Fee(fee_bps));
    }
    let product = u128::from(amount.get()).saturating_mul(u128::from(fee_bps));
    let fee = product
        .checked_div(u128::from(EpochTerms::MAX_FEE_BPS))
        .and_then(|fee| u64::try_from(fee).ok());
    Ok(Msat::new(fee.expect(
        "at most the amount, since the fee is at most the whole",
    )))
}

/// `amount` over `weights`, which come in the order of their keys: floor, then one more
/// to each of the largest remainders, ties to the earlier key. The parts come in the
/// same order and add up to `amount`, exactly. `None` when all weights are zero.
pub(super) fn apportion<K: Copy>(
    amount: u128,
    weights: impl Iterator<Item = (K, u128)> + Clone,
) -> Option<Vec<(K, u128)>> {
    let total = weights.clone().fold(U256::ZERO, |sum, (_, weight)| {
        sum.saturating_add(U256::from(weight))
    });
    if total.is_zero() {
        return None;
    }
    let mut parts = Vec::with_capacity(weights.size_hint().0);
    let mut remainders = Vec::with_capacity(weights.size_hint().0);
    let mut left = amount;
    for (key, weight) in weights {
        // 128 + 128 bits: it cannot saturate.
        let (part, remainder) = U256::from(amount)
            .saturating_mul(U256::from(weight))
            .div_rem(total);
        let part: u128 = part.saturating_to();
        left = left.saturating_sub(part);
        remainders.push((remainder, parts.len()));
        parts.push((key, part));
    }
    // The remainders add up to `left` totals and each is below one total, so more than
    // `left` of them are not zero: a weight of zero never gets anything.
    let left = usize::try_from(left).ok()?;
    if let Some(last) = left.checked_sub(1) {
        remainders.select_nth_unstable_by(last, |a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        for &(_, at) in remainders.iter().take(left) {
            if let Some((_, part)) = parts.get_mut(at) {
                *part = part.saturating_add(1);
            }
        }
    }
    Some(parts)
}

/// [`apportion`] of an amount of money.
pub(super) fn apportion_msat<K: Copy>(
    amount: Msat,
    weights: impl Iterator<Item = (K, u128)> + Clone,
) -> Option<Vec<(K, Msat)>> {
    let parts = apportion(u128::from(amount.get()), weights)?.into_iter();
    // None is more than the amount.
    let msat = |part: u128| Msat::new(u64::try_from(part).unwrap_or(amount.get()));
    Some(parts.map(|(key, part)| (key, msat(part))).collect())
}

/// A miner's whole sats of one payout over the shares behind them (`quote_per =
/// "share"`), by cumulative rounding in ledger order: share `i` gets
/// `floor(sats x works[..=i] / all) - floor(sats x works[..i] / all)`, so the total is
/// `sats` whatever the shares. Empty when there is no work.
pub fn spread_over_shares_floor(sats: Sat, works: &[Work]) -> Vec<Sat> {
    let sum = |works: &[Work]| {
        works.iter().fold(U256::ZERO, |sum, work| {
            sum.saturating_add(U256::from(work.hashes()))
        })
    };
    let total = sum(works);
    let (mut so_far, mut given) = (U256::ZERO, 0_u64);
    let mut parts = Vec::with_capacity(works.len());
    for work in works {
        so_far = so_far.saturating_add(U256::from(work.hashes()));
        let product = U256::from(sats.get()).saturating_mul(so_far);
        let Some(due) = product.checked_div(total) else {
            return Vec::new();
        };
        let due: u64 = due.saturating_to();
        parts.push(Sat::new(due.saturating_sub(given)));
        given = due;
    }
    parts
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::super::testing::miner;
    use super::*;
    use proptest::prelude::*;

    fn works(of: &[u128]) -> BTreeMap<MinerId, Work> {
        of.iter()
            .enumerate()
            .map(|(n, &w)| (miner(n), Work::from_hashes(w)))
            .collect()
    }

    #[track_caller]
    fn case(amount: u64, fee_bps: u16, of: &[u128], fee: u64, parts: &[u64]) {
        let got = allocate(Msat::new(amount), fee_bps, &works(of)).unwrap();
        assert_eq!(got.fee, Msat::new(fee));
        // `works` numbers the miners in the order of their keys.
        let expected: BTreeMap<_, _> = parts
            .iter()
            .enumerate()
            .filter(|(_, part)| **part > 0)
            .map(|(n, &part)| (miner(n), Msat::new(part)))
            .collect();
        assert_eq!(got.miners, expected);
    }

    #[test]
    fn the_split_is_exact() {
        case(1000, 0, &[1], 0, &[1000]);
        case(1000, 100, &[1, 1], 10, &[495, 495]);
        case(999, 1, &[1, 1], 0, &[500, 499]);
        case(10, 0, &[1, 1, 1], 0, &[4, 3, 3]);
        case(10, 0, &[1, 2, 4], 0, &[1, 3, 6]);
        case(2, 0, &[1, 1, 1], 0, &[1, 1, 0]);
        case(1, 0, &[1, 0, 2], 0, &[0, 0, 1]);
        case(0, 500, &[7], 0, &[0]);
        case(995, 10_000, &[7], 995, &[0]);
        case(
            u64::MAX,
            0,
            &[u128::MAX, u128::MAX],
            0,
            &[1 << 63, (1 << 63) - 1],
        );
        case(u64::MAX, 10_000, &[1], u64::MAX, &[0]);
    }

    #[test]
    fn what_cannot_be_split_says_why() {
        let one = works(&[1]);
        assert_eq!(
            allocate(Msat::new(5), 10_001, &one),
            Err(AllocationError::Fee(10_001))
        );
        assert_eq!(
            allocate(Msat::new(5), 0, &works(&[])),
            Err(AllocationError::NoWork)
        );
        assert_eq!(
            allocate(Msat::new(5), 0, &works(&[0, 0])),
            Err(AllocationError::NoWork)
        );
    }

    #[track_caller]
    fn spread(sats: u64, of: &[u128], parts: &[u64]) {
        let works: Vec<_> = of.iter().map(|&w| Work::from_hashes(w)).collect();
        let got: Vec<_> = spread_over_shares_floor(Sat::new(sats), &works)
            .iter()
            .map(|s| s.get())
            .collect();
        assert_eq!(got, parts);
    }

    #[test]
    fn sats_over_shares_keep_their_total() {
        spread(10, &[1, 1, 1], &[3, 3, 4]);
        spread(1, &[1, 1, 1, 1], &[0, 0, 0, 1]);
        spread(5, &[0, 5], &[0, 5]);
        spread(5, &[], &[]);
        spread(5, &[0], &[]);
        spread(u64::MAX, &[u128::MAX, u128::MAX], &[(1 << 63) - 1, 1 << 63]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_made(amount: u64, fee_bps in 0_u16..=10_000,
                                   of in prop::collection::vec(prop_oneof![0_u128..9, any::<u128>()], 1..40)) {
            let works = works(&of);
            match allocate(Msat::new(amount), fee_bps, &works) {
                Err(error) => {
                    prop_assert_eq!(error, AllocationError::NoWork);
                    prop_assert!(of.iter().all(|&w| w == 0));
                }
                Ok(got) => {
                    let all = got.miners.values().copied().chain([got.fee]);
                    prop_assert_eq!(Msat::checked_sum(all), Some(Msat::new(amount)));
                    let total: U256 = of.iter().map(|&w| U256::from(w)).sum();
                    let rest = U256::from(amount - got.fee.get());
                    for (miner, work) in &works {
                        let part = U256::from(got.miners.get(miner).map_or(0, |m| m.get()));
                        let floor = rest * U256::from(work.hashes()) / total;
                        prop_assert!(part == floor || part == floor + U256::from(1));
                        prop_assert!(!work.is_zero() || part.is_zero());
                    }
                }
            }
        }

        #[test]
        fn the_spread_keeps_its_total(sats: u64, of in prop::collection::vec(1_u128..1 << 90, 1..40)) {
            let works: Vec<_> = of.iter().map(|&w| Work::from_hashes(w)).collect();
            let got = spread_over_shares_floor(Sat::new(sats), &works);
            prop_assert_eq!(got.iter().map(|s| u128::from(s.get())).sum::<u128>(), u128::from(sats));
        }
    }
}
