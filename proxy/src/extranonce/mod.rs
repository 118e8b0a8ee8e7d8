//! The division of the upstream's extranonce2: a prefix of it is ours and tells the
//! downstream connections apart, the rest is the miner's.
#![cfg_attr(
    not(test),
    deny(
        clippy::float_arithmetic,
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing
    )
)]

mod bytes;
mod pool;
mod prefixes;

pub use bytes::{Extranonce, Extranonce1, MAX_EXTRANONCE_BYTES, MAX_WHOLE_BYTES};
pub use pool::PrefixPool;
pub use prefixes::{PrefixGuard, Prefixes};

use thiserror::Error;

/// Why there is no prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PrefixError {
    /// Prefix and miner need a byte each.
    #[error("an extranonce2 of {extranonce2_size} bytes is too small to share: 2 are needed")]
    TooSmall {
        /// What the upstream grants.
        extranonce2_size: usize,
    },
    /// More than any firmware takes.
    #[error(
        "an extranonce2 of {extranonce2_size} bytes is above the limit of {MAX_EXTRANONCE_BYTES}"
    )]
    TooLarge {
        /// What the upstream grants.
        extranonce2_size: usize,
    },
    /// All prefixes are in use or resting until the jobs they were used on are gone.
    #[error("all {capacity} extranonce prefixes are in use or resting")]
    Exhausted {
        /// How many there are.
        capacity: u32,
    },
}

/// The most bytes of extranonce2 that a miner is given: WhatsMiner's firmware and
/// cpuminer fail above it.
pub const MAX_MINER_BYTES: usize = 8;

/// How an extranonce2 is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// The bytes of our prefix: 1 to 3 that tell connections apart, and before them zeros
    /// for what would be too much for the miner.
    pub prefix_size: usize,
    /// The bytes that the miner counts in: its extranonce2 size.
    pub miner_size: usize,
}

impl Split {
    /// Divides what the upstream grants. The miner keeps 4 bytes where that is
    /// possible: some firmware counts in 32 bits. It is never given more than
    /// [`MAX_MINER_BYTES`]. Three bytes of prefix are as many connections as there can
    /// ever be; a smaller one makes more lanes.
    pub fn of(extranonce2_size: usize) -> Result<Self, PrefixError> {
        let prefix_size = match extranonce2_size {
            0 | 1 => return Err(PrefixError::TooSmall { extranonce2_size }),
            2..=5 => 1,
            6 => 2,
            7..=MAX_EXTRANONCE_BYTES => extranonce2_size.saturating_sub(MAX_MINER_BYTES).max(3),
            _ => return Err(PrefixError::TooLarge { extranonce2_size }),
        };
        Ok(Split {
            prefix_size,
            miner_size: extranonce2_size.saturating_sub(prefix_size),
        })
    }

    /// How many prefixes there are.
    pub fn capacity(self) -> u32 {
        match self.prefix_size {
            1 => 1 << 8,
            2 => 1 << 16,
            _ => 1 << 24,
        }
    }
}

#[cfg(test)]
mod tests;
