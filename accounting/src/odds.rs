//! The number of upstream-grade shares to expect from an amount of work.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::fmt;
use std::str::FromStr;

use ruint::aliases::U256;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Work;

/// An expected number of upstream-grade shares, in units of 2^-32. Each share adds
/// `work / upstream_work`, rounded down, at most 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpstreamOdds(u128);

impl UpstreamOdds {
    /// Nothing expected.
    pub const ZERO: UpstreamOdds = UpstreamOdds(0);

    /// Every share is upstream-grade.
    pub const ONE: UpstreamOdds = UpstreamOdds(1 << 32);

    /// The chance that a share of `work` is upstream-grade. One when the upstream asks
    /// no more than the share's own target did.
    pub fn of(work: Work, upstream_work: Work) -> Self {
        let (work, upstream) = (work.hashes(), upstream_work.hashes());
        if work >= upstream {
            return Self::ONE;
        }
        // Below 2^96 (any real difficulty) native division does; it is the hot path.
        if work >> 96 == 0 {
            return UpstreamOdds((work << 32).checked_div(upstream).unwrap_or(Self::ONE.0));
        }
        // 128 bits and 32 fit.
        let scaled = U256::from(work).wrapping_shl(32);
        let odds = scaled
            .checked_div(U256::from(upstream))
            .unwrap_or(U256::MAX);
        UpstreamOdds(u128::try_from(odds).unwrap_or(Self::ONE.0))
    }

    /// From units of 2^-32.
    pub const fn from_raw(raw: u128) -> Self {
        UpstreamOdds(raw)
    }

    /// In units of 2^-32.
    pub const fn to_raw(self) -> u128 {
        self.0
    }

    /// The sum; 2^96 shares are never reached.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        UpstreamOdds(self.0.saturating_add(other.0))
    }
}

/// The number of shares with three decimals, rounded down.
impl fmt::Display for UpstreamOdds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thousandths = (self.0 & 0xffff_ffff).wrapping_mul(1000) >> 32;
        write!(f, "{}.{thousandths:03}", self.0 >> 32)
    }
}

impl FromStr for UpstreamOdds {
    type Err = std::num::ParseIntError;

    /// Reads the raw integer that JSON carries.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(UpstreamOdds)
    }
}

/// In JSON the raw integer as a decimal string, as with [`Work`].
impl Serialize for UpstreamOdds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for UpstreamOdds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(work: u128, upstream: u128, raw: u128) {
        let odds = UpstreamOdds::of(Work::from_hashes(work), Work::from_hashes(upstream));
        assert_eq!(odds.to_raw(), raw);
    }

    #[test]
    fn odds_are_the_ratio_rounded_down() {
        case(1, 2, 1 << 31);
        case(1, 3, (1 << 32) / 3);
        case(0, 5, 0);
        case(5, 5, 1 << 32);
        case(7, 5, 1 << 32);
        case(0, 0, 1 << 32);
        case(1 << 100, 1 << 101, 1 << 31);
        case(u128::MAX - 1, u128::MAX, (1 << 32) - 1);
    }

    #[test]
    fn odds_show_three_decimals() {
        assert_eq!(
            UpstreamOdds::from_raw((5 << 32) + (1 << 31)).to_string(),
            "5.500"
        );
        assert_eq!(UpstreamOdds::ZERO.to_string(), "0.000");
    }
}
