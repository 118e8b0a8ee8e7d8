//! Money per work of several epochs, made level: water poured into vessels of different
//! widths that stand at different heights.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use ruint::aliases::U256;

use super::allocate::apportion;
use super::select::Candidate;
use crate::{EpochId, Msat};

/// How an amount is poured.
pub(super) enum Filled {
    /// Each candidate's part, in their order.
    Parts(Vec<(EpochId, Msat)>),
    /// None of them has any work.
    NoWork,
}

/// Where the water stands: money per work.
#[derive(Clone, Copy)]
struct Level {
    msat: u128,
    work: u128,
}

impl Level {
    /// What stands higher than `factor` times this candidate.
    fn is_above(self, candidate: &Candidate, factor: u64) -> bool {
        // 64 + 64 + 128 bits, and 128 + 128: both fit.
        let own = U256::from(candidate.received.get())
            .saturating_mul(U256::from(factor))
            .saturating_mul(U256::from(self.work));
        own < U256::from(self.msat).saturating_mul(U256::from(candidate.work.hashes()))
    }
}

impl Level {
    fn with(self, candidate: &Candidate) -> Level {
        let received = u128::from(candidate.received.get());
        Level {
            msat: self.msat.saturating_add(received),
            work: self.work.saturating_add(candidate.work.hashes()),
        }
    }

    fn without(self, candidate: &Candidate) -> Level {
        let received = u128::from(candidate.received.get());
        Level {
            msat: self.msat.saturating_sub(received),
            work: self.work.saturating_sub(candidate.work.hashes()),
        }
    }
}

/// By money per work, the least first; equal ones by their epochs. Those without work
/// come last.
pub(super) fn compare(a: &Candidate, b: &Candidate) -> Ordering {
    let one = U256::from(a.received.get()).saturating_mul(U256::from(b.work.hashes()));
    let two = U256::from(b.received.get()).saturating_mul(U256::from(a.work.hashes()));
    let workless = |c: &Candidate| c.work.is_zero();
    workless(a)
        .cmp(&workless(b))
        .then(one.cmp(&two))
        .then(a.epoch.cmp(&b.epoch))
}

/// Those of `candidates` that get something, and how high they stand after it.
fn poured(amount: Msat, candidates: &[Candidate]) -> Option<(Level, BTreeSet<EpochId>)> {
    let mut lowest_first: Vec<&Candidate> = candidates.iter().collect();
    lowest_first.sort_unstable_by(|a, b| compare(a, b));
    let mut level: Option<Level> = None;
    let mut wet = BTreeSet::new();
    for candidate in lowest_first.into_iter().filter(|c| !c.work.is_zero()) {
        if level.is_some_and(|level| !level.is_above(candidate, 1)) {
            break;
        }
        let before = level.unwrap_or(Level {
            msat: u128::from(amount.get()),
            work: 0,
        });
        level = Some(before.with(candidate));
        wet.insert(candidate.epoch);
    }
    level.map(|level| (level, wet))
}

/// Pours `amount` over the candidates: those that get something stand equally high after
/// it, rounded to the msat by largest remainders, and no other stands lower.
pub(super) fn fill(amount: Msat, candidates: &[Candidate]) -> Filled {
    let Some((level, wet)) = poured(amount, candidates) else {
        return Filled::NoWork;
    };
    let gets = |c: &&Candidate| wet.contains(&c.epoch);
    let weights = candidates.iter().filter(gets);
    let weights = weights.map(|c| (c.epoch, c.work.hashes()));
    let Some(due) = apportion(level.msat, weights) else {
        return Filled::NoWork;
    };
    let mut due = due.into_iter().peekable();
    let part = |c: &Candidate| {
        let due = due.next_if(|(epoch, _)| *epoch == c.epoch);
        let received = u128::from(c.received.get());
        // Each stood below the level, so what is due is not less than what it had.
        let part = due.map_or(0, |(_, due)| due.saturating_sub(received));
        (c.epoch, Msat::new(u64::try_from(part).unwrap_or(u64::MAX)))
    };
    Filled::Parts(candidates.iter().map(part).collect())
}

