//! A simulated miner: its shares come by chance, at the rate that its hashrate makes of
//! the difficulty it has.
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

const PER_MINUTE: f64 = 8.0;
const MINUTE_MS: u64 = 60_000;
/// Difficulty 1 takes this many hashes, within 2^-16.
const HASHES: f64 = 4_294_967_296.0;

struct Miner {
    vardiff: Vardiff,
    bounds: Bounds,
    chance: StdRng,
    now_ms: u64,
    shares: u32,
    /// When the difficulty changed, and to what.
    changes: Vec<(u64, Difficulty)>,
}

fn difficulty(number: f64) -> Difficulty {
    Difficulty::new(number).expect("a difficulty")
}

impl Miner {
    fn new(start: f64, floor: f64, ceiling: f64, seed: u64) -> Self {
        Miner {
            vardiff: Vardiff::new(difficulty(start), PER_MINUTE, 0),
            bounds: Bounds {
                floor: difficulty(floor),
                ceiling: difficulty(ceiling),
            },
            chance: StdRng::seed_from_u64(seed),
            now_ms: 0,
            shares: 0,
            changes: Vec::new(),
        }
    }

    fn difficulty(&self) -> Difficulty {
        self.vardiff.difficulty(&self.bounds)
    }

    /// Mines for some minutes. Chance has no memory, so the wait for a share is drawn
    /// anew after every event.
    fn mine(&mut self, hashrate: f64, minutes: u64) {
        let end_ms = self.now_ms + minutes * MINUTE_MS;
        while self.now_ms < end_ms {
            let mean_ms = self.difficulty().get() * HASHES / hashrate * 1e3;
            let wait_ms = (-mean_ms * (1.0 - self.chance.random::<f64>()).ln()).min(1e15) as u64;
            let share_ms = self.now_ms.saturating_add(wait_ms);
            let tick_ms = self.vardiff.next_tick_ms();
            if share_ms.min(tick_ms) > end_ms {
                self.now_ms = end_ms;
                return;
            }
            self.now_ms = share_ms.min(tick_ms);
            if share_ms <= tick_ms {
                self.shares += 1;
                self.vardiff.on_share(self.difficulty(), self.now_ms);
            }
            if let Some(new) = self.vardiff.on_tick(&self.bounds, self.now_ms) {
                assert_eq!(new, self.difficulty());
                self.changes.push((self.now_ms, new));
            }
        }
    }

    /// The difficulty over the one that would give the wanted rate exactly.
    fn off_by(&self, hashrate: f64) -> f64 {
        self.difficulty().get() / (hashrate / HASHES * 60.0 / PER_MINUTE)
    }
}

/// What part of many miners is within a factor of 2.5 of what it should have.
#[track_caller]
fn most_are_on_target(what: &str, hashrate: f64, start: f64, before: &[(f64, u64)], minutes: u64) {
    let miners = u64::from(crate::testing::cases(200).cases);
    let on_target = (0..miners).filter(|&seed| {
        let mut miner = Miner::new(start, start * 1e-6, start * 1e6, seed);
        for &(hashrate, minutes) in before {
            miner.mine(hashrate, minutes);
        }
        miner.mine(hashrate, minutes);
        (0.4..=2.5).contains(&miner.off_by(hashrate))
    });
    let part = on_target.count() as f64 / miners as f64;
    assert!(
        part > 0.95,
        "{what}: {hashrate:e} H/s from {start}: {part} on target"
    );
}

/// 0.1 to 100 TH/s from difficulty 1000, and the same at a hundred-millionth.
fn for_all_sizes(mut run: impl FnMut(f64, f64)) {
    for scale in [1.0, 1e-8] {
        for hashrate in [1e11, 1.2e12, 1e13, 1e14] {
            run(hashrate * scale, 1000.0 * scale);
        }
    }
}

#[test]
fn on_target_within_five_minutes() {
    for_all_sizes(|hashrate, start| most_are_on_target("start", hashrate, start, &[], 5));
}

