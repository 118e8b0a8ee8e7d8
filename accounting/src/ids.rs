//! The ids that the ledger gives out.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// An epoch's number. The first of a ledger is 1; each close opens the next.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
#[schemars(extend("minimum" = 1))]
pub struct EpochId(u64);

impl EpochId {
    /// The first epoch of every ledger.
    pub const FIRST: EpochId = EpochId(1);

    /// The epoch with this number.
    pub const fn new(number: u64) -> Self {
        EpochId(number)
    }

    /// Its number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The one after it. Held at the last number, which a close every nanosecond would
    /// reach in five centuries.
    #[must_use]
    pub const fn next(self) -> EpochId {
        EpochId(self.0.saturating_add(1))
    }
}

impl fmt::Display for EpochId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for EpochId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(EpochId)
    }
}

/// An outbox row's number, in the order in which the rows were made. Never used twice.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct OutboxId(u64);

impl OutboxId {
    /// Before the first row: where a reader of the outbox begins.
    pub const START: OutboxId = OutboxId(0);

    /// The row with this number.
    pub const fn new(number: u64) -> Self {
        OutboxId(number)
    }

    /// Its number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for OutboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names one ledger for ever: 16 random bytes, drawn when its store was made. Quote
/// ids are derived from it, so that a new ledger with the same secret makes others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(extend("pattern" = "^[0-9a-f]{32}$"))]
pub struct Incarnation(#[schemars(with = "String")] [u8; 16]);

/// The text is not an incarnation.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("an incarnation is 32 lower-case hex digits, not {0:?}")]
pub struct IncarnationError(String);

impl Incarnation {
    /// From its bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Incarnation(bytes)
    }

    /// Its bytes.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Incarnation({self})")
    }
}

impl FromStr for Incarnation {
    type Err = IncarnationError;

    fn from_str(text: &str) -> Result<Self, IncarnationError> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let number = (text.len() == 32 && text.bytes().all(digit))
            .then(|| u128::from_str_radix(text, 16).ok())
            .flatten();
        number
            .map(|number| Incarnation(number.to_be_bytes()))
            .ok_or_else(|| IncarnationError(text.chars().take(40).collect()))
    }
}

impl Serialize for Incarnation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Incarnation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incarnation_reads_back() {
        let incarnation = Incarnation::from_bytes(*b"0123456789abcdef");
        assert_eq!(incarnation.to_string().parse(), Ok(incarnation));
        for bad in ["", "00", &"0".repeat(33), &"G".repeat(32), &"A".repeat(32)] {
            assert!(bad.parse::<Incarnation>().is_err(), "{bad}");
        }
    }
}
