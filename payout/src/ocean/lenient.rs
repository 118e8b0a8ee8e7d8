//! Numbers as OCEAN's API writes them: as numbers, as text, with `.0`, or not at all.

use std::fmt;

use serde::de::{Deserializer, Error, Visitor};

/// A whole number, not negative.
pub(super) fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    from.deserialize_any(Whole)
}

/// The same, where it may be missing, null or empty.
pub(super) fn whole_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    from.deserialize_any(Maybe)
}

struct Whole;

impl Visitor<'_> for Whole {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, as a number or as text")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u64, E> {
        u64::try_from(number).map_err(|_| E::custom(format_args!("{number} is negative")))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<u64, E> {
        // Its shortest text is exact; no arithmetic with it.
        self.visit_str(&number.to_string())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
        let text = text.trim();
        let digits = match text.split_once('.') {
            Some((whole, rest)) if !rest.is_empty() && rest.bytes().all(|byte| byte == b'0') => {
                whole
            }
            Some(_) => return Err(E::custom(format_args!("{text:?} is not whole"))),
            None => text,
        };
        // `parse` takes a leading plus, which no number of theirs has.
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(E::custom(format_args!("{text:?} is no number")));
        }
        digits
            .parse()
            .map_err(|_| E::custom(format_args!("{text:?} is too large")))
    }
}

struct Maybe;

impl<'de> Visitor<'de> for Maybe {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number or nothing")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(Maybe)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Whole.visit_u64(number).map(Some)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Whole.visit_i64(number).map(Some)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Whole.visit_f64(number).map(Some)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        Whole.visit_str(text).map(Some)
    }
}
