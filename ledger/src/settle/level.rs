//! Money per work of several epochs, made level: water poured into vessels of different
//! widths that stand at different heights.

use std::cmp::Ordering;

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
fn poured(amount: Msat, candidates: &[Candidate]) -> Option<(Level, Vec<EpochId>)> {
    let mut lowest_first: Vec<&Candidate> = candidates.iter().collect();
    lowest_first.sort_unstable_by(|a, b| compare(a, b));
    let mut level: Option<Level> = None;
    let mut wet = Vec::new();
    for candidate in lowest_first.into_iter().filter(|c| !c.work.is_zero()) {
        if level.is_some_and(|level| !level.is_above(candidate, 1)) {
            break;
        }
        let before = level.unwrap_or(Level {
            msat: u128::from(amount.get()),
            work: 0,
        });
        level = Some(Level {
            msat: before
                .msat
                .saturating_add(u128::from(candidate.received.get())),
            work: before.work.saturating_add(candidate.work.hashes()),
        });
        wet.push(candidate.epoch);
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
pub(super) fn join(
    amount: Msat,
    mut chosen: Vec<Candidate>,
    mut rest: Vec<Candidate>,
) -> Vec<Candidate> {
    rest.retain(|c| !c.work.is_zero());
    rest.sort_unstable_by(compare);
    for candidate in rest {
        let joins = poured(amount, &chosen).is_some_and(|(level, _)| level.is_above(&candidate, 2));
        if !joins {
            break;
        }
        chosen.push(candidate);
    }
    chosen.sort_unstable_by_key(|candidate| candidate.epoch);
    chosen
}
