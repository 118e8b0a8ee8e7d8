//! The check against a model written with the `bitcoin` crate's own transaction, merkle
//! tree and header.

use std::sync::Arc;

use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::consensus::{deserialize, serialize};
use bitcoin::hashes::Hash;
use bitcoin::transaction;
use bitcoin::{
    Amount, CompactTarget, OutPoint, ScriptBuf, Sequence, Target, Transaction, TxIn, TxMerkleNode,
    TxOut, Txid, Witness,
};
use proptest::prelude::*;

use super::*;
use crate::job::JobContext;
use crate::seen::SeenHashes;
use crate::testing::cases;
use crate::wire::upstream::Notify;
use crate::{Difficulty, network_target};

const MASK: u32 = 0x1fff_e000;

/// A block of the model: a coinbase with room for the extranonces, and what else is in it.
#[derive(Clone, Debug)]
struct Block {
    coinb1: Vec<u8>,
    coinb2: Vec<u8>,
    others: Vec<Txid>,
    prev_hash: [u8; 32],
    version: u32,
    ntime: u32,
}

const EXTRANONCE1: [u8; 4] = [0xa1, 0xb2, 0xc3, 0xd4];
const EXTRANONCE2_SIZE: usize = 8;

fn block(
    tag: &[u8],
    outputs: &[u64],
    others: Vec<[u8; 32]>,
    prev_hash: [u8; 32],
    version: u32,
    ntime: u32,
) -> Block {
    let room = EXTRANONCE1.len() + EXTRANONCE2_SIZE;
    let script: Vec<u8> = tag
        .iter()
        .copied()
        .chain([0u8].repeat(room))
        .chain(*b"\x04tail")
        .collect();
    let coinbase = Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig: ScriptBuf::from_bytes(script),
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: outputs
            .iter()
            .map(|&sat| TxOut {
                value: Amount::from_sat(sat),
                script_pubkey: ScriptBuf::from_bytes(vec![0x51; 22]),
            })
            .collect(),
    };
    let bytes = serialize(&coinbase);
    // version 4, count 1, outpoint 36, script length 1, then the tag
    let at = 42 + tag.len();
    Block {
        coinb1: bytes[..at].to_vec(),
        coinb2: bytes[at + room..].to_vec(),
        others: others.into_iter().map(Txid::from_byte_array).collect(),
        prev_hash,
        version,
        ntime,
    }
}

impl Block {
    /// What a pool sends: the hashes to the right of the coinbase, level by level.
    fn branches(&self) -> Vec<[u8; 32]> {
        // The coinbase's place; what is on it never gets into a branch.
        let mut level: Vec<[u8; 32]> = std::iter::once([0; 32])
            .chain(self.others.iter().map(|txid| txid.to_byte_array()))
            .collect();
        let mut branches = Vec::new();
        while level.len() > 1 {
            if level.len() % 2 == 1 {
                level.push(level[level.len() - 1]);
            }
            branches.push(level[1]);
            level = level
                .chunks(2)
                .map(|pair| bitcoin::hashes::sha256d::Hash::hash(&pair.concat()).to_byte_array())
                .collect();
        }
        branches
    }

    fn job(&self, upstream: f64, nbits: u32, version_mask: u32) -> UpstreamJob {
        let notify = Notify {
            job_id: "abc".into(),
            prev_hash: self.prev_hash,
            coinb1: self.coinb1.clone().into(),
            coinb2: self.coinb2.clone().into(),
            merkle_branch: self.branches().into(),
            version: self.version,
            nbits,
            ntime: self.ntime,
            clean_jobs: true,
        };
        let context = JobContext {
            sequence: 1,
            generation: 1,
            extranonce1: &EXTRANONCE1,
            extranonce2_size: EXTRANONCE2_SIZE,
            version_mask,
            upstream: assigned(upstream),
            network_target: network_target(nbits).expect("valid nbits"),
            seen: Arc::new(SeenHashes::new()),
            received_ms: 0,
        };
        UpstreamJob::new(context, notify)
    }

    /// The header by the library: it reads the coinbase as a transaction and takes
    /// txid, merkle root and block hash itself.
    fn header(
        &self,
        extranonce: &[u8],
        version: u32,
        ntime: u32,
        nonce: u32,
        nbits: u32,
    ) -> Header {
        let bytes = [&self.coinb1[..], extranonce, &self.coinb2[..]].concat();
        let coinbase: Transaction = deserialize(&bytes).expect("a transaction");
        let txids = std::iter::once(coinbase.compute_txid()).chain(self.others.iter().copied());
        let root = bitcoin::merkle_tree::calculate_root(txids).expect("not empty");
        Header {
            version: Version::from_consensus(version.cast_signed()),
            prev_blockhash: BlockHash::from_byte_array(self.prev_hash),
            merkle_root: TxMerkleNode::from_byte_array(root.to_byte_array()),
            time: ntime,
            bits: CompactTarget::from_consensus(nbits),
            nonce,
        }
    }
}

