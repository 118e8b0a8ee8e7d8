//! An upstream job: what one `mining.notify` of the upstream said, and all that a
//! share of it is measured by.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ledger::Work;
use ruint::aliases::U256;

use crate::seen::SeenHashes;

/// The target of one difficulty, with the work it is credited with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assigned {
    /// As `mining.set_difficulty` tells it. May be below 1.
    pub difficulty: crate::Difficulty,
    /// The threshold that a hash must not exceed.
    pub target: U256,
    /// The expected hashes for the target.
    pub work: Work,
}

/// One job of one upstream session. Shared by all downstream sessions that were told
/// of it; immutable but for its death.
#[derive(Debug)]
pub struct UpstreamJob {
    /// Counts the jobs of a lane from 1, over all its upstream sessions.
    pub sequence: u64,
    /// The lane's [`LaneView::generation`](crate::upstream::LaneView) that it belongs to.
    pub generation: u64,
    /// The upstream's name for it.
    pub upstream_id: Box<str>,
    /// The upstream's extranonce1 in force for it.
    pub extranonce1: Box<[u8]>,
    /// The size of the upstream's extranonce2, our prefix included.
    pub extranonce2_size: usize,
    /// The previous block's hash in the header's byte order.
    pub prev_hash: [u8; 32],
    /// The coinbase before extranonce1.
    pub coinb1: Box<[u8]>,
    /// The coinbase after extranonce2.
    pub coinb2: Box<[u8]>,
    /// The merkle branches, in the order in which they are hashed in.
    pub merkle_branch: Box<[[u8; 32]]>,
    /// The header's version before rolling.
    pub version: u32,
    /// The network's target, compact.
    pub nbits: u32,
    /// The upstream's time for the job, and the least that a share may carry.
    pub ntime: u32,
    /// The upstream asked to discard the older jobs.
    pub clean_jobs: bool,
    /// The version bits that the upstream allows to roll (BIP310); 0 when it granted none.
    pub version_mask: u32,
    /// What the upstream asks of a share of this job, fixed when it was received.
    pub upstream: Assigned,
    /// The threshold of the network, from `nbits`.
    pub network_target: U256,
    /// The hashes credited so far. Jobs that differ in id and ntime alone share it.
    pub seen: Arc<SeenHashes>,
    /// When it was received, milliseconds of the proxy's monotonic clock.
    pub received_ms: u64,
    /// The params of the downstream `mining.notify` that are the same for every
    /// session, rendered once: from prevhash up to and with nbits, as JSON.
    pub notify_middle: Box<str>,
    /// Set when no share of it can be accepted any more.
    pub dead: AtomicBool,
}

impl UpstreamJob {
    /// True while shares of it can be accepted.
    pub fn is_alive(&self) -> bool {
        !self.dead.load(Ordering::Relaxed)
    }

    /// Ends it: later shares of it are stale.
    pub fn kill(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }
}
