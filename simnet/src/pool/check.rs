//! The pool's share check: the coinbase is read back as a transaction, the header is
//! the `bitcoin` crate's, and only its hash counts.

use std::fmt;
use std::sync::Arc;

use bitcoin::block::{Header, Version};
use bitcoin::hashes::{Hash as _, sha256d};
use bitcoin::{BlockHash, CompactTarget, Transaction, TxMerkleNode};

use super::VersionReading;
use super::job::Job;
use super::request::Submit;
use crate::stratum::{Hash, Target};

/// How far a header's time may be ahead of its job's, in seconds (consensus: two hours
/// ahead of the network's time).
const MAX_NTIME_AHEAD: u32 = 7_200;

/// Why a share is rejected. Codes are DATUM's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reject {
    /// 20: no such job was ever given to this connection.
    UnknownWork,
    /// 20: not the number of params that this connection must send.
    BadParams,
    /// 20: extranonce2 is not of the size told.
    BadExtranonce2,
    /// 20: on demand, see [`Faults::reject_every`](super::Faults::reject_every).
    OnDemand,
    /// 21: the job was discarded or is too old.
    Stale,
    /// 21: the header's time is before the job's or too far ahead.
    BadTime,
    /// 22: the same header was accepted before.
    Duplicate,
    /// 23: the hash misses the target of the job.
    HighHash,
    /// 23: version bits outside of the mask.
    BadVersion,
    /// 24: the username was not authorized.
    Unauthorized,
}

impl Reject {
    /// The error code on the wire.
    pub fn code(self) -> u32 {
        match self {
            Reject::UnknownWork | Reject::BadParams => 20,
            Reject::BadExtranonce2 | Reject::OnDemand => 20,
            Reject::Stale | Reject::BadTime => 21,
            Reject::Duplicate => 22,
            Reject::HighHash | Reject::BadVersion => 23,
            Reject::Unauthorized => 24,
        }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reject::UnknownWork => "unknown work",
            Reject::BadParams => "wrong number of params",
            Reject::BadExtranonce2 => "bad extranonce2 size",
            Reject::OnDemand => "rejected on demand",
            Reject::Stale => "stale work",
            Reject::BadTime => "time out of range",
            Reject::Duplicate => "duplicate",
            Reject::HighHash => "high hash",
            Reject::BadVersion => "bad version",
            Reject::Unauthorized => "unauthorized worker",
        })
    }
}

/// A job as one connection was given it: what its shares are measured by.
#[derive(Clone, Debug)]
pub(crate) struct GivenJob {
    pub(crate) job: Arc<Job>,
    pub(crate) extranonce1: Vec<u8>,
    pub(crate) difficulty: f64,
    pub(crate) target: Target,
    pub(crate) mask: u32,
    pub(crate) discarded: bool,
}

/// A share that meets its target.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) hash: Hash,
    pub(crate) header: Header,
    pub(crate) coinbase: Transaction,
    pub(crate) is_block: bool,
}

/// Checks a submit of `given`. `mask` is the connection's now: bits of either mask are
/// fine, as a change may cross with a share.
pub(crate) fn check(
    given: &GivenJob,
    mask: u32,
    reading: VersionReading,
    submit: &Submit,
) -> Result<Checked, Reject> {
    let job = &given.job;
    if submit.extranonce2.len() != job.extranonce2_size {
        return Err(Reject::BadExtranonce2);
    }
    if submit.ntime < job.ntime || submit.ntime - job.ntime > MAX_NTIME_AHEAD {
        return Err(Reject::BadTime);
    }
    let bits = submit.version_bits.unwrap_or(0);
    if bits & !(mask | given.mask) != 0 {
        return Err(Reject::BadVersion);
    }
    let coinbase = coinbase(given, &submit.extranonce2);
    let merkle_root = merkle_root(&coinbase, &job.branches);
    let network = Target::of_bits(job.template.bits);
    for version in versions(job.template.version, mask, bits, reading) {
        let header = Header {
            version: Version::from_consensus(version.cast_signed()),
            prev_blockhash: BlockHash::from_byte_array(job.template.prev_hash),
            merkle_root,
            time: submit.ntime,
            bits: CompactTarget::from_consensus(job.template.bits),
            nonce: submit.nonce,
        };
        let hash = header.block_hash().to_byte_array();
        if given.target.is_met_by(&hash) {
            let is_block = network.is_met_by(&hash);
            return Ok(Checked {
                hash,
                header,
                coinbase,
                is_block,
            });
        }
    }
    Err(Reject::HighHash)
}

fn coinbase(given: &GivenJob, extranonce2: &[u8]) -> Transaction {
    let cut = &given.job.cut;
    let bytes = [&cut.coinb1, &given.extranonce1, extranonce2, &cut.coinb2].concat();
    let coinbase: Transaction = bitcoin::consensus::deserialize(&bytes)
        .expect("the extranonces fill exactly the room that was left for them");
    debug_assert!(coinbase.is_coinbase());
    coinbase
}

fn merkle_root(coinbase: &Transaction, branches: &[Hash]) -> TxMerkleNode {
    let leaf = TxMerkleNode::from_raw_hash(coinbase.compute_txid().to_raw_hash());
    branches.iter().fold(leaf, |node, branch| {
        let pair = [node.to_byte_array(), *branch].concat();
        TxMerkleNode::from_raw_hash(sha256d::Hash::hash(&pair))
    })
}

/// The versions that the submit may mean, without repetition.
fn versions(version: u32, mask: u32, bits: u32, reading: VersionReading) -> Vec<u32> {
    let bip310 = (version & !mask) | bits;
    let xor = version ^ bits;
    match reading {
        VersionReading::Bip310 => vec![bip310],
        VersionReading::Xor => vec![xor],
        VersionReading::Either if bip310 == xor => vec![bip310],
        // ESP-Miner's first: by luck the other one's hash may do as well.
        VersionReading::Either => vec![xor, bip310],
    }
}
