//! Work: the expected number of hashes behind a share.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::fmt;
use std::str::FromStr;

use ruint::aliases::U256;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The expected number of hashes that a hash at or below a target takes:
/// `floor(2^256 / (target + 1))` of the ASSIGNED target.
///
/// Work is what is paid for, so it is an integer, always. It is never the
/// difficulty of the hash that was found: luck is not paid twice. In JSON a decimal string,
/// since it may pass 2^53.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(extend("pattern" = "^[0-9]+$"))]
pub struct Work(#[schemars(with = "String")] u128);

impl Work {
    /// No work.
    pub const ZERO: Work = Work(0);

    /// Work as a plain number of expected hashes.
    pub const fn from_hashes(hashes: u128) -> Self {
        Work(hashes)
    }

    /// The work of one share at `target`, rounded down; the hardest targets
    /// (below 2^128, which no chain has ever reached) saturate.
    pub fn from_target_floor(target: U256) -> Self {
        // 2^256 / (t + 1) = (2^256 - 1 - t) / (t + 1) + 1 = !t / (t + 1) + 1, without
        // ever needing 257 bits (as Bitcoin Core's GetBlockProof does).
        let Some(divisor) = target.checked_add(U256::ONE) else {
            return Work(1);
        };
        let hashes = (!target)
            .checked_div(divisor)
            .unwrap_or(U256::MAX)
            .saturating_add(U256::ONE);
        Work(u128::try_from(hashes).unwrap_or(u128::MAX))
    }

    /// The number of expected hashes.
    pub const fn hashes(self) -> u128 {
        self.0
    }

    /// True when there is no work.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, or `None` past 2^128 - 1 hashes.
    pub const fn checked_add(self, other: Work) -> Option<Work> {
        match self.0.checked_add(other.0) {
            Some(hashes) => Some(Work(hashes)),
            None => None,
        }
    }

    /// The sum, held at 2^128 - 1 hashes: a whole world mining for the age of the
    /// universe stays below it.
    #[must_use]
    pub const fn saturating_add(self, other: Work) -> Work {
        Work(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Work {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Work)
    }
}

/// In JSON work is a decimal string: it passes 2^53, where readers in other
/// languages begin to round.
impl Serialize for Work {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Work {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