#[test]
fn a_tenth_of_the_hashrate_is_followed() {
    for_all_sizes(|hashrate, start| {
        most_are_on_target("drop", hashrate / 10.0, start, &[(hashrate, 30)], 10);
    });
}

#[test]
fn ten_times_the_hashrate_is_followed() {
    for_all_sizes(|hashrate, start| {
        most_are_on_target("grow", hashrate * 10.0, start, &[(hashrate, 30)], 5);
    });
}

#[test]
fn a_steady_miner_is_left_alone() {
    for_all_sizes(|hashrate, start| {
        let mut hours = 0.0;
        let mut changes = 0;
        for seed in 0..u64::from(crate::testing::cases(20).cases) {
            let mut miner = Miner::new(start, start * 1e-6, start * 1e6, seed);
            miner.mine(hashrate, 30);
            let (settled, shares) = (miner.changes.len(), miner.shares);
            miner.mine(hashrate, 600);
            hours += 10.0;
            changes += miner.changes.len() - settled;
            let per_minute = f64::from(miner.shares - shares) / 600.0;
            assert!(
                (6.0..=10.5).contains(&per_minute),
                "seed {seed}: {per_minute} shares a minute"
            );
        }
        let per_hour = changes as f64 / hours;
        assert!(
            per_hour < 0.8,
            "{hashrate:e} H/s: {per_hour} changes an hour"
        );
    });
}

#[test]
fn silence_alone_lowers_it_to_the_floor() {
    let mut miner = Miner::new(1e6, 256.0, 1e9, 1);
    miner.mine(1.0, 30);
    assert_eq!(miner.difficulty(), difficulty(256.0));
    assert_eq!(miner.shares, 0);
    let steps: Vec<f64> = miner.changes.iter().map(|(_, to)| to.get()).collect();
    assert!(steps.is_sorted_by(|a, b| a > b), "{steps:?}");
}

#[test]
fn the_ceiling_is_hard_and_stronger_than_the_floor() {
    let mut miner = Miner::new(1000.0, 256.0, 0.002, 1);
    assert_eq!(miner.difficulty(), difficulty(0.002));
    miner.mine(1e6, 10);
    assert_eq!(
        (miner.difficulty(), miner.changes.len()),
        (difficulty(0.002), 0)
    );
    miner.vardiff.suggest(difficulty(65_535.0), miner.now_ms);
    assert_eq!(miner.difficulty(), difficulty(0.002));
    // The upstream asks for more: now the miner is given what it is worth.
    miner.bounds = Bounds {
        floor: difficulty(1e-9),
        ceiling: difficulty(1e9),
    };
    miner.vardiff.suggest(difficulty(0.001), miner.now_ms);
    miner.mine(1e6, 10);
    assert!(
        (0.4..2.5).contains(&miner.off_by(1e6)),
        "{}",
        miner.off_by(1e6)
    );
}

#[test]
fn changes_keep_their_distance_and_a_clock_that_goes_back_does_no_harm() {
    let mut miner = Miner::new(100.0, 1e-3, 1e12, 7);
    miner.mine(1e14, 20);
    let apart = miner
        .changes
        .windows(2)
        .all(|pair| pair[1].0 - pair[0].0 >= MIN_BETWEEN_CHANGES_MS);
    assert!(apart && !miner.changes.is_empty(), "{:?}", miner.changes);
    let before = miner.difficulty();
    miner.vardiff.on_share(before, 5);
    assert_eq!(miner.vardiff.on_tick(&miner.bounds, 0), None);
}

#[test]
fn it_is_small() {
    assert!(size_of::<Vardiff>() <= 96, "{}", size_of::<Vardiff>());
}

#[track_caller]
fn rounds(exact: f64, expected: &str) {
    assert_eq!(round(difficulty(exact)).to_string(), expected);
}

#[test]
fn assigned_difficulties_have_three_digits() {
    rounds(1234.6, "1230");
    rounds(99.96, "100");
    rounds(0.000_012_345, "0.0000123");
    rounds(3.0, "3");
    rounds(
        f64::MIN_POSITIVE,
        &difficulty(f64::MIN_POSITIVE).to_string(),
    );
}
