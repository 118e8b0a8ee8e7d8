//! Values in JSON as the text that everybody shows them in: hashes, and integers beyond
//! 2^53. For `#[serde(with = "...")]`.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serializer, de};

/// Writes the value's text.
///
/// # Errors
/// What the format says.
pub fn serialize<T: Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

/// Reads the value's text.
///
/// # Errors
/// It is no text, or not of such a value.
pub fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    Cow::<'de, str>::deserialize(from)?
        .parse()
        .map_err(de::Error::custom)
}

/// The same for what may be absent (`null`).
pub mod option {
    use super::*;

    /// Writes the value's text, or `null`.
    ///
    /// # Errors
    /// What the format says.
    pub fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_none(),
        }
    }

    /// Reads the value's text, or `null`.
    ///
    /// # Errors
    /// It is neither, or no text of such a value.
    pub fn deserialize<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = Option::<Cow<'de, str>>::deserialize(from)?;
        text.map(|text| text.parse().map_err(de::Error::custom))
            .transpose()
    }
}
