//! The split over the window.

use crate::settle::testing::*;
use crate::settle::*;
use crate::{EpochId, Split, Work};

const SHARE: u128 = 1 << 32;

fn world() -> World {
    World::new(0, Split::Tides)
}

#[track_caller]
fn slices(world: &World, n: u32, expected: &[(u64, u128)]) {
    let settled = world.settled(lightning(n));
    let got: Vec<_> = settled.parts[0]
        .slices
        .iter()
        .map(|slice| (slice.epoch.get(), slice.taken.hashes()))
        .collect();
    assert_eq!(got, expected);
}

#[test]
fn the_window_ends_at_the_named_epoch_and_cuts_the_oldest() {
    let mut world = world();
    world
        .epoch(&[10 * SHARE], 100)
        .epoch(&[2 * SHARE, 6 * SHARE], 110)
        .epoch(&[0, 4 * SHARE], 120)
        .epoch(&[SHARE], 130);
    world.apply(Event::Paid(payment(9, 1_000, note(hash(100), 100))));
    world.apply(Event::Paid(payment(8, 1_000, note(hash(110), 100))));
    world.earns(120, 8, Some(8));
    // 4 of the third epoch and half of the second's 8: a counts 1, b 3 + 4.
    world.pays(
        payment(1, 8_000, note(hash(120), 150)),
        &[
            "outside > carry a 1000",
            "carry a > quote a/2 1000",
            "order a/2",
            "pay a/2 1",
            "outside > carry b 7000",
            "carry b > quote b/3 7000",
            "order b/3",
            "pay b/3 7",
        ],
    );
    slices(&world, 1, &[(3, 4 * SHARE), (2, 4 * SHARE)]);
}

#[test]
fn a_leaver_is_paid_on_the_quote_of_the_newest_epoch_of_theirs() {
    let mut world = world();
    world.epoch(&[SHARE, SHARE], 100);
    world.apply(Event::Paid(payment(1, 2_000, note(hash(100), 130))));
    world.epoch(&[0, 2 * SHARE], 110);
    world.earns(110, 4, Some(4));
    world.pays(
        payment(2, 4_000, note(hash(110), 140)),
        &[
            "outside > carry a 1000",
            "carry a > quote a/1 1000",
            "pay a/1 1",
            "outside > carry b 3000",
            "carry b > quote b/2 3000",
            "order b/2",
            "pay b/2 3",
        ],
    );
}

#[test]
fn without_the_api_it_is_the_last_eight_epochs() {
    for shares in [None, Some(0)] {
        let mut world = world();
        for height in 100..110 {
            world.epoch(&[SHARE], height);
            let n = height;
            world.apply(Event::Paid(payment(n, 1_000, note(hash(height), height))));
        }
        world.epoch(&[0, SHARE], 110);
        world.earns(110, 8, shares);
        world.apply(Event::Paid(payment(1, 8_000, note(hash(110), 110))));
        let whole: Vec<_> = (4..=11).rev().map(|epoch| (epoch, SHARE)).collect();
        slices(&world, 1, &whole);
    }
}

#[test]
fn more_than_all_our_work_is_all_of_it() {
    let mut world = world();
    world.epoch(&[SHARE], 100).epoch(&[SHARE], 110);
    world.earns(110, 8, Some(u64::MAX));
    world.apply(Event::Paid(payment(1, 8_000, note(hash(110), 110))));
    assert_eq!(
        world
            .settled(lightning(1))
            .parts
            .last()
            .unwrap()
            .slices
            .len(),
        2
    );
}

#[test]
fn a_window_in_which_all_round_to_nothing_is_the_whole_epoch() {
    let mut world = world();
    world.epoch(&[1 << 40; 20], 100);
    world.earns(100, 20, Some(1));
    assert_eq!(world.account(1).work, Work::from_hashes(20 << 40));
    // Each has (2^40 x 2^32) / (20 x 2^40): more than nothing, and equal.
    let told = world.apply(Event::Paid(payment(1, 20_000, note(hash(100), 100))));
    assert_eq!(told.len(), 20 * 4);
}

#[test]
fn a_workless_named_epoch_ends_the_window_all_the_same() {
    let mut world = world();
    world.epoch(&[SHARE], 100).epoch(&[], 110);
    world.earns(110, 8, Some(1));
    world.apply(Event::Paid(payment(1, 8_000, note(hash(110), 110))));
    let parts = &world.settled(lightning(1)).parts;
    assert!(parts.iter().all(|part| part.pays_over == EpochId::FIRST));
}

#[test]
fn a_covered_epoch_is_before_a_newer_one_of_the_window() {
    let mut world = world();
    world.epoch(&[SHARE], 100);
    world.apply(Event::Paid(payment(1, 1_000, note(hash(100), 130))));
    world.epoch(&[SHARE], 110);
    world.apply(Event::Paid(payment(2, 1_000, note(hash(110), 140))));
    world.epoch(&[0, 2 * SHARE], 120);
    // Late news: the first epoch has 99 sats to come, so the next payout covers it too.
    world.earns(100, 100, None);
    world.earns(120, 100, Some(u64::MAX));
    assert!(!world.account(1).covered && world.account(2).covered);
    // a: 99 of the first epoch, and half of the third's window over all three.
    world.pays(
        payment(3, 199_000, note(hash(120), 150)),
        &[
            "outside > carry a 149000",
            "carry a > quote a/1 149000",
            "pay a/1 149",
            "outside > carry b 50000",
            "carry b > quote b/3 50000",
            "order b/3",
            "pay b/3 50",
        ],
    );
}
