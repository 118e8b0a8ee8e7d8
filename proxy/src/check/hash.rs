//! Coinbase, merkle root and header, with SHA-256's compression function directly:
//! their sizes are known, so padding is a constant and nothing is buffered.

use sha2::digest::generic_array::GenericArray;
use sha2::digest::generic_array::typenum::U64;
use sha2::{Digest, Sha256, compress256};

use crate::job::UpstreamJob;

type Block = GenericArray<u8, U64>;

/// SHA-256's state before the first block (FIPS 180-4, 5.3.3).
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// The end mark behind a message.
const MARK: u8 = 0x80;

/// The block after a message of 64 bytes: the mark and the length, 512 bits.
const PADDING_64: [u8; 64] = {
    let mut block = [0; 64];
    block[0] = MARK;
    block[62] = 2;
    block
};

/// The block of a message of 32 bytes, which go before the mark; the length is 256 bits.
const PADDING_32: [u8; 64] = {
    let mut block = [0; 64];
    block[32] = MARK;
    block[62] = 1;
    block
};

/// The txid of the coinbase.
pub(super) fn coinbase_txid(job: &UpstreamJob, extranonce1: &[u8], extranonce2: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in [&job.coinb1, extranonce1, extranonce2, &job.coinb2] {
        hasher.update(part);
    }
    hash_32(&hasher.finalize().into())
}

/// The root of the tree whose first leaf is `txid`.
pub(super) fn merkle_root(txid: [u8; 32], branches: &[[u8; 32]]) -> [u8; 32] {
    branches.iter().fold(txid, |left, right| {
        let mut block = Block::default();
        let (head, tail) = block.split_at_mut(32);
        head.copy_from_slice(&left);
        tail.copy_from_slice(right);
        let mut state = INITIAL;
        compress256(&mut state, &[block, PADDING_64.into()]);
        hash_32(&bytes(state))
    })
}

/// A header whose version is still open.
pub(super) struct Header {
    blocks: [Block; 2],
}

impl Header {
    pub(super) fn new(job: &UpstreamJob, merkle_root: &[u8; 32], ntime: u32, nonce: u32) -> Self {
        let mut message = [0u8; 128];
        let fields: [(usize, &[u8]); 6] = [
            (4, &job.prev_hash),
            (36, merkle_root),
            (68, &ntime.to_le_bytes()),
            (72, &job.nbits.to_le_bytes()),
            (76, &nonce.to_le_bytes()),
            // The mark, zeros, and the length: 80 bytes are 640 bits, 0x280.
            (80, &[MARK]),
        ];
        for (at, field) in fields {
            message
                .iter_mut()
                .skip(at)
                .zip(field)
                .for_each(|(to, from)| *to = *from);
        }
        let [.., high, low] = &mut message;
        (*high, *low) = (0x02, 0x80);
        let (first, second) = message.split_at(64);
        Header {
            blocks: [*Block::from_slice(first), *Block::from_slice(second)],
        }
    }

    /// The block hash with this version, in the header's byte order.
    pub(super) fn hash(&mut self, version: u32) -> [u8; 32] {
        let [first, _] = &mut self.blocks;
        first
            .iter_mut()
            .zip(version.to_le_bytes())
            .for_each(|(to, from)| *to = from);
        let mut state = INITIAL;
        compress256(&mut state, &self.blocks);
        hash_32(&bytes(state))
    }
}

/// SHA-256 of 32 bytes: the second of each double hash.
fn hash_32(message: &[u8; 32]) -> [u8; 32] {
    let mut block = PADDING_32;
    block
        .iter_mut()
        .zip(message)
        .for_each(|(to, from)| *to = *from);
    let mut state = INITIAL;
    compress256(&mut state, &[block.into()]);
    bytes(state)
}

fn bytes(state: [u32; 8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (to, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *to = word.to_be_bytes();
    }
    bytes
}
