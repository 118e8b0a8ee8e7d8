//! Shares against a plain reading of the rules, with another library's hash.
#![no_main]

use std::sync::Arc;

use arbitrary::Arbitrary;
use bitcoin::hashes::{Hash, sha256d};
use libfuzzer_sys::fuzz_target;
use proxy::check::{CheckInput, Reject, check};
use proxy::extranonce::{Extranonce, Extranonce1};
use proxy::job::{Assigned, JobContext, UpstreamJob};
use proxy::seen::SeenHashes;
use proxy::wire::upstream::Notify;
use proxy::wire::{Method, parse};
use proxy::{Difficulty, network_target};
use ruint::aliases::U256;

#[derive(Arbitrary, Debug)]
struct Input {
    prev_hash: [u8; 32],
    coinb1: Vec<u8>,
    coinb2: Vec<u8>,
    branches: Vec<[u8; 32]>,
    version: u32,
    nbits: u32,
    ntime: u32,
    extranonce1: [u8; 4],
    extranonce2_size: u8,
    prefixes: Vec<Vec<u8>>,
    upstream_mask: u32,
    session_mask: u32,
    assigned: f64,
    upstream: f64,
    base_ahead: u8,
    extranonce2: Vec<u8>,
    submitted_ntime: u32,
    nonce: u32,
    version_bits: Option<u32>,
}

fn expected(input: &Input, job: &UpstreamJob, target: U256, base: u32) -> Result<([u8; 32], u32), Reject> {
    let fits = |prefix: &Vec<u8>| prefix.len() + input.extranonce2.len() == job.extranonce2_size;
    if !input.prefixes.iter().any(fits) {
        return Err(Reject::BadExtranonce2Size);
    }
    let ahead = i64::from(input.submitted_ntime) - i64::from(input.ntime);
    if input.submitted_ntime < base || ahead > 7000 {
        return Err(Reject::NtimeOutOfRange);
    }
    let mask = input.upstream_mask & input.session_mask;
    let versions = match input.version_bits {
        None => vec![input.version],
        Some(bits) if bits & mask != bits => return Err(Reject::BadVersionBits),
        Some(bits) => vec![input.version ^ bits, input.version & !mask | bits],
    };
    for prefix in input.prefixes.iter().filter(|prefix| fits(prefix)) {
        let coinbase = [&input.coinb1[..], &input.extranonce1, prefix, &input.extranonce2, &input.coinb2].concat();
        let mut root = sha256d::Hash::hash(&coinbase).to_byte_array();
        for branch in &input.branches {
            root = sha256d::Hash::hash(&[root, *branch].concat()).to_byte_array();
        }
        for version in &versions {
            let mut header = version.to_le_bytes().to_vec();
            header.extend(input.prev_hash);
            header.extend(root);
            for number in [input.submitted_ntime, input.nbits, input.nonce] {
                header.extend(number.to_le_bytes());
            }
            let hash = sha256d::Hash::hash(&header).to_byte_array();
            if U256::from_le_bytes(hash) <= target {
                return Ok((hash, version & input.upstream_mask));
            }
        }
    }
    Err(Reject::LowDifficulty)
}

fuzz_target!(|input: Input| {
    let (Ok(assigned), Ok(upstream)) = (Difficulty::new(input.assigned), Difficulty::new(input.upstream)) else { return };
    if input.prefixes.len() > 2 || input.prefixes.iter().any(|prefix| prefix.len() > 3) {
        return;
    }
    let Some(extranonce2) = Extranonce::new(&input.extranonce2) else { return };
    let (assigned, upstream) = (Assigned::of(assigned), Assigned::of(upstream));
    let notify = Notify {
        job_id: "1".into(),
        prev_hash: input.prev_hash,
        coinb1: input.coinb1.clone().into(),
        coinb2: input.coinb2.clone().into(),
        merkle_branch: input.branches.clone().into(),
        version: input.version,
        nbits: input.nbits,
        ntime: input.ntime,
        clean_jobs: false,
    };
    let Ok(network_target) = network_target(input.nbits) else { return };
    let context = JobContext {
        sequence: 1,
        generation: 1,
        extranonce1: &input.extranonce1,
        extranonce2_size: usize::from(input.extranonce2_size % 33),
        version_mask: input.upstream_mask,
        upstream,
        network_target,
        seen: Arc::new(SeenHashes::new()),
        received_ms: 0,
    };
    let job = UpstreamJob::new(context, notify);
    let candidates: Vec<Extranonce1> =
        input.prefixes.iter().filter_map(|prefix| Extranonce1::new(&input.extranonce1, prefix)).collect();
    let line = br#"{"id":1,"method":"mining.submit","params":["u","1","00","0","0"]}"#;
    let Ok(Method::Submit(mut submit)) = parse(line).map(|request| request.method) else { unreachable!() };
    submit.extranonce2 = extranonce2;
    (submit.ntime, submit.nonce, submit.version_bits) = (input.submitted_ntime, input.nonce, input.version_bits);
    let base = input.ntime.saturating_add(input.base_ahead.into());
    let given = CheckInput {
        job: &job,
        extranonce1: &candidates,
        assigned: &assigned,
        ntime: base,
        version_mask: input.session_mask,
        submit: &submit,
    };
    let expected = expected(&input, &job, assigned.target, base);
    let outcome = check(&given);
    assert_eq!(outcome.map(|share| (share.hash.to_byte_array(), share.version_bits)), expected);
    if let Ok(share) = outcome {
        let value = U256::from_le_bytes(share.hash.to_byte_array());
        assert_eq!(share.meets_upstream, value <= upstream.target);
        assert_eq!(share.meets_network, value <= job.network_target);
        assert_eq!(share.extranonce2.len(), job.extranonce2_size);
        assert_eq!(check(&given), Err(Reject::Duplicate));
    }
});
