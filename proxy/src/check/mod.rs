//! The share check: is this submission a share, and what else does it meet?
//!
//! Pure, but for the one set of credited hashes that the job carries; it allocates
//! nothing. In this order: the job is alive, extranonce2 has its size, ntime is in
//! range, the version bits are allowed; then the header is rebuilt and hashed, and
//! measured against the ONE target that was assigned with the job id; last, the hash
//! is credited unless it was before.
#![cfg_attr(
    not(test),
    deny(
        clippy::float_arithmetic,
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing
    )
)]

mod hash;
mod reject;

use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use ruint::aliases::U256;

pub use reject::Reject;

use crate::extranonce::{Extranonce, Extranonce1};
use crate::job::{Assigned, UpstreamJob};
use crate::seen::Credit;
use crate::wire::Submit;
use hash::{Header, coinbase_txid, merkle_root};

/// How far a share's time may run ahead of the job's: ckpool's rule, just inside the
/// two hours that the network allows.
pub const MAX_NTIME_AHEAD_SECS: u32 = 7000;

/// All that a submission is measured by.
#[derive(Clone, Copy, Debug)]
pub struct CheckInput<'a> {
    /// The upstream job of the downstream job that was named.
    pub job: &'a UpstreamJob,
    /// The session's extranonce1; shortly after a change the one before it, too: some
    /// devices take it up at once, others with the next job.
    pub extranonce1: &'a [Extranonce1],
    /// The target of (session, job id), fixed when that notify was written.
    pub assigned: &'a Assigned,
    /// The ntime of the downstream notify: the least that a share may carry.
    pub ntime: u32,
    /// The version bits that the session may roll, beside the job's own mask.
    pub version_mask: u32,
    /// What was submitted.
    pub submit: &'a Submit<'a>,
}

/// A share. Its hash is credited by now: if it cannot be stored, take it back with
/// [`SeenHashes::forget`](crate::seen::SeenHashes::forget).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The block hash found.
    pub hash: BlockHash,
    /// It also meets the upstream's target for the job: forward it.
    pub meets_upstream: bool,
    /// It also meets the network's target: a block found.
    pub meets_network: bool,
    /// All of the upstream's extranonce2: the prefix and the miner's part.
    pub extranonce2: Extranonce,
    /// The header's version inside the upstream's mask, as BIP310 submits it.
    pub version_bits: u32,
}

/// Measures a submission. On success its hash is credited.
pub fn check(input: &CheckInput<'_>) -> Result<Accepted, Reject> {
    let CheckInput { job, submit, .. } = *input;
    if !job.is_alive() {
        return Err(Reject::Stale);
    }
    let miner_size =
        |extranonce1: &Extranonce1| job.extranonce2_size.checked_sub(extranonce1.prefix().len());
    if !input
        .extranonce1
        .iter()
        .any(|candidate| miner_size(candidate) == Some(submit.extranonce2.len()))
    {
        return Err(Reject::BadExtranonce2Size);
    }
    // Both ends: no earlier than the session was told, no later than the upstream takes.
    let latest = job.ntime.saturating_add(MAX_NTIME_AHEAD_SECS);
    if !(input.ntime..=latest).contains(&submit.ntime) {
        return Err(Reject::NtimeOutOfRange);
    }
    let versions = versions(
        job,
        input.version_mask & job.version_mask,
        submit.version_bits,
    )?;
    for extranonce1 in input.extranonce1 {
        let Some(extranonce2) =
            Extranonce::concat(extranonce1.prefix(), submit.extranonce2.as_bytes())
        else {
            continue;
        };
        if extranonce2.len() != job.extranonce2_size {
            continue;
        }
        let txid = coinbase_txid(job, extranonce1.as_bytes(), submit.extranonce2.as_bytes());
        let mut header = Header::new(
            job,
            &merkle_root(txid, &job.merkle_branch),
            submit.ntime,
            submit.nonce,
        );
        for version in versions.into_iter().flatten() {
            let hash = header.hash(version);
            if U256::from_le_bytes(hash) <= input.assigned.target {
                return credit(job, hash, extranonce2, version);
            }
        }
    }
    Err(Reject::LowDifficulty)
}

fn credit(
    job: &UpstreamJob,
    hash: [u8; 32],
    extranonce2: Extranonce,
    version: u32,
) -> Result<Accepted, Reject> {
    match job.seen.credit(&hash) {
        Credit::First => {}
        Credit::Duplicate => return Err(Reject::Duplicate),
        Credit::Full => return Err(Reject::JobFull),
    }
    let value = U256::from_le_bytes(hash);
    Ok(Accepted {
        hash: BlockHash::from_byte_array(hash),
        meets_upstream: value <= job.upstream.target,
        meets_network: value <= job.network_target,
        extranonce2,
        version_bits: version & job.version_mask,
    })
}

/// The header versions that the bits may mean: ESP-Miner sends what it rolled XOR the
/// job's version, BIP310 says that the bits replace those under the mask. They differ
/// where the template sets bits inside the mask.
fn versions(job: &UpstreamJob, mask: u32, bits: Option<u32>) -> Result<[Option<u32>; 2], Reject> {
    let Some(bits) = bits else {
        return Ok([Some(job.version), None]);
    };
    if bits & !mask != 0 {
        return Err(Reject::BadVersionBits);
    }
    let rolled = job.version ^ bits;
    let replaced = (job.version & !mask) | bits;
    Ok([Some(rolled), (replaced != rolled).then_some(replaced)])
}

#[cfg(test)]
mod tests;
