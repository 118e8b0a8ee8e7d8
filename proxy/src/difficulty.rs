//! Difficulty, the wire's number, and the exact way from it to a target.
//!
//! A difficulty is a double because the wire's is. Nothing is computed with it here:
//! its mantissa and exponent are taken apart, and the target is an exact integer.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use ruint::aliases::{U256, U320, U512};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// A difficulty: finite and above zero, often far below 1 on test networks.
///
/// Its target is `floor(diff1 / difficulty)` with `diff1 = 0xffff * 2^208`, the
/// "pool difficulty" of every Stratum miner ("bdiff").
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difficulty(f64);

/// A number that is no difficulty.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[error("difficulty {given} is not a finite number above zero")]
pub struct InvalidDifficulty {
    /// The number.
    pub given: f64,
}

/// A compact target that no block could meet, or that the consensus rules refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("nbits {nbits:08x} encode no target: negative, zero or beyond 256 bits")]
pub struct InvalidNbits {
    /// The encoding.
    pub nbits: u32,
}

/// The target of difficulty 1 is this, shifted by [`DIFF1_SHIFT`].
const DIFF1_MANTISSA: u64 = 0xffff;
const DIFF1_SHIFT: i32 = 208;
/// `f64`'s: the value is `mantissa * 2^(field - 1075)`, with an implied 53rd bit.
const FRACTION_BITS: u32 = 52;
const EXPONENT_BIAS: i32 = 1075;

impl Difficulty {
    /// The difficulty whose target is `0xffff * 2^208`.
    pub const ONE: Difficulty = Difficulty(1.0);

    /// A difficulty from a number of the wire or the config.
    pub fn new(given: f64) -> Result<Self, InvalidDifficulty> {
        if given.is_finite() && given > 0.0 {
            Ok(Difficulty(given))
        } else {
            Err(InvalidDifficulty { given })
        }
    }

    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }

    /// The greatest hash that still has this difficulty: `floor(diff1 / difficulty)`,
    /// exactly, and `2^256 - 1` where that is greater.
    pub fn target(self) -> U256 {
        let bits = self.0.to_bits();
        let fraction = bits & ((1 << FRACTION_BITS) - 1);
        // The sign is 0 and the field has 11 bits.
        let field = i32::try_from(bits >> FRACTION_BITS).unwrap_or(i32::MAX);
        let (mantissa, exponent) = match field {
            0 => (fraction, 1 - EXPONENT_BIAS),
            _ => (fraction | (1 << FRACTION_BITS), field - EXPONENT_BIAS),
        };
        // diff1 / (mantissa * 2^exponent) = 0xffff * 2^shift / mantissa
        let shift = DIFF1_SHIFT - exponent;
        if shift < 0 {
            // Then the mantissa has all its 53 bits and 0xffff does not reach it.
            return U256::ZERO;
        }
        if shift > 293 {
            // 0xffff * 2^294 / 2^53 is already beyond 2^256.
            return U256::MAX;
        }
        let shift = usize::try_from(shift).unwrap_or(usize::MAX);
        let numerator = U320::from(DIFF1_MANTISSA) << shift;
        U256::saturating_from(numerator / U320::from(mantissa))
    }

    /// The difficulty of a target, to double precision; `None` for the target 0, which
    /// no hash but one could meet.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a difficulty on the wire is a double"
    )]
    pub fn from_target(target: U256) -> Option<Self> {
        const EXTRA: i32 = 288; // 224 bits of diff1 and these make 512
        let numerator = U512::from(DIFF1_MANTISSA) << (DIFF1_SHIFT + EXTRA);
        // At least 256 bits remain, of which a double keeps 53.
        let quotient = numerator.checked_div(U512::from(target))?;
        let dropped = quotient.bit_len().saturating_sub(64);
        let high: u64 = (quotient >> dropped).saturating_to();
        let exponent = i32::try_from(dropped).unwrap_or(i32::MAX) - EXTRA;
        Self::new(high as f64 * 2f64.powi(exponent)).ok()
    }

    /// The lower of two.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        std::cmp::min(self, other)
    }

    /// The higher of two.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        std::cmp::max(self, other)
    }
}

/// Neither NaN nor zeros of two signs are among them: equality is total.
impl Eq for Difficulty {}

impl PartialOrd for Difficulty {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Difficulty {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// The shortest decimal that a C double parser reads back exactly; with an exponent
/// only where the plain form would be long (firmware with hand-written parsers).
impl fmt::Display for Difficulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if (1e-12..1e18).contains(&self.0) {
            write!(f, "{}", self.0)
        } else {
            write!(f, "{:e}", self.0)
        }
    }
}

impl FromStr for Difficulty {
    type Err = InvalidDifficulty;

    /// Reads what [`fmt::Display`] writes, and any other decimal. What is no number at
    /// all is reported as NaN.
    fn from_str(text: &str) -> Result<Self, InvalidDifficulty> {
        Self::new(text.trim().parse().unwrap_or(f64::NAN))
    }
}

impl Serialize for Difficulty {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0)
    }
}

impl<'de> Deserialize<'de> for Difficulty {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(f64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// The network's target from its compact form, by Bitcoin Core's rules: a set sign
/// bit, zero and more than 256 bits are refused.
pub fn network_target(nbits: u32) -> Result<U256, InvalidNbits> {
    const SIGN: u32 = 0x0080_0000;
    let [size, ..] = nbits.to_be_bytes();
    let mantissa = nbits & 0x007f_ffff;
    let target = match usize::from(size).checked_sub(3) {
        None => U256::from(mantissa >> (8 * (3 - u32::from(size)))),
        Some(bytes) => {
            let mantissa = U256::from(mantissa);
            if !mantissa.is_zero() && mantissa.bit_len() + 8 * bytes > 256 {
                return Err(InvalidNbits { nbits });
            }
            mantissa << (8 * bytes)
        }
    };
    if nbits & SIGN != 0 || target.is_zero() {
        Err(InvalidNbits { nbits })
    } else {
        Ok(target)
    }
}

#[cfg(test)]
mod tests;
