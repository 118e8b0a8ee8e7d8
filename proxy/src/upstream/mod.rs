//! The pool's side: one logical upstream, an ordered list of URLs, one connection (a
//! lane) for as many miners as its extranonce2 has prefixes for.
//!
//! A downstream session asks for a [`Lease`] when it subscribes. The lease names the
//! lane, holds the session's prefix until it is dropped, and is the way to forward a
//! share. What the lane knows is a [`LaneView`], replaced as a whole for every job.

mod age;
mod asks;
mod backlog;
mod board;
mod client;
mod connect;
mod connector;
mod failback;
mod failover;
mod failure;
mod idle;
mod lane;
mod lease;
mod link;
mod metrics;
mod redirect;
mod refusals;
mod seen_book;
mod shared;
mod status;
mod supervisor;
#[cfg(test)]
mod tests;
mod tip;

use std::sync::Arc;

pub use crate::clock::monotonic_ms;
pub(crate) use connect::read_authorities;
pub use lease::{LaneClosed, Lease, Unavailable};
pub use metrics::UpstreamMetrics;
pub use status::{LeftUrl, UpstreamStatus};
pub use supervisor::Upstream;
pub use tip::UpstreamTip;

use crate::job::UpstreamJob;

/// What a lane knows of its upstream, replaced as a whole whenever something changes.
#[derive(Clone, Debug)]
pub struct LaneView {
    /// False while the lane has no upstream session, or that has given no job yet.
    pub up: bool,
    /// Grows with every change of extranonce1 or of the extranonce2 size (a new
    /// upstream session, `mining.set_extranonce`): a prefix belongs to one generation.
    pub generation: u64,
    /// The upstream's extranonce1.
    pub extranonce1: Box<[u8]>,
    /// The size of the upstream's extranonce2.
    pub extranonce2_size: usize,
    /// How many bytes of it are the downstream session's prefix.
    pub prefix_size: usize,
    /// The version bits that the upstream granted, 0 when none.
    pub version_mask: u32,
    /// The living jobs, oldest first. The last is the one to mine on.
    pub jobs: Arc<[Arc<UpstreamJob>]>,
}

impl LaneView {
    /// The view of a lane that has had no job yet.
    pub(crate) fn down() -> Self {
        LaneView {
            up: false,
            generation: 0,
            extranonce1: Box::default(),
            extranonce2_size: 0,
            prefix_size: 0,
            version_mask: 0,
            jobs: Arc::default(),
        }
    }

    /// The job to mine on.
    pub fn current(&self) -> Option<&Arc<UpstreamJob>> {
        self.jobs.last().filter(|_| self.up)
    }
}

/// A share on its way upstream. Username and message id are the upstream client's.
#[derive(Clone, Debug)]
pub struct UpstreamSubmit {
    /// The job that it solves.
    pub job: Arc<UpstreamJob>,
    /// The whole extranonce2 as the upstream knows it: prefix and miner's part.
    pub extranonce2: Box<[u8]>,
    /// The header's time.
    pub ntime: u32,
    /// The header's nonce.
    pub nonce: u32,
    /// The rolled bits as BIP310 submits them; sent whenever a mask was granted.
    pub version_bits: u32,
    /// Whose share it is, for the books.
    pub miner: accounting::MinerId,
    /// It also meets the network's target.
    pub meets_network: bool,
}
