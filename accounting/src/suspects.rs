//! Withholding: a miner that keeps back just the shares that earn upstream is paid by
//! the others. Their number is Poisson distributed with a known mean, so it shows.
//!
//! For display only: nobody's money depends on these numbers, so they may be floats.
#![allow(clippy::float_arithmetic)]

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{MinerId, Tally, UpstreamOdds, Work};

/// How a miner's upstream-grade shares compare with what their work leads one to
/// expect.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Suspect {
    /// Who.
    pub miner: MinerId,
    /// Their work.
    pub work: Work,
    /// How many upstream-grade shares were to be expected.
    pub expected: UpstreamOdds,
    /// How many there were.
    pub found: u64,
    /// The chance that an honest miner finds so few or fewer: the Poisson
    /// distribution's lower tail. With many miners some are unlucky: below one in a
    /// thousand times the number of miners it is no longer luck.
    pub chance: f64,
}

/// Sums per miner, of which the suspects are told.
#[derive(Debug, Default)]
pub struct Suspects(BTreeMap<MinerId, (Work, UpstreamOdds, u64)>);

impl Suspects {
    /// Adds what a miner did in an epoch.
    pub fn add(&mut self, miner: MinerId, tally: &Tally) {
        let (work, expected, found) = self.0.entry(miner).or_default();
        *work = work.saturating_add(tally.work);
        *expected = expected.saturating_add(tally.upstream_expected);
        *found = found.saturating_add(tally.upstream_found);
    }

    /// Who found fewer than expected, the least likely first.
    pub fn ranked(self) -> Vec<Suspect> {
        let below = self
            .0
            .into_iter()
            .filter(|(_, (_, expected, found))| u128::from(*found) << 32 < expected.to_raw());
        let mut suspects: Vec<Suspect> = below
            .map(|(miner, (work, expected, found))| {
                let chance = at_most(found, as_f64(expected));
                Suspect {
                    miner,
                    work,
                    expected,
                    found,
                    chance,
                }
            })
            .collect();
        suspects.sort_by(|a, b| a.chance.total_cmp(&b.chance).then(a.miner.cmp(&b.miner)));
        suspects
    }
}

fn as_f64(odds: UpstreamOdds) -> f64 {
    odds.to_raw() as f64 / UpstreamOdds::ONE.to_raw() as f64
}

/// The chance of at most `found` where `expected` are expected and `found` is below
/// that. Summed from the largest term down, where it can stop early: the terms shrink
/// at least as fast as a geometric series.
fn at_most(found: u64, expected: f64) -> f64 {
    /// The logarithm of the smallest positive f64, about.
    const NOTHING: f64 = -745.0;
    let n = found as f64;
    let log_largest = n * expected.ln() - expected - ln_factorial(found);
    if log_largest < NOTHING {
        return 0.0;
    }
    let (mut sum, mut term) = (1.0, 1.0);
    for k in (1..=found).rev() {
        term *= k as f64 / expected;
        sum += term;
        if term < sum * f64::EPSILON {
            break;
        }
    }
    (log_largest.exp() * sum).min(1.0)
}

/// ln(n!): by the product for small n, by Stirling's series above.
fn ln_factorial(n: u64) -> f64 {
    if n < 20 {
        return (1..=n).map(|k| (k as f64).ln()).sum();
    }
    let x = n as f64;
    let series = 1.0 / (12.0 * x) - 1.0 / (360.0 * x.powi(3)) + 1.0 / (1260.0 * x.powi(5));
    x * x.ln() - x + 0.5 * (std::f64::consts::TAU * x).ln() + series
}

#[cfg(test)]
mod tests {
    use bitcoin::BlockHash;
    use bitcoin::hashes::Hash;

    use super::*;
    use crate::settle::fixtures::miner;

    #[track_caller]
    fn case(found: u64, expected: f64, chance: f64) {
        let got = at_most(found, expected);
        assert!(
            (got - chance).abs() <= chance * 1e-9,
            "{got} is not {chance}"
        );
    }

    #[test]
    fn the_tail_is_the_poisson_distributions() {
        case(0, 1.0, (-1.0f64).exp());
        case(0, 10.0, (-10.0f64).exp());
        case(1, 2.0, 3.0 * (-2.0f64).exp());
        case(2, 3.0, 8.5 * (-3.0f64).exp());
        case(0, 1e6, 0.0);
        // By summing the terms up from zero.
        let direct = (1..=80).scan(1.0, |term, k| {
            *term *= 100.0 / f64::from(k);
            Some(*term)
        });
        case(80, 100.0, (1.0 + direct.sum::<f64>()) * (-100.0f64).exp());
    }

    #[test]
    fn who_keeps_shares_back_comes_first() {
        let mut sums = Suspects::default();
        for (key, found) in [(1, 20), (2, 0), (3, 12), (4, 30)] {
            let tally = Tally {
                work: Work::from_hashes(1),
                shares: 1,
                best: BlockHash::all_zeros(),
                upstream_expected: UpstreamOdds::from_raw(20 << 32),
                upstream_found: found,
                upstream_accepted_work: Work::ZERO,
                quote_requested: false,
                first_ms: 0,
                last_ms: 0,
            };
            sums.add(miner(key), &tally);
        }
        let ranked = sums.ranked();
        let order: Vec<MinerId> = ranked.iter().map(|suspect| suspect.miner).collect();
        assert_eq!(order, [miner(2), miner(3)]);
        assert!(ranked[0].chance < 1e-8 && ranked[1].chance > 0.01);
    }
}
