//! What an upstream sends. A job that was read must be the same job after we have told
//! it to a miner.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proxy::job::notify_middle;
use proxy::wire::upstream::{MAX_COINBASE_BYTES, MAX_MERKLE_BRANCHES, PoolMessage, parse};
use proxy::wire::{JobId, reply};

fuzz_target!(|line: &[u8]| {
    match parse(line) {
        Ok(PoolMessage::Notify(mut notify)) => {
            assert!(notify.coinb1.len() + notify.coinb2.len() <= MAX_COINBASE_BYTES);
            assert!(notify.merkle_branch.len() <= MAX_MERKLE_BRANCHES);
            let mut out = Vec::new();
            reply::notify(&mut out, JobId::shared(1), &notify_middle(&notify), notify.ntime, notify.clean_jobs);
            let Ok(PoolMessage::Notify(read)) = parse(&out) else { panic!("our notify was not read") };
            notify.job_id = "1".into();
            assert_eq!(read, notify);
        }
        Ok(PoolMessage::Reply(reply)) => {
            let _ = (reply.accepted(), reply.configured());
            if let Ok(Ok(subscribed)) = reply.subscribed() {
                assert!(subscribed.extranonce1.len() <= 16 && subscribed.extranonce2_size <= 32);
            }
        }
        Ok(PoolMessage::SetDifficulty(difficulty)) => {
            let _ = proxy::job::Assigned::of(difficulty);
            assert_eq!(difficulty.to_string().parse(), Ok(difficulty));
        }
        _ => {}
    }
});
