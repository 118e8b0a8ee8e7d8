//! The allocator against a model that knows of every prefix on which jobs it was used.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::testing::cases;

#[track_caller]
fn split(extranonce2_size: usize, prefix_size: usize, miner_size: usize) {
    assert_eq!(
        Split::of(extranonce2_size),
        Ok(Split {
            prefix_size,
            miner_size
        })
    );
}

#[test]
fn what_the_upstream_grants_is_divided() {
    for (size, prefix, miner) in [
        (2, 1, 1),
        (3, 1, 2),
        (4, 1, 3),
        (5, 1, 4),
        (6, 2, 4),
        (7, 3, 4),
        (8, 3, 5),
        (11, 3, 8),
        (12, 4, 8),
        (16, 8, 8),
        (32, 24, 8),
    ] {
        split(size, prefix, miner);
    }
    for size in [0, 1] {
        assert_eq!(
            Split::of(size),
            Err(PrefixError::TooSmall {
                extranonce2_size: size
            })
        );
    }
    assert_eq!(
        Split::of(33),
        Err(PrefixError::TooLarge {
            extranonce2_size: 33
        })
    );
}

#[test]
fn a_miner_has_at_most_8_bytes_and_prefixes_differ_in_the_last_3() {
    for size in 2..=32 {
        let split = Split::of(size).expect("large enough");
        assert!(split.miner_size <= MAX_MINER_BYTES && split.miner_size > 0);
        assert_eq!(split.prefix_size + split.miner_size, size);
        let prefixes = Prefixes::new(size).expect("large enough");
        let [one, other] = [(); 2].map(|()| prefixes.take().expect("free"));
        assert_ne!(one.as_bytes(), other.as_bytes());
        for guard in [one, other] {
            let bytes = guard.as_bytes();
            assert_eq!(bytes.len(), split.prefix_size);
            let zeros = bytes.len().saturating_sub(3);
            assert!(bytes[..zeros].iter().all(|byte| *byte == 0));
        }
    }
}

#[test]
fn a_dropped_guard_rests_until_the_jobs_of_its_time_are_gone() {
    let prefixes = Prefixes::new(4).expect("large enough");
    prefixes.jobs(7, Some(6));
    let guards: Vec<PrefixGuard> = (0..256).map(|_| prefixes.take().expect("free")).collect();
    let distinct: BTreeSet<&[u8]> = guards.iter().map(PrefixGuard::as_bytes).collect();
    assert_eq!(
        (
            distinct.len(),
            distinct.iter().all(|bytes| bytes.len() == 1)
        ),
        (256, true)
    );
    let exhausted = PrefixError::Exhausted { capacity: 256 };
    assert_eq!(prefixes.take().err(), Some(exhausted));
    drop(guards);
    assert_eq!(prefixes.take().err(), Some(exhausted));
    prefixes.jobs(8, Some(7));
    assert_eq!(prefixes.take().err(), Some(exhausted));
    prefixes.jobs(8, Some(8));
    assert_eq!(prefixes.available(), 256);
    assert!(prefixes.take().is_ok());
}

#[test]
fn a_prefix_that_nothing_was_credited_with_does_not_rest() {
    let prefixes = Prefixes::new(4).expect("large enough");
    prefixes.jobs(7, Some(6));
    let mut guards: Vec<PrefixGuard> = (0..256).map(|_| prefixes.take().expect("free")).collect();
    let mut looked = guards.swap_remove(9);
    looked.unused();
    drop((looked, guards.swap_remove(100)));
    assert_eq!(prefixes.available(), 1);
    assert_eq!(prefixes.take().expect("free").as_bytes(), [9]);
}

#[test]
fn a_prefix_given_back_while_no_job_lives_is_free_at_once() {
    let mut pool = PrefixPool::new(4).expect("large enough");
    pool.jobs(1, Some(1));
    let all: Vec<u32> = (0..256).map(|_| pool.take().expect("free")).collect();
    pool.jobs(1, None);
    pool.release(all[9]);
    assert_eq!(pool.take(), Ok(all[9]));
}

#[test]
fn extranonces_are_read_and_put_together() {
    let extranonce1 = Extranonce1::new(&[1, 2, 3, 4], &[5, 6]).expect("short");
    assert_eq!(
        (extranonce1.as_bytes(), extranonce1.prefix()),
        (&[1, 2, 3, 4, 5, 6][..], &[5, 6][..])
    );
    // The longest that an upstream may have, and the longest prefix.
    assert!(Extranonce1::new(&[0; 16], &[0; 24]).is_some());
    assert_eq!(Extranonce1::new(&[0; 17], &[0; 24]), None);
    assert_eq!(Extranonce::new(&[0; 41]), None);
    assert!(Extranonce::new(&[]).is_some_and(|none| none.is_empty()));
    assert!(Extranonce::from_hex(&"00".repeat(33)).is_err());
    assert_eq!(
        Extranonce::from_hex("00Ff").map(|two| (two.len(), two.to_string())),
        Ok((2, "00ff".into()))
    );
}

#[derive(Clone, Debug)]
enum Step {
    Take,
    Release(prop::sample::Index),
    /// One that nothing was credited with.
    ReleaseUnused(prop::sample::Index),
    /// A new job.
    Job,
    /// The oldest living job dies.
    Die,
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn no_prefix_is_held_twice_or_met_again_by_a_job(
        size in 2usize..9,
        steps in prop::collection::vec(prop_oneof![
            8 => Just(Step::Take),
            5 => any::<prop::sample::Index>().prop_map(Step::Release),
            1 => any::<prop::sample::Index>().prop_map(Step::ReleaseUnused),
            1 => Just(Step::Job),
            1 => Just(Step::Die),
        ], 0..1500),
    ) {
        let mut pool = PrefixPool::new(size).expect("large enough");
        let capacity = pool.split().capacity();
        let mut held: Vec<u32> = Vec::new();
        // Released prefixes, and the living jobs on which each was used.
        let mut used: BTreeMap<u32, BTreeSet<u64>> = BTreeMap::new();
        let mut living: BTreeSet<u64> = BTreeSet::from([1]);
        let mut newest = 1;
        pool.jobs(newest, living.first().copied());
        for step in steps {
            match step {
                Step::Take => match pool.take() {
                    Ok(prefix) => {
                        prop_assert!(prefix < capacity);
                        prop_assert!(!held.contains(&prefix), "held twice");
                        let jobs = used.remove(&prefix).unwrap_or_default();
                        prop_assert!(jobs.is_disjoint(&living), "{prefix} was used on living {jobs:?}");
                        held.push(prefix);
                    }
                    Err(error) => {
                        prop_assert_eq!(error, PrefixError::Exhausted { capacity });
                        let resting = used.values().filter(|jobs| !jobs.is_disjoint(&living)).count();
                        prop_assert_eq!(held.len() + resting, usize::try_from(capacity).expect("small"));
                    }
                },
                Step::Release(which) if !held.is_empty() => {
                    let prefix = held.swap_remove(which.index(held.len()));
                    used.insert(prefix, living.clone());
                    pool.release(prefix);
                }
                Step::ReleaseUnused(which) if !held.is_empty() => {
                    pool.release_unused(held.swap_remove(which.index(held.len())));
                }
                Step::Release(_) | Step::ReleaseUnused(_) => {}
                Step::Job => {
                    newest += 1;
                    living.insert(newest);
                    pool.jobs(newest, living.first().copied());
                }
                Step::Die => {
                    living.pop_first();
                    pool.jobs(newest, living.first().copied());
                }
            }
        }
    }
}
