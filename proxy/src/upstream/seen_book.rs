//! Which hashes were credited, by what they commit to: two jobs that differ in nothing
//! but what the miner or a candidate of the share check can choose can give the same
//! hash, also over reconnects. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use accounting::CreditedHashes;
use sha2::{Digest, Sha256};

use super::client::NewJob;
use crate::seen::SeenHashes;

/// How long a fingerprint without a living job is remembered. After a reconnect a pool
/// gives the same work again within seconds; a new block or a new template ends it.
const KEEP_MS: u64 = CreditedHashes::KEPT_MS;

/// So many fingerprints are kept without a living job; the longest unused goes first.
/// Jobs come every half minute or so, which makes 30 in [`KEEP_MS`], for each lane.
const MAX_IDLE: usize = 256;

/// The credited hashes by fingerprint, over all lanes and reconnects.
#[derive(Debug, Default)]
pub(super) struct SeenBook {
    entries: HashMap<[u8; 32], Entry>,
    /// What was credited before this process began: which jobs it was for is not known,
    /// so each job's set has it.
    before: Option<Arc<CreditedHashes>>,
    /// When that is given to new jobs no more, milliseconds of the monotonic clock.
    before_until_ms: u64,
}

#[derive(Debug)]
struct Entry {
    seen: Arc<SeenHashes>,
    used_ms: u64,
}

impl SeenBook {
    /// Begins with what was credited before this process did.
    pub(super) fn after(before: CreditedHashes, now_ms: u64) -> Self {
        SeenBook {
            before: (!before.is_empty()).then(|| Arc::new(before)),
            before_until_ms: now_ms.saturating_add(KEEP_MS),
            ..Self::default()
        }
    }

    /// The hashes credited so far for whatever commits to the same as `job`.
    pub(super) fn of(&mut self, job: &NewJob, now_ms: u64) -> Arc<SeenHashes> {
        self.forget_idle(now_ms);
        self.before.take_if(|_| now_ms > self.before_until_ms);
        let before = &self.before;
        let entry = self
            .entries
            .entry(fingerprint(job))
            .or_insert_with(|| Entry {
                seen: Arc::new(SeenHashes::after(before.clone())),
                used_ms: now_ms,
            });
        entry.used_ms = now_ms;
        Arc::clone(&entry.seen)
    }

    /// Forgets what has been idle for long, and the longest idle when there are too many.
    /// What a job still holds stays.
    fn forget_idle(&mut self, now_ms: u64) {
        for entry in self.entries.values_mut() {
            if Arc::strong_count(&entry.seen) > 1 {
                entry.used_ms = now_ms;
            }
        }
        self.entries
            .retain(|_, entry| now_ms.saturating_sub(entry.used_ms) <= KEEP_MS);
        let idle = |entry: &Entry| Arc::strong_count(&entry.seen) == 1;
        if self.entries.values().filter(|entry| idle(entry)).count() <= MAX_IDLE {
            return;
        }
        let oldest = self
            .entries
            .iter()
            .filter(|(_, entry)| idle(entry))
            .min_by_key(|(_, entry)| entry.used_ms)
            .map(|(fingerprint, _)| *fingerprint);
        if let Some(fingerprint) = oldest {
            self.entries.remove(&fingerprint);
        }
    }
}

/// All that a hash commits to whatever is chosen. Chosen are the nonce and the time,
/// the version, of which two readings are tried inside the mask, and the extranonces,
/// of which shortly after a change the old and the new are tried for either job: with
/// one set for each, a header of both jobs would be credited twice. Each part goes in
/// with its length, so that no two jobs' parts run together to the same bytes.
fn fingerprint(job: &NewJob) -> [u8; 32] {
    let mut hash = Sha256::new();
    let notify = &job.notify;
    hash.update(notify.nbits.to_le_bytes());
    for part in [&notify.prev_hash[..], &notify.coinb1, &notify.coinb2] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    for branch in &notify.merkle_branch {
        hash.update(branch);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seen::Credit;
    use crate::upstream::tests::fixtures::new_job;

    #[track_caller]
    fn same(expected: bool, change: impl FnOnce(&mut NewJob)) {
        let mut other = new_job("other");
        change(&mut other);
        assert_eq!(
            fingerprint(&other) == fingerprint(&new_job("one")),
            expected
        );
    }

    #[test]
    fn what_is_chosen_and_what_is_not_hashed_may_differ() {
        same(true, |_| ());
        same(true, |job| job.notify.ntime += 30);
        same(true, |job| job.notify.clean_jobs = true);
        same(true, |job| job.version_mask = 0);
        same(true, |job| job.notify.version ^= 0x2000);
        same(true, |job| job.extranonce1 = [1].into());
        same(true, |job| job.extranonce2_size -= 1);
        same(false, |job| job.notify.nbits += 1);
        same(false, |job| job.notify.prev_hash[31] = 0);
        same(false, |job| job.notify.merkle_branch = [[5; 32]].into());
        same(false, |job| job.notify.merkle_branch[1] = [0; 32]);
        same(false, |job| {
            job.notify.coinb1 = [1].into();
            job.notify.coinb2 = [2, 3, 4].into();
        });
    }

    fn numbered(number: u32) -> NewJob {
        let mut job = new_job("numbered");
        job.notify.nbits = number;
        job
    }

    /// The same header must not be credited again after a restart, whatever its job is
    /// called now; and what was before does not take memory for ever.
    #[test]
    fn what_was_credited_before_the_start_is_known_to_every_job_for_a_while() {
        let hash = [9; 32];
        let mut book = SeenBook::after([hash].into_iter().collect(), 1_000);
        for number in 0..3 {
            let seen = book.of(&numbered(number), 1_000 + KEEP_MS);
            assert_eq!(seen.credit(&hash), Credit::Duplicate);
        }
        let seen = book.of(&numbered(3), 1_001 + KEEP_MS);
        assert_eq!(seen.credit(&hash), Credit::First);
        assert!(book.before.is_none());
    }

    #[test]
    fn what_lives_is_kept_and_the_rest_is_bounded() {
        let mut book = SeenBook::default();
        let living = book.of(&numbered(0), 0);
        for number in 1..=u32::try_from(MAX_IDLE).expect("small") + 50 {
            book.of(&numbered(number), u64::from(number));
        }
        assert!(book.entries.len() <= MAX_IDLE + 3);
        assert!(Arc::ptr_eq(&living, &book.of(&numbered(0), KEEP_MS * 3)));
        drop(living);
        book.of(&numbered(0), KEEP_MS * 3);
        book.of(&numbered(1), KEEP_MS * 5);
        assert_eq!(book.entries.len(), 1);
    }
}