fn assigned(difficulty: f64) -> Assigned {
    Assigned::of(Difficulty::new(difficulty).expect("a difficulty"))
}

fn submit(
    extranonce2: &[u8],
    ntime: u32,
    nonce: u32,
    version_bits: Option<u32>,
) -> Submit<'static> {
    let mut share = any_submit();
    share.extranonce2 = Extranonce::new(extranonce2).expect("short");
    (share.ntime, share.nonce, share.version_bits) = (ntime, nonce, version_bits);
    share
}

fn any_submit() -> Submit<'static> {
    let line = br#"{"id":4,"method":"mining.submit","params":["u","1","00","0","0"]}"#;
    match crate::wire::parse(line).expect("a request").method {
        crate::wire::Method::Submit(share) => share,
        other => panic!("{other:?}"),
    }
}

#[derive(Clone, Debug)]
struct Case {
    block: Block,
    prefixes: Vec<Vec<u8>>,
    extranonce2: Vec<u8>,
    ahead: u32,
    base_ahead: u32,
    nonce: u32,
    bits: Option<u32>,
    session_mask: u32,
    upstream_mask: u32,
    assigned: f64,
    upstream: f64,
    nbits: u32,
}

/// The rules again, from the library's types: which result a submission has.
fn model(case: &Case) -> Result<Accepted, Reject> {
    let miner_size = EXTRANONCE2_SIZE - case.prefixes[0].len();
    if case.extranonce2.len() != miner_size {
        return Err(Reject::BadExtranonce2Size);
    }
    if case.ahead < case.base_ahead || case.ahead > 7000 {
        return Err(Reject::NtimeOutOfRange);
    }
    let mask = case.session_mask & case.upstream_mask;
    let version = case.block.version;
    let versions = match case.bits {
        None => vec![version],
        Some(bits) if bits | mask != mask => return Err(Reject::BadVersionBits),
        Some(bits) => vec![version ^ bits, (version & !mask) | bits],
    };
    let met =
        |hash: BlockHash, target: U256| Target::from_be_bytes(target.to_be_bytes()).is_met_by(hash);
    for prefix in &case.prefixes {
        let extranonce = [&EXTRANONCE1[..], prefix, &case.extranonce2].concat();
        for &version in &versions {
            let ntime = case.block.ntime + case.ahead;
            let header = case
                .block
                .header(&extranonce, version, ntime, case.nonce, case.nbits);
            let hash = header.block_hash();
            if met(hash, assigned(case.assigned).target) {
                return Ok(Accepted {
                    hash,
                    meets_upstream: met(hash, assigned(case.upstream).target),
                    meets_network: header.target().is_met_by(hash),
                    extranonce2: Extranonce::new(&extranonce[EXTRANONCE1.len()..]).expect("short"),
                    version_bits: version & case.upstream_mask,
                });
            }
        }
    }
    Err(Reject::LowDifficulty)
}

fn run(case: &Case, job: &UpstreamJob) -> Result<Accepted, Reject> {
    let candidates: Vec<Extranonce1> = case
        .prefixes
        .iter()
        .map(|prefix| Extranonce1::new(&EXTRANONCE1, prefix).expect("short"))
        .collect();
    check(&CheckInput {
        job,
        extranonce1: &candidates,
        assigned: &assigned(case.assigned),
        ntime: case.block.ntime + case.base_ahead,
        version_mask: case.session_mask,
        submit: &submit(
            &case.extranonce2,
            case.block.ntime + case.ahead,
            case.nonce,
            case.bits,
        ),
    })
}

fn block_strategy() -> impl Strategy<Value = Block> {
    let outputs = prop::collection::vec(0u64..2_100_000_000_000_000, 1..200);
    let others = prop::collection::vec(any::<[u8; 32]>(), 0..40);
    let tag = prop::collection::vec(any::<u8>(), 2..60);
    (
        tag,
        outputs,
        others,
        any::<[u8; 32]>(),
        any::<u32>(),
        1u32..0xffff_0000,
    )
        .prop_map(|(tag, outputs, others, prev_hash, version, ntime)| {
            block(&tag, &outputs, others, prev_hash, version, ntime)
        })
}

/// Difficulties at which a hash meets the target about every second to eighth time.
fn tiny_difficulty() -> impl Strategy<Value = f64> {
    (1.0f64..12.0).prop_map(|times| times / 4_294_967_296.0)
}

