//! `mining.notify` of a pool.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::message::{UpstreamWireError, json};
use super::{MAX_COINBASE_BYTES, MAX_JOB_ID_BYTES, MAX_MERKLE_BRANCHES};
use crate::hex;
use crate::wire::params::Scalar;

/// A job as the pool tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// The pool's name for it.
    pub job_id: Box<str>,
    /// The previous block's hash in the header's byte order.
    pub prev_hash: [u8; 32],
    /// The coinbase before extranonce1.
    pub coinb1: Box<[u8]>,
    /// The coinbase after extranonce2.
    pub coinb2: Box<[u8]>,
    /// The merkle branches, in the order in which they are hashed in.
    pub merkle_branch: Box<[[u8; 32]]>,
    /// The header's version.
    pub version: u32,
    /// The network's target, compact; it may be invalid.
    pub nbits: u32,
    /// The header's time.
    pub ntime: u32,
    /// The older jobs are to be discarded.
    pub clean_jobs: bool,
}

/// `[job_id, prevhash, coinb1, coinb2, [branch, ..], version, nbits, ntime, .., clean_jobs]`.
/// Some pools put more in before clean_jobs, which devices read from the end. Where the
/// last of more is no flag, the ninth counts; a missing one is null.
struct Raw<'a> {
    job_id: Scalar<'a>,
    prev_hash: Scalar<'a>,
    coinb1: Scalar<'a>,
    coinb2: Scalar<'a>,
    merkle_branch: Branches,
    version: Scalar<'a>,
    nbits: Scalar<'a>,
    ntime: Scalar<'a>,
    clean_jobs: Scalar<'a>,
}

pub(super) fn read(params: &str) -> Result<Notify, UpstreamWireError> {
    let wrong = |param, expected| UpstreamWireError::Param {
        method: "mining.notify",
        param,
        expected,
    };
    let raw: Raw<'_> = json(params).map_err(|_| wrong("params", "a list as Stratum has it"))?;
    let number = |scalar: &Scalar<'_>, param| {
        let number = scalar.text().and_then(|text| hex::decode_u32(text).ok());
        number.ok_or(wrong(param, "a string of 1 to 8 hex digits"))
    };
    let coinb1 = coinbase_half(&raw.coinb1, MAX_COINBASE_BYTES)
        .ok_or(wrong("coinb1", "at most 64 KB in hex"))?;
    let left = MAX_COINBASE_BYTES.saturating_sub(coinb1.len());
    let coinb2 = coinbase_half(&raw.coinb2, left)
        .ok_or(wrong("coinb2", "at most 64 KB in hex with coinb1"))?;
    Ok(Notify {
        job_id: job_id(&raw.job_id).ok_or(wrong("job id", "a string of at most 128 bytes"))?,
        prev_hash: prev_hash(&raw.prev_hash).ok_or(wrong("prevhash", "64 hex digits"))?,
        coinb1,
        coinb2,
        merkle_branch: raw
            .merkle_branch
            .0
            .ok_or(wrong("merkle branches", "at most 32 of 64 hex digits"))?
            .into(),
        version: number(&raw.version, "version")?,
        nbits: number(&raw.nbits, "nbits")?,
        ntime: number(&raw.ntime, "ntime")?,
        clean_jobs: match raw.clean_jobs {
            Scalar::Bool(clean) => clean,
            Scalar::Unsigned(number) => number != 0,
            _ => false,
        },
    })
}

fn job_id(id: &Scalar<'_>) -> Option<Box<str>> {
    match id {
        Scalar::Text(text) if text.len() <= MAX_JOB_ID_BYTES => Some((**text).into()),
        // Sent back as a string, which is what such pools compare with.
        Scalar::Unsigned(number) => Some(number.to_string().into()),
        _ => None,
    }
}

fn coinbase_half(text: &Scalar<'_>, max_bytes: usize) -> Option<Box<[u8]>> {
    hex::decode_vec(text.text()?, max_bytes)
        .ok()
        .map(Vec::into_boxed_slice)
}

/// On the wire each group of four bytes is reversed.
fn prev_hash(text: &Scalar<'_>) -> Option<[u8; 32]> {
    let mut hash: [u8; 32] = hex::decode_array(text.text()?).ok()?;
    hash.as_chunks_mut::<4>()
        .0
        .iter_mut()
        .for_each(|word| word.reverse());
    Some(hash)
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the params of mining.notify")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw<'de>, A::Error> {
        let mut next = || Ok(seq.next_element()?.unwrap_or(Scalar::Null));
        let [job_id, prev_hash, coinb1, coinb2] = [next()?, next()?, next()?, next()?];
        let merkle_branch = seq.next_element()?.unwrap_or(Branches(None));
        let mut next = || Ok(seq.next_element()?.unwrap_or(Scalar::Null));
        let [version, nbits, ntime, mut clean_jobs] = [next()?, next()?, next()?, next()?];
        let mut last = Last::Other;
        while let Some(param) = seq.next_element()? {
            last = param;
        }
        if let Last::Flag(flag) = last {
            clean_jobs = Scalar::Bool(flag);
        }
        Ok(Raw {
            job_id,
            prev_hash,
            coinb1,
            coinb2,
            merkle_branch,
            version,
            nbits,
            ntime,
            clean_jobs,
        })
    }
}

/// A param past the ninth.
enum Last {
    Flag(bool),
    Other,
}

impl<'de> Deserialize<'de> for Last {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json: &RawValue = Deserialize::deserialize(deserializer)?;
        Ok(match json.get() {
            "true" | "1" => Last::Flag(true),
            "false" | "0" => Last::Flag(false),
            _ => Last::Other,
        })
    }
}

/// `None` when there are too many or one is no hash.
struct Branches(Option<Vec<[u8; 32]>>);

impl<'de> Deserialize<'de> for Branches {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(BranchesVisitor)
    }
}

struct BranchesVisitor;

impl<'de> Visitor<'de> for BranchesVisitor {
    type Value = Branches;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of merkle branches")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Branches, A::Error> {
        let mut branches = Vec::with_capacity(MAX_MERKLE_BRANCHES);
        let mut valid = true;
        while let Some(branch) = seq.next_element::<Scalar<'de>>()? {
            match branch.text().and_then(|text| hex::decode_array(text).ok()) {
                Some(hash) if branches.len() < MAX_MERKLE_BRANCHES => branches.push(hash),
                _ => valid = false,
            }
        }
        Ok(Branches(valid.then_some(branches)))
    }
}
