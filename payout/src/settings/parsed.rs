//! Values that are text in the file.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// A `T` from its text, so that the file's errors name the line and the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parsed<T>(T);

impl<T> Parsed<T> {
    pub(super) fn into(self) -> T {
        self.0
    }
}

impl<'de, T> Deserialize<'de> for Parsed<T>
where
    T: FromStr,
    T::Err: Display,
{
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(from)?;
        text.parse()
            .map(Parsed)
            .map_err(|error| serde::de::Error::custom(format_args!("{text:?}: {error}")))
    }
}
