//! A share as the proxy hands it to the ledger.

use std::fmt;
use std::sync::Arc;

use bitcoin::BlockHash;
use serde::{Deserialize, Serialize};

use crate::{KeyPrefix, MinerId, Work, WorkerName};

/// A session's number, never used twice by one ledger: the ledger counts its own
/// starts and the proxy counts within a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId(u64);

impl SessionId {
    /// The session `number` of the ledger's start `boot`.
    pub const fn new(boot: u32, number: u32) -> Self {
        SessionId(((boot as u64) << 32) | number as u64)
    }

    /// As one integer, for the store.
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// From the integer that [`Self::to_u64`] gave.
    pub const fn from_u64(raw: u64) -> Self {
        SessionId(raw)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// A share's id: made once, by the proxy, and safe to deliver again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ShareId {
    /// The session that submitted it.
    pub session: SessionId,
    /// Counts the session's accepted shares from 1.
    pub sequence: u64,
}

/// Who is credited: the miner, and which of their devices did it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The paid party.
    pub miner: MinerId,
    /// The device.
    pub worker: WorkerName,
}

/// A submission that met its assigned target and is to be credited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareRecord {
    /// Its id.
    pub id: ShareId,
    /// Who is credited.
    pub who: Arc<Identity>,
    /// How the key was typed that the session was authorized with; none for an npub.
    pub typed: Option<KeyPrefix>,
    /// What is credited: the work of the assigned target.
    pub work: Work,
    /// The block hash that was found.
    pub hash: BlockHash,
    /// The work of the upstream's target for the same job: `work / upstream_work` is
    /// the chance that this share earns upstream, see withholding in facts-ocean.
    pub upstream_work: Work,
    /// The hash also meets the upstream's target, and was forwarded.
    pub meets_upstream: bool,
    /// The hash also meets the network's target: a block found.
    pub meets_network: bool,
    /// When it was checked, milliseconds since 1970.
    pub time_ms: u64,
}

/// What the upstream said to a forwarded share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamResult {
    /// Whose share it was.
    pub miner: MinerId,
    /// The work of the upstream's target for its job.
    pub upstream_work: Work,
    /// True when the upstream took it.
    pub accepted: bool,
}