prop_compose! {
    fn any_case()(
        block in block_strategy(),
        first in any::<[u8; 3]>(),
        second in prop::option::of(any::<[u8; 3]>()),
        wrong_size in prop::bool::weighted(0.05),
        extranonce2 in any::<[u8; 5]>(),
        ahead in prop_oneof![8 => 0u32..100, 1 => 6_990u32..7_010],
        base_ahead in 0u32..5,
        nonce: u32,
        bits in prop::option::weighted(0.7, prop_oneof![8 => any::<u32>().prop_map(|bits| bits & MASK), 1 => any::<u32>(), 1 => Just(0)]),
        session_mask in prop_oneof![8 => Just(MASK), 1 => Just(0), 1 => any::<u32>()],
        upstream_mask in prop_oneof![8 => Just(MASK), 1 => Just(0), 1 => Just(0x00ff_e000)],
        assigned in tiny_difficulty(),
        upstream in tiny_difficulty(),
        nbits in prop_oneof![Just(0x207f_ffffu32), Just(0x2000_ffffu32), Just(0x1d00_ffffu32)],
    ) -> Case {
        let prefixes = std::iter::once(first).chain(second).map(Vec::from).collect();
        let size = if wrong_size { 4 } else { 5 };
        Case {
            block, prefixes, extranonce2: extranonce2[..size].to_vec(), ahead, base_ahead, nonce, bits,
            session_mask, upstream_mask, assigned, upstream, nbits,
        }
    }
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn agrees_with_the_model(case in any_case()) {
        let job = case.block.job(case.upstream, case.nbits, case.upstream_mask);
        let expected = model(&case);
        prop_assert_eq!(run(&case, &job), expected);
        // The same again is never credited again.
        let again = if expected.is_ok() { Err(Reject::Duplicate) } else { expected };
        prop_assert_eq!(run(&case, &job), again);
        job.kill();
        prop_assert_eq!(run(&case, &job), Err(Reject::Stale));
    }
}

fn plain_case() -> Case {
    Case {
        block: block(
            b"\x03\x01\x02\x03",
            &[5_000_000_000],
            vec![[7; 32]; 5],
            [9; 32],
            0x2000_0000,
            1_700_000_000,
        ),
        prefixes: vec![vec![1, 2, 3]],
        extranonce2: vec![0; 5],
        ahead: 0,
        base_ahead: 0,
        nonce: 0,
        bits: None,
        session_mask: MASK,
        upstream_mask: MASK,
        assigned: 1e-12,
        upstream: 1e-12,
        nbits: 0x1d00_ffff,
    }
}

#[test]
fn one_hash_is_credited_once_across_jobs_that_share_their_headers() {
    let case = plain_case();
    let (first, mut second) = (
        case.block.job(1.0, case.nbits, MASK),
        case.block.job(1.0, case.nbits, MASK),
    );
    second.seen = Arc::clone(&first.seen);
    let hash = run(&case, &first).expect("a share").hash;
    assert_eq!(run(&case, &second), Err(Reject::Duplicate));
    first.seen.forget(&hash.to_byte_array());
    assert_eq!(run(&case, &second).map(|share| share.hash), Ok(hash));
}

#[test]
fn a_full_set_of_hashes_is_its_own_reject() {
    let case = plain_case();
    let mut job = case.block.job(1.0, case.nbits, MASK);
    job.seen = Arc::new(SeenHashes::with_capacity_limit(0));
    assert_eq!(run(&case, &job), Err(Reject::JobFull));
}

#[test]
fn it_is_measured_by_the_assigned_target_alone() {
    let mut case = plain_case();
    let job = case.block.job(case.upstream, case.nbits, MASK);
    case.assigned = 1e15;
    assert_eq!(run(&case, &job), Err(Reject::LowDifficulty));
    assert!(job.seen.is_empty());
}

/// The genesis block: the only inputs whose hash everybody knows.
#[test]
fn the_genesis_block_is_found() {
    let genesis = bitcoin::constants::genesis_block(bitcoin::Network::Bitcoin);
    let coinbase = serialize(&genesis.txdata[0]);
    let script_at = 42;
    let mut block = plain_case().block;
    block.coinb1 = coinbase[..script_at].to_vec();
    block.coinb2 = coinbase[script_at + 12..].to_vec();
    (block.others, block.prev_hash, block.version, block.ntime) =
        (vec![], [0; 32], 1, genesis.header.time);
    let mut job = block.job(1.0, genesis.header.bits.to_consensus(), 0);
    let extranonce = &coinbase[script_at..script_at + 12];
    job.extranonce1 = extranonce[..4].into();
    let share = check(&CheckInput {
        job: &job,
        extranonce1: &[Extranonce1::new(&extranonce[..4], &extranonce[4..7]).expect("short")],
        assigned: &assigned(1.0),
        ntime: block.ntime,
        version_mask: 0,
        submit: &submit(&extranonce[7..], block.ntime, genesis.header.nonce, Some(0)),
    })
    .expect("the genesis block is a share");
    assert_eq!(share.hash, genesis.block_hash());
    assert!(share.meets_upstream && share.meets_network);
    assert_eq!(share.extranonce2.as_bytes(), &extranonce[4..]);
}

#[test]
fn labels_are_distinct_and_codes_are_stratums() {
    let labels: std::collections::BTreeSet<_> =
        Reject::ALL.iter().map(|reject| reject.label()).collect();
    assert_eq!(labels.len(), Reject::ALL.len());
    assert!(
        Reject::ALL
            .iter()
            .all(|reject| (20..=25).contains(&reject.code()))
    );
}
