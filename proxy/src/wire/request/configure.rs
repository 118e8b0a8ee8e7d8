//! `mining.configure` (BIP310): a list of extensions, and an object with the options
//! of each, named `extension.option`.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

use super::Malformed;
use crate::wire::params::Scalar;
use crate::{Difficulty, hex};

/// The extensions that a miner asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Configure {
    /// `version-rolling`.
    pub version_rolling: Option<VersionRolling>,
    /// `minimum-difficulty`: never assign less.
    pub minimum_difficulty: Option<Difficulty>,
    /// `subscribe-extranonce`: as `mining.extranonce.subscribe`.
    pub subscribe_extranonce: bool,
    /// `info`: about the device, not looked at.
    pub info: bool,
    /// The names of those that we do not have, or that lack their option: each is refused.
    /// At most eight, of letters, digits, `-` and `_`.
    pub unknown: Vec<Box<str>>,
}

/// As many unknown extensions are answered; what is asked beyond them is left out, which
/// in BIP310 means the same as a refusal.
const MAX_UNKNOWN: usize = 8;

/// The longest name of an unknown extension that is answered.
const MAX_NAME_BYTES: usize = 64;

/// The options of `version-rolling`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRolling {
    /// The bits that the device could roll.
    pub mask: u32,
    /// How many it needs at the least: a wish.
    pub min_bit_count: u8,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    params: Params<'a>,
}

struct Params<'a> {
    asked: Extensions,
    options: Options<'a>,
}

#[derive(Default)]
struct Extensions {
    version_rolling: bool,
    minimum_difficulty: bool,
    subscribe_extranonce: bool,
    info: bool,
    unknown: Vec<Box<str>>,
}

impl Extensions {
    fn add_unknown(&mut self, name: &str) {
        // A name with a dot in it would be an option's, and could pass for a mask.
        let is_name = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        let well_formed =
            !name.is_empty() && name.len() <= MAX_NAME_BYTES && name.bytes().all(is_name);
        let known = self.unknown.iter().any(|other| **other == *name);
        if well_formed && !known && self.unknown.len() < MAX_UNKNOWN {
            self.unknown.push(name.into());
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Options<'a> {
    #[serde(borrow, rename = "version-rolling.mask")]
    mask: Option<Scalar<'a>>,
    #[serde(borrow, rename = "version-rolling.min-bit-count")]
    min_bit_count: Option<Scalar<'a>>,
    #[serde(borrow, rename = "minimum-difficulty.value")]
    minimum_difficulty: Option<Scalar<'a>>,
}

const METHOD: &str = "mining.configure";

/// Reads the line a second time: these params are no scalars.
pub(super) fn read(line: &str) -> Result<Configure, Malformed> {
    let wrong = |param, expected| Malformed::Param {
        method: METHOD,
        param,
        expected,
    };
    let Ok(Envelope {
        params: Params { mut asked, options },
    }) = serde_json::from_str(line)
    else {
        return Err(wrong(
            "params",
            "a list of extensions and an object of their options",
        ));
    };
    let without_value = matches!(options.minimum_difficulty, None | Some(Scalar::Null));
    if asked.minimum_difficulty && without_value {
        asked.minimum_difficulty = false;
        asked.add_unknown("minimum-difficulty");
    }
    Ok(Configure {
        version_rolling: match asked.version_rolling {
            true => Some(version_rolling(&options)?),
            false => None,
        },
        minimum_difficulty: match options.minimum_difficulty {
            Some(value) if asked.minimum_difficulty => Some(
                value
                    .difficulty()
                    .ok_or(wrong("minimum-difficulty.value", "a number above zero"))?,
            ),
            _ => None,
        },
        subscribe_extranonce: asked.subscribe_extranonce,
        info: asked.info,
        unknown: asked.unknown,
    })
}

fn version_rolling(options: &Options<'_>) -> Result<VersionRolling, Malformed> {
    let wrong = |param, expected| Malformed::Param {
        method: METHOD,
        param,
        expected,
    };
    let mask = match &options.mask {
        // BIP310's default.
        None => u32::MAX,
        Some(mask) => mask
            .text()
            .and_then(|text| hex::decode_u32(text).ok())
            .ok_or(wrong(
                "version-rolling.mask",
                "a string of 1 to 8 hex digits",
            ))?,
    };
    let min_bit_count = match &options.min_bit_count {
        None => 0,
        Some(count) => count
            .unsigned()
            .and_then(|count| u8::try_from(count).ok())
            .ok_or(wrong(
                "version-rolling.min-bit-count",
                "a small whole number",
            ))?,
    };
    Ok(VersionRolling {
        mask,
        min_bit_count,
    })
}

impl<'de: 'a, 'a> Deserialize<'de> for Params<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ParamsVisitor)
    }
}

struct ParamsVisitor;

impl<'de> Visitor<'de> for ParamsVisitor {
    type Value = Params<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of extensions and an object of their options")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Params<'de>, A::Error> {
        let asked = seq.next_element()?.unwrap_or_default();
        let options = seq
            .next_element::<Option<Options<'de>>>()?
            .flatten()
            .unwrap_or_default();
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Params { asked, options })
    }
}

impl<'de> Deserialize<'de> for Extensions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ExtensionsVisitor)
    }
}

struct ExtensionsVisitor;

impl<'de> Visitor<'de> for ExtensionsVisitor {
    type Value = Extensions;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of extension names")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Extensions, A::Error> {
        let mut asked = Extensions::default();
        while let Some(super::Text(name)) = seq.next_element()? {
            let name: Cow<'_, str> = name;
            match &*name {
                "version-rolling" => asked.version_rolling = true,
                "minimum-difficulty" => asked.minimum_difficulty = true,
                "subscribe-extranonce" => asked.subscribe_extranonce = true,
                "info" => asked.info = true,
                other => asked.add_unknown(other),
            }
        }
        Ok(asked)
    }
}
