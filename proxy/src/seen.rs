//! Which block hashes were credited: each once.
#![cfg_attr(
    not(test),
    deny(
        clippy::float_arithmetic,
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing
    )
)]

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use accounting::CreditedHashes;

/// What became of a hash that asked to be credited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credit {
    /// The first time: credit it.
    First,
    /// It was credited before, on whatever connection.
    Duplicate,
    /// There is no room to remember it, so it is not credited: better one share lost
    /// than one paid twice.
    Full,
}

/// Enough for 28,000 shares a second over the 150 s that a job lives, in at most about
/// 160 MB; vardiff keeps ten thousand miners below a twentieth of it.
pub const DEFAULT_CAPACITY: usize = 1 << 22;

/// So many locks, so that the cores checking shares seldom meet at one.
const SHARDS: usize = 16;

/// The lower half of a hash: where it is random even for a block found. Two shares with
/// the same 128 bits do not happen, and would cost the second one's finder alone.
type Key = [u8; 16];

/// The hashes credited for one upstream job, or for all jobs that make the same
/// headers. Bounded; whoever comes first is credited. Keys go through a keyed hash
/// function: at low difficulties a stranger could choose colliding ones.
pub struct SeenHashes {
    /// What was credited before this process began, for whichever job.
    before: Option<Arc<CreditedHashes>>,
    shards: [Mutex<HashSet<Key>>; SHARDS],
    count: AtomicUsize,
    capacity: usize,
}

impl SeenHashes {
    /// Remembers up to [`DEFAULT_CAPACITY`] hashes; takes memory as they come.
    pub fn new() -> Self {
        Self::with_capacity_limit(DEFAULT_CAPACITY)
    }

    /// Remembers up to `capacity` hashes.
    pub fn with_capacity_limit(capacity: usize) -> Self {
        SeenHashes {
            before: None,
            shards: Default::default(),
            count: AtomicUsize::new(0),
            capacity,
        }
    }

    /// As [`Self::new`], and knows what was credited before this process began.
    pub fn after(before: Option<Arc<CreditedHashes>>) -> Self {
        SeenHashes {
            before,
            ..Self::new()
        }
    }

    /// Credits a hash (in the header's byte order) unless it was credited before.
    pub fn credit(&self, hash: &[u8; 32]) -> Credit {
        let known = |before: &Arc<CreditedHashes>| before.contains(hash);
        if self.before.as_ref().is_some_and(known) {
            return Credit::Duplicate;
        }
        let (key, mut shard) = self.shard(hash);
        if shard.contains(&key) {
            return Credit::Duplicate;
        }
        let room = |count: usize| count.checked_add(1).filter(|&after| after <= self.capacity);
        if self
            .count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .is_err()
        {
            return Credit::Full;
        }
        shard.insert(key);
        Credit::First
    }

    /// Takes a credit back: the share could not be stored, and may come again.
    pub fn forget(&self, hash: &[u8; 32]) {
        let (key, mut shard) = self.shard(hash);
        if shard.remove(&key) {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// How many hashes are remembered, those from before not counted.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// True while none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, hash: &[u8; 32]) -> (Key, MutexGuard<'_, HashSet<Key>>) {
        let (&key, _): (&Key, _) = hash.split_first_chunk().expect("16 of 32 bytes");
        let [first, ..] = key;
        let shard = self
            .shards
            .get(usize::from(first) % SHARDS)
            .expect("a remainder by their number");
        // A set is whole after every operation; a panic elsewhere does not spoil it.
        (key, shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for SeenHashes {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SeenHashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeenHashes")
            .field("len", &self.len())
            .field("capacity", &self.capacity)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn hash(number: u64) -> [u8; 32] {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        hash
    }

    #[test]
    fn a_hash_is_credited_once_until_forgotten() {
        let seen = SeenHashes::new();
        assert_eq!(seen.credit(&hash(1)), Credit::First);
        assert_eq!(seen.credit(&hash(1)), Credit::Duplicate);
        seen.forget(&hash(1));
        seen.forget(&hash(1));
        seen.forget(&hash(2));
        assert!(seen.is_empty());
        assert_eq!(seen.credit(&hash(1)), Credit::First);
    }

    #[test]
    fn what_was_credited_before_the_start_is_a_duplicate_and_stays_one() {
        let before: CreditedHashes = [hash(1)].into_iter().collect();
        let seen = SeenHashes::after(Some(Arc::new(before)));
        assert_eq!(seen.credit(&hash(1)), Credit::Duplicate);
        // What another process stored is not taken back by a share of this one.
        seen.forget(&hash(1));
        assert_eq!(seen.credit(&hash(1)), Credit::Duplicate);
        assert_eq!(seen.credit(&hash(2)), Credit::First);
        assert_eq!(seen.len(), 1);
    }

    #[test]
    fn a_full_set_credits_nothing_new_and_still_knows_the_old() {
        let seen = SeenHashes::with_capacity_limit(3);
        for number in 1..=3 {
            assert_eq!(seen.credit(&hash(number)), Credit::First);
        }
        assert_eq!(seen.credit(&hash(4)), Credit::Full);
        assert_eq!(seen.credit(&hash(2)), Credit::Duplicate);
        seen.forget(&hash(2));
        assert_eq!(seen.credit(&hash(4)), Credit::First);
        assert_eq!(seen.len(), 3);
    }

    #[test]
    fn of_many_threads_exactly_one_is_first() {
        let seen = Arc::new(SeenHashes::new());
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let seen = Arc::clone(&seen);
                std::thread::spawn(move || {
                    (0..2_000)
                        .filter(|&n| seen.credit(&hash(n)) == Credit::First)
                        .count()
                })
            })
            .collect();
        let firsts: usize = threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .sum();
        assert_eq!((firsts, seen.len()), (2_000, 2_000));
    }
}
