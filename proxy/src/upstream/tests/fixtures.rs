//! Jobs and shares for the tests.

use std::sync::Arc;

use crate::job::UpstreamJob;
use crate::upstream::UpstreamSubmit;
use crate::upstream::board::Board;
use crate::upstream::client::NewJob;
use crate::upstream::seen_book::SeenBook;
use crate::wire::upstream::Notify;
use crate::{Difficulty, network_target};

/// The generator point, a key as good as any.
const MINER: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

pub(crate) fn new_job(id: &str) -> NewJob {
    let notify = Notify {
        job_id: id.into(),
        prev_hash: [7; 32],
        coinb1: [1, 2].into(),
        coinb2: [3, 4].into(),
        merkle_branch: [[5; 32], [6; 32]].into(),
        version: 0x2000_0000,
        nbits: 0x1d00_ffff,
        ntime: 0x6600_0000,
        clean_jobs: false,
    };
    NewJob {
        network_target: network_target(notify.nbits).expect("valid nbits"),
        notify: Box::new(notify),
        extranonce1: [0xaa; 4].into(),
        extranonce2_size: 8,
        difficulty: Difficulty::ONE,
        version_mask: 0x1fff_e000,
    }
}

pub(crate) fn job_of(id: &str) -> UpstreamJob {
    let mut board = Board::new(150_000);
    board.add(new_job(id), 3, &mut SeenBook::default(), 0);
    let job = Arc::clone(board.view().current().expect("just added"));
    drop(board);
    Arc::into_inner(job).expect("nobody else has it")
}

pub(crate) fn submit_of(job: &Arc<UpstreamJob>) -> UpstreamSubmit {
    UpstreamSubmit {
        job: Arc::clone(job),
        extranonce2: [0, 0, 0, 0, 0, 0, 0, 1].into(),
        ntime: job.ntime + 1,
        nonce: 42,
        version_bits: 0x2000,
        miner: MINER.parse().expect("a key"),
        meets_network: false,
    }
}
