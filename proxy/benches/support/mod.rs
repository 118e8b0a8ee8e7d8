//! The job that the benches check shares of.

use std::sync::Arc;

use proxy::job::{Assigned, JobContext, UpstreamJob};
use proxy::seen::SeenHashes;
use proxy::wire::upstream::Notify;
use proxy::{Difficulty, network_target};

pub(crate) const EXTRANONCE1: [u8; 4] = [1, 2, 3, 4];

pub(crate) fn job(coinbase_bytes: usize, branches: usize) -> UpstreamJob {
    let notify = Notify {
        job_id: "1".into(),
        prev_hash: [7; 32],
        coinb1: vec![1; 60].into(),
        coinb2: vec![2; coinbase_bytes - 60 - 12].into(),
        merkle_branch: vec![[3; 32]; branches].into(),
        version: 0x2000_0000,
        nbits: 0x1703_4219,
        ntime: 1_700_000_000,
        clean_jobs: false,
    };
    let context = JobContext {
        sequence: 1,
        generation: 1,
        extranonce1: &EXTRANONCE1,
        extranonce2_size: 8,
        version_mask: 0x1fff_e000,
        upstream: Assigned::of(Difficulty::ONE),
        network_target: network_target(notify.nbits).unwrap(),
        seen: Arc::new(SeenHashes::new()),
        received_ms: 0,
    };
    UpstreamJob::new(context, notify)
}
