//! How far a store is: an id and a counter, kept in the store and outside of it, so that an
//! older copy is known as one (docs/decisions/0017-stores-that-are-not-the-last-ones.md).

use std::fmt;

use bitcoin::hex::{DisplayHex as _, FromHex as _, HexToArrayError};
use serde::{Deserialize, Serialize};

/// The id of a store: 16 random bytes, drawn when it is made, and again when it goes on as
/// another one. Written as 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct StoreId([u8; 16]);

impl StoreId {
    /// The id of these bytes; the caller draws them.
    pub const fn from_bytes(bytes: [u8; 16]) -> StoreId {
        StoreId(bytes)
    }
}

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hex().fmt(f)
    }
}

impl fmt::Debug for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<StoreId> for String {
    fn from(id: StoreId) -> String {
        id.to_string()
    }
}

impl TryFrom<String> for StoreId {
    type Error = HexToArrayError;

    fn try_from(text: String) -> Result<StoreId, Self::Error> {
        <[u8; 16]>::from_hex(&text).map(StoreId)
    }
}

/// The state of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreMark {
    /// The store's id.
    pub store: StoreId,
    /// How often the store was advanced: a later state has a higher number.
    pub counter: u64,
}

impl StoreMark {
    /// The mark of a store that begins.
    pub const fn first(store: StoreId) -> StoreMark {
        StoreMark { store, counter: 1 }
    }

    /// The mark of the next state. Held at the last number.
    #[must_use]
    pub const fn next(self) -> StoreMark {
        StoreMark {
            counter: self.counter.saturating_add(1),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_32_hex_digits() {
        let id = StoreId::from_bytes([0xa7; 16]);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{}\"", "a7".repeat(16)));
        assert_eq!(serde_json::from_str::<StoreId>(&json).unwrap(), id);
        assert!(serde_json::from_str::<StoreId>("\"a7\"").is_err());
    }

    #[test]
    fn a_mark_counts_up_and_stays_of_its_store() {
        let first = StoreMark::first(StoreId::from_bytes([1; 16]));
        assert_eq!((first.counter, first.next().counter), (1, 2));
        assert_eq!(first.next().store, first.store);
        let last = StoreMark {
            counter: u64::MAX,
            ..first
        };
        assert_eq!(last.next(), last);
    }
}
