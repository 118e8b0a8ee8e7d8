//! Hashing headers: the first 64 bytes once, then two compressions a nonce.

use sha2::compress256;
use sha2::digest::generic_array::GenericArray;

use crate::stratum::{Hash, Target};

/// SHA-256's initial state (FIPS 180-4, 5.3.3).
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

/// A header whose nonces are tried in turn.
#[derive(Clone, Debug)]
pub(crate) struct Grinder {
    midstate: [u32; 8],
    /// The second block: the header's last 16 bytes, padded.
    tail: [u8; 64],
    /// The second hash's only block: the first hash, padded.
    second: [u8; 64],
    target: Target,
}

impl Grinder {
    pub(crate) fn new(header: &[u8; 80], target: Target) -> Grinder {
        let mut midstate = INITIAL;
        compress256(&mut midstate, &[*GenericArray::from_slice(&header[..64])]);
        let mut tail = [0; 64];
        tail[..16].copy_from_slice(&header[64..]);
        Grinder {
            midstate,
            tail: padded(tail, 16, 80),
            second: padded([0; 64], 32, 32),
            target,
        }
    }

    /// Hashes `count` nonces from `first` on (wrapping) and tells of those that meet
    /// the target.
    pub(crate) fn run(&mut self, first: u32, count: u32, mut found: impl FnMut(u32, Hash)) {
        let mut done = 0;
        while let Some((offset, hash)) = self.find(first.wrapping_add(done), count - done) {
            found(first.wrapping_add(done + offset), hash);
            done += offset + 1;
        }
    }

    /// The first of `count` nonces from `first` on (wrapping) that meets the target: how
    /// many come before it, and its hash.
    pub(crate) fn find(&mut self, first: u32, count: u32) -> Option<(u32, Hash)> {
        let top = self.target.top();
        (0..count).find_map(|offset| {
            let state = self.hash(first.wrapping_add(offset));
            // The hash is a little-endian number: its last word, bytes reversed, is
            // the most significant.
            if state[7].swap_bytes() > top {
                return None;
            }
            let hash = bytes(&state);
            self.target.is_met_by(&hash).then_some((offset, hash))
        })
    }

    fn hash(&mut self, nonce: u32) -> [u32; 8] {
        self.tail[12..16].copy_from_slice(&nonce.to_le_bytes());
        let mut first = self.midstate;
        compress256(
            &mut first,
            std::slice::from_ref(GenericArray::from_slice(&self.tail)),
        );
        self.second[..32].copy_from_slice(&bytes(&first));
        let mut second = INITIAL;
        compress256(
            &mut second,
            std::slice::from_ref(GenericArray::from_slice(&self.second)),
        );
        second
    }
}

/// Puts SHA-256's padding behind the `filled` bytes of a last block.
fn padded(mut block: [u8; 64], filled: usize, message_bytes: u64) -> [u8; 64] {
    block[filled] = 0x80;
    block[56..].copy_from_slice(&(message_bytes * 8).to_be_bytes());
    block
}

fn bytes(state: &[u32; 8]) -> Hash {
    let mut bytes = [0; 32];
    for (chunk, word) in bytes.chunks_exact_mut(4).zip(state) {
        chunk.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stratum::sha256d;

    #[test]
    fn it_finds_what_plain_hashing_finds() {
        let mut header = [0; 80];
        for (index, byte) in header.iter_mut().enumerate() {
            *byte = u8::try_from(index * 3).unwrap();
        }
        let target = Target::of_difficulty(1.0 / 65_536.0 / 256.0).unwrap();
        let first = u32::MAX - 1_000;
        let mut found = Vec::new();
        Grinder::new(&header, target).run(first, 5_000, |nonce, hash| found.push((nonce, hash)));
        let expected: Vec<_> = (0..5_000)
            .map(|offset| first.wrapping_add(offset))
            .map(|nonce| {
                header[76..].copy_from_slice(&nonce.to_le_bytes());
                (nonce, sha256d(&[&header]))
            })
            .filter(|(_, hash)| target.is_met_by(hash))
            .collect();
        assert!(expected.len() > 5, "{}", expected.len());
        assert_eq!(found, expected);
    }
}
