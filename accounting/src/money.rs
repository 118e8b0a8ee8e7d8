//! Money: satoshis and thousandths of them. Integers, checked, and never mixed.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many millisatoshis a satoshi has.
pub const MSAT_PER_SAT: u64 = 1000;

/// Whole satoshis. In JSON a plain integer: all the coins there will ever be are
/// 2.1 x 10^15 sat, below 2^53.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct Sat(u64);

/// Millisatoshis, the unit of a lightning payment (BOLT 2) and of every split. In JSON
/// a plain integer.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct Msat(u64);

impl Sat {
    /// No money.
    pub const ZERO: Sat = Sat(0);

    /// An amount in satoshis.
    pub const fn new(amount_sat: u64) -> Self {
        Sat(amount_sat)
    }

    /// The number of satoshis.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// True when there is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, or `None` past 2^64 - 1 sat.
    pub const fn checked_add(self, other: Sat) -> Option<Sat> {
        match self.0.checked_add(other.0) {
            Some(amount_sat) => Some(Sat(amount_sat)),
            None => None,
        }
    }

    /// The difference, or `None` when `other` is more.
    pub const fn checked_sub(self, other: Sat) -> Option<Sat> {
        match self.0.checked_sub(other.0) {
            Some(amount_sat) => Some(Sat(amount_sat)),
            None => None,
        }
    }

    /// The same money in millisatoshis, exactly; `None` past 2^64 - 1 msat (about 8,800
    /// times all the coins there will ever be).
    pub const fn to_msat(self) -> Option<Msat> {
        match self.0.checked_mul(MSAT_PER_SAT) {
            Some(amount_msat) => Some(Msat(amount_msat)),
            None => None,
        }
    }
}

impl Msat {
    /// No money.
    pub const ZERO: Msat = Msat(0);

    /// An amount in millisatoshis.
    pub const fn new(amount_msat: u64) -> Self {
        Msat(amount_msat)
    }

    /// The number of millisatoshis.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// True when there is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, or `None` past 2^64 - 1 msat.
    pub const fn checked_add(self, other: Msat) -> Option<Msat> {
        match self.0.checked_add(other.0) {
            Some(amount_msat) => Some(Msat(amount_msat)),
            None => None,
        }
    }

    /// The difference, or `None` when `other` is more.
    pub const fn checked_sub(self, other: Msat) -> Option<Msat> {
        match self.0.checked_sub(other.0) {
            Some(amount_msat) => Some(Msat(amount_msat)),
            None => None,
        }
    }

    /// The sum of many, or `None` past 2^64 - 1 msat.
    pub fn checked_sum(amounts: impl IntoIterator<Item = Msat>) -> Option<Msat> {
        amounts.into_iter().try_fold(Msat::ZERO, Msat::checked_add)
    }

    /// The whole satoshis in it, rounded down. The rest is [`Self::below_sat`].
    pub const fn to_sat_floor(self) -> Sat {
        Sat(self.0 / MSAT_PER_SAT)
    }

    /// What [`Self::to_sat_floor`] leaves: 0 to 999 msat.
    pub const fn below_sat(self) -> Msat {
        Msat(self.0 % MSAT_PER_SAT)
    }
}

/// The number alone, without a unit.
impl fmt::Display for Sat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number alone, without a unit.
impl fmt::Display for Msat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Sat {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Sat)
    }
}

impl FromStr for Msat {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Msat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(amount_msat: u64, sat: u64, below: u64) {
        let amount = Msat::new(amount_msat);
        assert_eq!(amount.to_sat_floor(), Sat::new(sat));
        assert_eq!(amount.below_sat(), Msat::new(below));
        let whole = amount.to_sat_floor().to_msat().expect("it came from msat");
        assert_eq!(whole.checked_add(amount.below_sat()), Some(amount));
    }

    #[test]
    fn nothing_is_lost_between_the_units() {
        case(0, 0, 0);
        case(999, 0, 999);
        case(1000, 1, 0);
        case(1_234_567, 1234, 567);
        case(u64::MAX, 18_446_744_073_709_551, 615);
    }

    #[test]
    fn the_edges_are_none() {
        assert_eq!(Msat::new(u64::MAX).checked_add(Msat::new(1)), None);
        assert_eq!(Msat::new(1).checked_sub(Msat::new(2)), None);
        assert_eq!(Sat::new(u64::MAX).checked_add(Sat::new(1)), None);
        assert_eq!(Sat::new(1).checked_sub(Sat::new(2)), None);
        assert_eq!(Sat::new(u64::MAX).to_msat(), None);
        assert_eq!(Msat::checked_sum([Msat::new(u64::MAX), Msat::new(1)]), None);
        assert_eq!(
            Msat::checked_sum([Msat::new(2), Msat::new(3)]),
            Some(Msat::new(5))
        );
    }

    #[test]
    fn they_are_plain_numbers_in_text_and_json() {
        assert_eq!(Msat::new(42).to_string(), "42");
        assert_eq!("42".parse(), Ok(Sat::new(42)));
        assert!("-1".parse::<Sat>().is_err());
        assert_eq!(serde_json::to_string(&Sat::new(7)).expect("a number"), "7");
        assert_eq!(
            serde_json::from_str::<Msat>("7").expect("a number"),
            Msat::new(7)
        );
    }
}
