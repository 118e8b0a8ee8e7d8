//! `mining.suggest_difficulty` and `mining.suggest_target`: hints.

use ruint::aliases::U256;

use super::Malformed;
use crate::wire::params::Params;
use crate::{Difficulty, hex};

/// A number, also a fraction (NerdMiner), also as a string.
pub(super) fn read_difficulty(params: &Params<'_>) -> Result<Difficulty, Malformed> {
    let [difficulty, ..] = &params.0;
    difficulty.difficulty().ok_or(Malformed::Param {
        method: "mining.suggest_difficulty",
        param: "difficulty",
        expected: "a number above zero",
    })
}

/// Up to 64 hex digits, big endian.
pub(super) fn read_target(params: &Params<'_>) -> Result<U256, Malformed> {
    let [target, ..] = &params.0;
    let bytes = target
        .text()
        .and_then(|text| hex::decode_vec(text, 32).ok());
    bytes
        .and_then(|bytes| U256::try_from_be_slice(&bytes))
        .filter(|target| !target.is_zero())
        .ok_or(Malformed::Param {
            method: "mining.suggest_target",
            param: "target",
            expected: "up to 64 hex digits, above zero",
        })
}