/// `chosen`, and of the `rest` those who would stand at less than half of the level to
/// which `amount` brings all of them: the lowest joins first, and lowers it for the next.
/// A look at each, whatever their number: anybody can have this asked for a satoshi.
pub(super) fn join(
    amount: Msat,
    mut chosen: Vec<Candidate>,
    mut rest: Vec<Candidate>,
) -> Vec<Candidate> {
    if let Some((mut level, wet)) = poured(amount, &chosen) {
        let mut highest_last: Vec<Candidate> = chosen
            .iter()
            .filter(|candidate| wet.contains(&candidate.epoch))
            .copied()
            .collect();
        highest_last.sort_unstable_by(compare);
        rest.retain(|candidate| !candidate.work.is_zero());
        rest.sort_unstable_by(compare);
        for candidate in rest {
            if !level.is_above(&candidate, 2) {
                break;
            }
            level = level.with(&candidate);
            // Who joins stays wet: all that join later stand higher. Of those that were
            // chosen the highest may fall dry.
            while let Some(highest) = highest_last.last() {
                if level.is_above(highest, 1) {
                    break;
                }
                level = level.without(highest);
                highest_last.pop();
            }
            chosen.push(candidate);
        }
    }
    chosen.sort_unstable_by_key(|candidate| candidate.epoch);
    chosen
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Work;

    fn candidates(of: &[(u8, u8)]) -> Vec<Candidate> {
        (1..)
            .zip(of)
            .map(|(epoch, &(work, received))| Candidate {
                epoch: EpochId::new(epoch),
                work: Work::from_hashes(work.into()),
                expected: None,
                received: Msat::new(received.into()),
            })
            .collect()
    }

    /// As the words have it, poured anew each time.
    fn joined(
        amount: Msat,
        mut chosen: Vec<Candidate>,
        mut rest: Vec<Candidate>,
    ) -> Vec<Candidate> {
        rest.retain(|candidate| !candidate.work.is_zero());
        rest.sort_unstable_by(compare);
        for candidate in rest {
            let level = poured(amount, &chosen).map(|(level, _)| level);
            if level.is_none_or(|level| !level.is_above(&candidate, 2)) {
                break;
            }
            chosen.push(candidate);
        }
        chosen.sort_unstable_by_key(|candidate| candidate.epoch);
        chosen
    }

    proptest! {
        #[test]
        fn who_joins_does_not_depend_on_how_it_is_found(
            amount in 1_u64..2_000,
            of in prop::collection::vec(any::<(u8, u8)>(), 1..20),
            first in 0_usize..20,
        ) {
            let mut chosen = candidates(&of);
            let rest = chosen.split_off(first.min(of.len()));
            let amount = Msat::new(amount);
            let expected = joined(amount, chosen.clone(), rest.clone());
            prop_assert_eq!(join(amount, chosen, rest), expected);
        }

        #[test]
        fn all_that_is_poured_arrives_and_no_one_is_left_lower(
            amount in 1_u64..2_000,
            of in prop::collection::vec(any::<(u8, u8)>(), 1..20),
        ) {
            let all = candidates(&of);
            let Filled::Parts(parts) = fill(Msat::new(amount), &all) else {
                prop_assert!(all.iter().all(|candidate| candidate.work.is_zero()));
                return Ok(());
            };
            prop_assert_eq!(parts.iter().map(|(_, part)| part.get()).sum::<u64>(), amount);
            // To the msat: whoever got something stands no higher than anybody else.
            let after = all.iter().zip(&parts).filter(|(c, _)| !c.work.is_zero());
            let after: Vec<(u128, u128, bool)> = after
                .map(|(c, (_, part))| {
                    let msat = u128::from(c.received.get() + part.get());
                    (msat, c.work.hashes(), !part.is_zero())
                })
                .collect();
            for &(msat, work, _) in after.iter().filter(|(.., wet)| *wet) {
                for &(other, other_work, _) in &after {
                    prop_assert!((msat - 1) * other_work <= (other + 1) * work);
                }
            }
        }
    }

    #[test]
    fn thousands_of_epochs_are_one_look() {
        let of = vec![(1, 0); 20_000];
        let mut chosen = candidates(&of);
        let rest = chosen.split_off(1);
        let all = join(Msat::new(1_000), chosen, rest);
        assert_eq!(all.len(), 20_000);
        let Filled::Parts(parts) = fill(Msat::new(1_000), &all) else {
            panic!("all have work");
        };
        assert_eq!(
            parts.iter().filter(|(_, part)| part.get() == 1).count(),
            1_000
        );
    }
}
