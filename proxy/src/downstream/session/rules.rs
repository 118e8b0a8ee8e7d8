//! The bounds and difficulties that every session keeps to.

use std::time::Duration;

use crate::Difficulty;
use crate::config::{DownstreamConfig, Limits};

/// What every session keeps to, in the units that it computes with.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// Counts the ledger's starts: the first half of session ids.
    pub(crate) boot: u32,
    /// The least difficulty that is assigned, except where the upstream's is lower.
    pub(crate) min_difficulty: Difficulty,
    /// The difficulty of a session that suggests none.
    pub(crate) start_difficulty: Difficulty,
    /// What vardiff steers to.
    pub(crate) target_shares_per_minute: f64,
    /// How long miners are kept without an upstream.
    pub(crate) upstream_grace_ms: u64,
    /// Bounds on what strangers can take.
    pub(crate) limits: Limits,
    /// As `limits.authorize_timeout`.
    pub(crate) authorize_timeout_ms: u64,
    /// As `limits.handshake_hold`.
    pub(crate) handshake_hold_ms: u64,
    /// As `limits.idle_timeout`.
    pub(crate) idle_timeout_ms: u64,
}

impl Rules {
    /// The rules of a config.
    pub(crate) fn new(config: &DownstreamConfig, boot: u32) -> Self {
        Rules {
            boot,
            min_difficulty: config.min_difficulty,
            start_difficulty: config.start_difficulty,
            target_shares_per_minute: config.target_shares_per_minute,
            upstream_grace_ms: millis(config.upstream_grace),
            authorize_timeout_ms: millis(config.limits.authorize_timeout),
            handshake_hold_ms: millis(config.limits.handshake_hold),
            idle_timeout_ms: millis(config.limits.idle_timeout),
            limits: config.limits.clone(),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
