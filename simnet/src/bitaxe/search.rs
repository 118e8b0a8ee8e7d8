//! The way through a job's search space: nonces, then versions, then extranonce2s.

use std::sync::Arc;

use crate::grind::Grinder;
use crate::stratum::{Hash, Notify, Target};

/// Nonces tried before the version rolls on, and versions before extranonce2 does. Few,
/// so that a slow search goes through all three.
const NONCES_PER_VERSION: u32 = 1 << 12;
const VERSIONS_PER_EXTRANONCE2: u32 = 8;

/// What one session's job is worked on with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Terms {
    pub(crate) extranonce1: Vec<u8>,
    pub(crate) extranonce2_size: usize,
    pub(crate) mask: u32,
    /// As the device was told; what it submits may meet another by misbehaviour.
    pub(crate) difficulty: f64,
    pub(crate) target: Target,
    pub(crate) first_nonce: u32,
}

/// A hash that meets the target.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) notify: Arc<Notify>,
    pub(crate) extranonce2: Vec<u8>,
    pub(crate) version: u32,
    pub(crate) nonce: u32,
    pub(crate) hash: Hash,
    pub(crate) difficulty: f64,
}

/// A place in a job's search space.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    notify: Arc<Notify>,
    terms: Terms,
    extranonce2: u64,
    merkle_root: Hash,
    version: u32,
    versions_done: u32,
    nonces_done: u32,
    grinder: Grinder,
}

impl Search {
    /// Begins with extranonce2 0, whatever was searched before.
    pub(crate) fn new(notify: Arc<Notify>, terms: Terms) -> Search {
        let header = [0; 80];
        let version = notify.version;
        let grinder = Grinder::new(&header, terms.target);
        let mut search = Search {
            notify,
            terms,
            extranonce2: 0,
            merkle_root: [0; 32],
            version,
            versions_done: 0,
            nonces_done: 0,
            grinder,
        };
        search.enter_extranonce2();
        search
    }

    /// Goes on with another extranonce1, at once, as ESP-Miner does.
    pub(crate) fn set_extranonce(&mut self, extranonce1: Vec<u8>, extranonce2_size: usize) {
        self.terms.extranonce1 = extranonce1;
        self.terms.extranonce2_size = extranonce2_size;
        self.enter_extranonce2();
    }

    /// Tries so many hashes.
    pub(crate) fn run(&mut self, hashes: u32, found: &mut Vec<Found>) {
        let mut left = hashes;
        while left > 0 {
            if self.nonces_done == NONCES_PER_VERSION {
                self.next_version();
            }
            let count = left.min(NONCES_PER_VERSION - self.nonces_done);
            let first = self.terms.first_nonce.wrapping_add(self.nonces_done);
            let extranonce2 = self.extranonce2_bytes();
            let (notify, version) = (&self.notify, self.version);
            let difficulty = self.terms.difficulty;
            self.grinder.run(first, count, |nonce, hash| {
                let notify = Arc::clone(notify);
                let extranonce2 = extranonce2.clone();
                found.push(Found {
                    notify,
                    extranonce2,
                    version,
                    nonce,
                    hash,
                    difficulty,
                });
            });
            self.nonces_done += count;
            left -= count;
        }
    }

    fn next_version(&mut self) {
        self.versions_done += 1;
        if self.terms.mask == 0 || self.versions_done == VERSIONS_PER_EXTRANONCE2 {
            self.extranonce2 = self.extranonce2.wrapping_add(1);
            self.enter_extranonce2();
        } else {
            self.version = roll(self.version, self.terms.mask);
            self.enter_version();
        }
    }

    fn enter_extranonce2(&mut self) {
        let extranonce2 = self.extranonce2_bytes();
        self.merkle_root = self
            .notify
            .merkle_root(&self.terms.extranonce1, &extranonce2);
        self.version = self.notify.version;
        self.versions_done = 0;
        self.enter_version();
    }

    fn enter_version(&mut self) {
        let notify = &self.notify;
        let header = notify.header(&self.merkle_root, self.version, notify.ntime, 0);
        self.grinder = Grinder::new(&header, self.terms.target);
        self.nonces_done = 0;
    }

    /// Little-endian, cut or filled up to the size.
    fn extranonce2_bytes(&self) -> Vec<u8> {
        let mut bytes = self.extranonce2.to_le_bytes().to_vec();
        bytes.resize(self.terms.extranonce2_size, 0);
        bytes
    }
}

/// The next version: counts in the mask's bits and leaves the others alone.
fn roll(version: u32, mask: u32) -> u32 {
    let counted = (version | !mask).wrapping_add(1) & mask;
    (version & !mask) | counted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stratum::sha256d;

    fn notify() -> Arc<Notify> {
        Arc::new(Notify {
            job_id: "1".to_owned(),
            prev_hash: [7; 32],
            coinb1: vec![1, 2, 3],
            coinb2: vec![4, 5],
            branches: vec![[9; 32]],
            version: 0x2000_4000,
            nbits: 0x1d00_ffff,
            ntime: 1_700_000_000,
            clean_jobs: true,
        })
    }

    fn terms(mask: u32, extranonce2_size: usize) -> Terms {
        Terms {
            extranonce1: vec![0xaa, 0xbb],
            extranonce2_size,
            mask,
            difficulty: 1e-7,
            target: Target::of_difficulty(1e-7).unwrap(),
            first_nonce: u32::MAX - 5,
        }
    }

    #[track_caller]
    fn case(mask: u32, extranonce2_size: usize, expected_extranonce2: &[&[u8]]) {
        let notify = notify();
        let mut search = Search::new(Arc::clone(&notify), terms(mask, extranonce2_size));
        let mut found = Vec::new();
        for _ in 0..40 {
            search.run(9_999, &mut found);
        }
        assert!(found.len() > 20);
        for share in &found {
            let root = notify.merkle_root(&[0xaa, 0xbb], &share.extranonce2);
            let header = notify.header(&root, share.version, notify.ntime, share.nonce);
            assert_eq!(sha256d(&[&header]), share.hash);
            assert_eq!((share.version ^ notify.version) & !mask, 0);
        }
        let mut extranonce2s: Vec<_> = found.iter().map(|share| &share.extranonce2[..]).collect();
        extranonce2s.dedup();
        assert_eq!(
            extranonce2s[..expected_extranonce2.len()],
            *expected_extranonce2
        );
        let mut hashes: Vec<_> = found.iter().map(|share| share.hash).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), found.len());
    }

    #[test]
    fn the_space_is_gone_through_without_repetition() {
        case(0, 4, &[&[0, 0, 0, 0], &[1, 0, 0, 0], &[2, 0, 0, 0]]);
        case(0x1fff_e000, 2, &[&[0, 0], &[1, 0], &[2, 0]]);
        case(
            0x1fff_e000,
            10,
            &[&[0; 10], &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
        );
    }

    #[test]
    fn versions_count_in_the_mask() {
        assert_eq!(roll(0x2000_0000, 0x1fff_e000), 0x2000_2000);
        assert_eq!(roll(0x2000_6001, 0x1fff_e000), 0x2000_8001);
        assert_eq!(roll(0x3fff_e000, 0x1fff_e000), 0x2000_0000);
        assert_eq!(roll(0b0001, 0b1001), 0b1000);
    }
}
