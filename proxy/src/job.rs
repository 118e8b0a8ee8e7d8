//! An upstream job: the content of one `mining.notify` of the upstream, and everything
//! needed to check its shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use accounting::Work;
use ruint::aliases::U256;

use crate::seen::SeenHashes;
use crate::wire::upstream::Notify;
use crate::{Difficulty, hex};

/// The target of one difficulty, with the work it is credited with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assigned {
    /// As `mining.set_difficulty` tells it. May be below 1.
    pub difficulty: Difficulty,
    /// The threshold that a hash must not exceed.
    pub target: U256,
    /// The expected hashes for the target.
    pub work: Work,
}

impl Assigned {
    /// The exact target of a difficulty, and the work of that target.
    pub fn of(difficulty: Difficulty) -> Self {
        let target = difficulty.target();
        Assigned {
            difficulty,
            target,
            work: Work::from_target_floor(target),
        }
    }
}

/// What a job takes from its upstream session, beside its `mining.notify`.
#[derive(Clone, Debug)]
pub struct JobContext<'a> {
    /// See [`UpstreamJob::sequence`].
    pub sequence: u64,
    /// See [`UpstreamJob::generation`].
    pub generation: u64,
    /// The upstream's extranonce1.
    pub extranonce1: &'a [u8],
    /// The size of the upstream's extranonce2.
    pub extranonce2_size: usize,
    /// The mask that the upstream granted, 0 when none.
    pub version_mask: u32,
    /// What the upstream asks of a share now.
    pub upstream: Assigned,
    /// The network's target, as [`network_target`](crate::network_target) reads it from
    /// the job's nbits.
    pub network_target: U256,
    /// The hashes credited for jobs with the same headers, or a new set.
    pub seen: Arc<SeenHashes>,
    /// When it was received, milliseconds of the proxy's monotonic clock.
    pub received_ms: u64,
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
    /// The hashes credited so far. Jobs that can make the same headers share it.
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
    /// The job of a `mining.notify`.
    pub fn new(context: JobContext<'_>, notify: Notify) -> Self {
        UpstreamJob {
            sequence: context.sequence,
            generation: context.generation,
            extranonce1: context.extranonce1.into(),
            extranonce2_size: context.extranonce2_size,
            version_mask: context.version_mask,
            upstream: context.upstream,
            seen: context.seen,
            received_ms: context.received_ms,
            network_target: context.network_target,
            notify_middle: notify_middle(&notify),
            upstream_id: notify.job_id,
            prev_hash: notify.prev_hash,
            coinb1: notify.coinb1,
            coinb2: notify.coinb2,
            merkle_branch: notify.merkle_branch,
            version: notify.version,
            nbits: notify.nbits,
            ntime: notify.ntime,
            clean_jobs: notify.clean_jobs,
            dead: AtomicBool::new(false),
        }
    }

    /// True while shares of it can be accepted.
    pub fn is_alive(&self) -> bool {
        !self.dead.load(Ordering::Relaxed)
    }

    /// Ends it: later shares of it are stale.
    pub fn kill(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }
}

/// The params of a downstream `mining.notify` from prevhash up to and with nbits, as
/// JSON without the outer brackets: the same for every session, rendered once per job.
pub fn notify_middle(notify: &Notify) -> Box<str> {
    let coinbase_bytes = notify.coinb1.len().saturating_add(notify.coinb2.len());
    let bytes = coinbase_bytes
        .saturating_mul(2)
        .saturating_add(notify.merkle_branch.len().saturating_mul(67));
    let mut out = Vec::with_capacity(bytes.saturating_add(128));
    out.push(b'"');
    for word in notify.prev_hash.as_chunks::<4>().0 {
        let mut word = *word;
        word.reverse();
        hex::push(&mut out, &word);
    }
    out.extend_from_slice(b"\",\"");
    hex::push(&mut out, &notify.coinb1);
    out.extend_from_slice(b"\",\"");
    hex::push(&mut out, &notify.coinb2);
    out.extend_from_slice(b"\",[");
    for (index, branch) in notify.merkle_branch.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"\"" } else { b",\"" });
        hex::push(&mut out, branch);
        out.push(b'"');
    }
    out.extend_from_slice(b"],\"");
    hex::push_u32(&mut out, notify.version);
    out.extend_from_slice(b"\",\"");
    hex::push_u32(&mut out, notify.nbits);
    out.push(b'"');
    String::from_utf8(out)
        .expect("hex and punctuation")
        .into_boxed_str()
}
