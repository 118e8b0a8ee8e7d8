//! The quotes that get a miner's sats of a payout, if shares have quotes of their own.

use super::allocate::spread_over_shares_floor;
use crate::{QuotedShare, Sat, ShareId, Work};

/// A part of a miner's sats, for the quote of a share or (`None`) for the miner's quote
/// of the epoch.
pub type QuotePart = (Option<ShareId>, Sat);

/// Spreads a miner's whole sats of a payout over their quotes of an epoch: `shares` are
/// those with quotes of their own in the order of the ledger; what is left of `work`,
/// all that the miner has in the epoch, is the quote of the epoch's. Each part is at
/// least one sat, and together they are `sats`: how the quotes are made changes nothing
/// about what is paid.
pub fn spread_over_quotes_floor(sats: Sat, work: Work, shares: &[QuotedShare]) -> Vec<QuotePart> {
    let own = shares
        .iter()
        .fold(Work::ZERO, |sum, quoted| sum.saturating_add(quoted.work));
    let rest = work.hashes().saturating_sub(own.hashes());
    let names = shares.iter().map(|quoted| Some(quoted.share));
    let works = shares.iter().map(|quoted| quoted.work);
    let works: Vec<Work> = works.chain([Work::from_hashes(rest)]).collect();
    let parts = spread_over_shares_floor(sats, &works);
    if parts.is_empty() {
        // No work at all: who says so pays them for something else.
        return vec![(None, sats)];
    }
    names
        .chain([None])
        .zip(parts)
        .filter(|(_, part)| !part.is_zero())
        .collect()
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::SessionId;

    fn id(number: usize) -> ShareId {
        ShareId {
            session: SessionId::new(1, 1),
            sequence: number as u64 + 1,
        }
    }

    fn quoted(works: &[u128]) -> Vec<QuotedShare> {
        let works = works.iter().enumerate();
        works
            .map(|(number, &work)| QuotedShare {
                share: id(number),
                work: Work::from_hashes(work),
            })
            .collect()
    }

    /// `parts` are those of the shares, and the last one that of the epoch's quote.
    #[track_caller]
    fn case(sats: u64, work: u128, shares: &[u128], parts: &[u64]) {
        let got =
            spread_over_quotes_floor(Sat::new(sats), Work::from_hashes(work), &quoted(shares));
        let names = (0..shares.len()).map(|number| Some(id(number)));
        let all = names
            .chain([None])
            .zip(parts.iter().map(|&sat| Sat::new(sat)));
        let expected: Vec<_> = all.filter(|(_, sats)| !sats.is_zero()).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn sats_follow_the_work_in_the_order_of_the_ledger() {
        case(10, 3, &[1, 1, 1], &[3, 3, 4, 0]);
        case(1, 4, &[1, 1, 1, 1], &[0, 0, 0, 1, 0]);
        // Past the most quotes, and of epochs that dissolved into this one.
        case(10, 10, &[1, 1], &[1, 1, 8]);
        case(7, 5, &[], &[7]);
        case(7, 0, &[], &[7]);
        // A sum that contradicts the shares still pays everything.
        case(6, 1, &[2, 1], &[4, 2, 0]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_made(
            sats: u64, work: u128, shares in prop::collection::vec(0_u128..1 << 100, 0..30),
        ) {
            let (sats, work) = (Sat::new(sats), Work::from_hashes(work));
            let parts = spread_over_quotes_floor(sats, work, &quoted(&shares));
            let sum: u128 = parts.iter().map(|(_, part)| u128::from(part.get())).sum();
            prop_assert_eq!(sum, u128::from(sats.get()));
            prop_assert!(parts.iter().all(|(_, part)| !part.is_zero()) || sats.is_zero());
            prop_assert!(parts.is_sorted_by_key(|(share, _)| (share.is_none(), *share)));
        }
    }
}
