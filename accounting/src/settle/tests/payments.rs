//! Which epochs a payment goes to.

use crate::settle::testing::*;
use crate::settle::*;
use crate::{EpochId, Msat, Split};

fn world() -> World {
    World::new(0, Split::Epoch)
}

#[track_caller]
fn found(world: &World, n: u32, expected: Found) {
    assert_eq!(world.settled(lightning(n)).found, expected);
}

fn by(epoch: u64, by: NamedBy) -> Found {
    Found::Named {
        epoch: EpochId::new(epoch),
        by,
    }
}

// `World::apply` sends every event of every test three times.
#[test]
fn a_payout_is_split_by_work_once() {
    let mut world = World::new(100, Split::Epoch);
    world.epoch(&[3, 1], 100);
    world.pays(
        payment(1, 10_007, note(hash(100), 100)),
        &[
            "outside > operator 100",
            "outside > carry a 7430",
            "carry a > quote a/1 7000",
            "order a/1",
            "pay a/1 7",
            "outside > carry b 2477",
            "carry b > quote b/1 2000",
            "order b/1",
            "pay b/1 2",
        ],
    );
    assert_eq!(
        world.books.sums(),
        Totals {
            received: 10_007,
            fee: 100,
            paid: 9_000,
            carry: 907,
            ..Totals::default()
        }
    );
    // The carry joins the next payout; the quote that exists is not ordered again.
    world.pays(
        payment(2, 1_000, note(hash(100), 100)),
        &[
            "outside > operator 10",
            "outside > carry a 743",
            "carry a > quote a/1 1000",
            "pay a/1 1",
            "outside > carry b 247",
        ],
    );
}

#[test]
fn the_note_is_read_in_all_its_forms() {
    let tip = hash(9_999);
    for (n, (note, expected)) in [
        (note(hash(100), 100), by(1, NamedBy::Hash)),
        (note(hash(100), 777), by(1, NamedBy::Hash)),
        (note(tip, 130), by(1, NamedBy::PayoutHeight)),
        (note(tip, 100), by(1, NamedBy::FoundHeight)),
        // 130 is both the payout height of the first and where the second was found.
        (note(tip, 160), by(2, NamedBy::PayoutHeight)),
        (note(hash(130), 160), by(2, NamedBy::Hash)),
    ]
    .into_iter()
    .enumerate()
    {
        let mut world = world();
        world.epoch(&[1], 100).epoch(&[1], 130);
        let n = u32::try_from(n).unwrap();
        world.apply(Event::Paid(payment(n, 1_000, note)));
        found(&world, n, expected);
    }
}

#[test]
fn payments_may_come_in_any_order() {
    let mut world = world();
    world.epoch(&[1], 100).epoch(&[0, 1], 110);
    world.earns(100, 10, None);
    world.earns(110, 10, None);
    // The later block's comes first: what is missing for the first is taken from it...
    world.pays(
        payment(2, 10_000, note(hash(110), 110)),
        &[
            "outside > carry a 5000",
            "carry a > quote a/1 5000",
            "order a/1",
            "pay a/1 5",
            "outside > carry b 5000",
            "carry b > quote b/2 5000",
            "order b/2",
            "pay b/2 5",
        ],
    );
    assert!(world.account(1).covered && world.account(2).covered);
    // ...and what comes for the first goes where its note says.
    world.pays(
        payment(1, 10_000, note(hash(100), 100)),
        &[
            "outside > carry a 10000",
            "carry a > quote a/1 10000",
            "pay a/1 10",
        ],
    );
}

#[test]
fn two_blocks_before_a_payout_are_paid_each_by_its_own() {
    let mut world = world();
    world.epoch(&[1], 100).epoch(&[0, 1], 105);
    world.earns(100, 4, None);
    world.earns(105, 6, None);
    world.pays(
        payment(1, 4_000, note(hash(100), 130)),
        &[
            "outside > carry a 4000",
            "carry a > quote a/1 4000",
            "order a/1",
            "pay a/1 4",
        ],
    );
    world.pays(
        payment(2, 6_000, note(hash(105), 135)),
        &[
            "outside > carry b 6000",
            "carry b > quote b/2 6000",
            "order b/2",
            "pay b/2 6",
        ],
    );
}

#[test]
fn a_missed_payout_is_in_the_next_one() {
    let mut world = world();
    world
        .epoch(&[1], 100)
        .epoch(&[0, 1], 105)
        .epoch(&[1, 1], 110);
    world.earns(100, 2, None);
    world.earns(105, 6, None);
    world.earns(110, 4, None);
    world.pays(
        payment(1, 12_000, note(hash(110), 140)),
        &[
            // 2 of the first epoch, 2 of the third, all to the newest one with work.
            "outside > carry a 4000",
            "carry a > quote a/3 4000",
            "order a/3",
            "pay a/3 4",
            "outside > carry b 8000",
            "carry b > quote b/3 8000",
            "order b/3",
            "pay b/3 8",
        ],
    );
    assert!((1..=3).all(|epoch| world.account(epoch).covered));
}

#[test]
fn dust_with_a_forged_note_takes_nobodys_place() {
    let mut world = world();
    world.epoch(&[1], 100).epoch(&[0, 1], 105);
    world.earns(100, 10, None);
    world.earns(105, 10, None);
    world.pays(
        payment(1, 1_000, note(hash(105), 105)),
        &[
            "outside > carry b 1000",
            "carry b > quote b/2 1000",
            "order b/2",
            "pay b/2 1",
        ],
    );
    assert!(!world.account(1).covered && !world.account(2).covered);
    // The real one has the missed first epoch's too: 10 for a, the 9 still missing for b.
    world.pays(
        payment(2, 19_000, note(hash(105), 105)),
        &[
            "outside > carry a 10000",
            "carry a > quote a/1 10000",
            "order a/1",
            "pay a/1 10",
            "outside > carry b 9000",
            "carry b > quote b/2 9000",
            "pay b/2 9",
        ],
    );
    assert!(world.account(1).covered && world.account(2).covered);
}

#[test]
fn half_of_the_expectation_covers_and_a_msat_less_is_a_gift() {
    for (amount, covered) in [(4_999, false), (5_000, true)] {
        let mut world = world();
        world.epoch(&[1], 100);
        world.earns(100, 10, None);
        world.apply(Event::Paid(payment(1, amount, note(hash(100), 100))));
        assert_eq!(world.account(1).covered, covered);
        assert_eq!(world.account(1).received, Msat::new(amount));
    }
}

#[test]
fn a_garbled_note_means_what_is_deep_enough() {
    let garbled = || Some("OCEAN lightning payout running at blo\u{fffd}".to_owned());
    let mut shallow = world();
    shallow.epoch(&[1], 100);
    shallow.pays(
        at_tip(payment(1, 1_000, garbled()), 124),
        &["outside > suspense 1000", "! suspended: no epoch"],
    );
    let mut deep = world();
    deep.epoch(&[1], 100).epoch(&[0, 1], 101);
    deep.pays(
        at_tip(payment(1, 1_000, garbled()), 125),
        &[
            "outside > carry a 1000",
            "carry a > quote a/1 1000",
            "order a/1",
            "pay a/1 1",
        ],
    );
    found(&deep, 1, Found::Deep);
    // No chain to say how deep: not guessed.
    deep.pays(
        payment(2, 1_000, garbled()),
        &["outside > suspense 1000", "! suspended: no epoch"],
    );
}

#[test]
fn a_payment_before_its_block_waits_for_it() {
    for note in [
        note(hash(100), 100),
        note(hash(100), 130),
        note(hash(555), 130),
        note(hash(555), 100),
    ] {
        let mut world = world();
        world.mine(&[1]);
        world.pays(
            payment(1, 2_500, note),
            &["outside > suspense 2500", "! suspended: no epoch"],
        );
        assert_eq!(
            world.block(100),
            [
                "suspense > carry a 2500",
                "carry a > quote a/1 2000",
                "order a/1",
                "pay a/1 2",
            ]
        );
    }
    // Without a note it waits for the operator.
    let mut world = world();
    world.mine(&[1]);
    world.pays(
        payment(1, 2_500, None),
        &["outside > suspense 2500", "! suspended: no epoch"],
    );
    assert_eq!(world.block(100), [""; 0]);
}

#[test]
fn a_note_that_is_told_later_counts() {
    let mut world = world();
    world.epoch(&[1], 100);
    world.pays(
        payment(1, 1_000, None),
        &["outside > suspense 1000", "! suspended: no epoch"],
    );
    world.pays(
        payment(1, 1_000, note(hash(100), 100)),
        &[
            "suspense > carry a 1000",
            "carry a > quote a/1 1000",
            "order a/1",
            "pay a/1 1",
        ],
    );
}

#[test]
fn two_payments_that_wait_for_one_block_share_a_carry() {
    let mut world = world();
    world.mine(&[1]);
    for n in [1, 2] {
        world.apply(Event::Paid(payment(n, 1_600, note(hash(100), 100))));
    }
    assert_eq!(
        world.block(100),
        [
            "suspense > carry a 1600",
            "carry a > quote a/1 1000",
            "order a/1",
            "pay a/1 1",
            "suspense > carry a 1600",
            "carry a > quote a/1 2000",
            "pay a/1 2",
        ]
    );
}

#[test]
fn amounts_at_the_edges() {
    let mut world = world();
    world.epoch(&[1, 1], 100);
    // The smallest that OCEAN was seen to pay waits for the next.
    world.pays(
        payment(1, 995, note(hash(100), 100)),
        &["outside > gathering 995"],
    );
    let implausible = |amount: u64| {
        [
            format!("outside > suspense {amount}"),
            "! suspended: implausible".into(),
        ]
    };
    let supply = Policy::SUPPLY.to_msat().unwrap().get();
    for (n, amount) in [
        (2, 10_000_000_000_001),
        (3, supply + 1),
        (4, u64::MAX),
        (5, u64::MAX),
    ] {
        let paid = world.apply(Event::Paid(payment(n, amount, note(hash(100), 100))));
        assert_eq!(paid, implausible(amount));
    }
    world.pays(
        payment(6, 0, note(hash(100), 100)),
        &["! suspended: implausible"],
    );
}

#[test]
fn another_amount_for_the_same_payment_changes_nothing() {
    let mut world = world();
    world.epoch(&[1], 100);
    world.apply(Event::Paid(payment(1, 1_000, note(hash(100), 100))));
    world.pays(
        payment(1, 1_001, note(hash(100), 100)),
        &["! amount changed: 1001"],
    );
    assert_eq!(world.books.sums().received, 1_000);
}

#[test]
fn on_chain_only_for_a_week() {
    let mut world = world();
    for height in 100..112 {
        world.epoch(&[1, u128::from(height % 2)], height * 10);
    }
    for height in 100..112 {
        world.earns(height * 10, 100, None);
    }
    let mut early = on_chain(1, 1_000_000, true, 1_140);
    if let Via::OnChain { confirmations, .. } = &mut early.via {
        *confirmations = 5;
    }
    assert!(
        world
            .fails(Event::Paid(early))
            .ends_with("has 5 of 6 confirmations")
    );
    // It appeared at 1140: the eleven blocks up to 1100 are meant, that at 1110 not yet
    // (a 30-block delay). 1,000 sat / 11 epochs; b has half of every other one.
    world.pays(
        on_chain(1, 1_000_000, true, 1_130),
        &[
            "outside > carry a 772730",
            "carry a > quote a/11 772000",
            "order a/11",
            "pay a/11 772",
            "outside > carry b 227270",
            "carry b > quote b/10 227000",
            "order b/10",
            "pay b/10 227",
        ],
    );
    assert!((1..=11).all(|epoch| world.account(epoch).covered));
    assert!(!world.account(12).covered);
}

#[test]
fn a_coinbase_needs_a_hundred() {
    let mut world = world();
    world.epoch(&[1], 100);
    let coinbase = |confirmed| Payment {
        via: Via::OnChain {
            output: output(1),
            coinbase: true,
            from_ocean: true,
            appeared_height: 130,
            confirmations: confirmed,
        },
        ..on_chain(1, 5_000, true, 130)
    };
    assert!(
        world
            .fails(Event::Paid(coinbase(99)))
            .ends_with("has 99 of 100 confirmations")
    );
    world.pays(
        coinbase(100),
        &[
            "outside > carry a 5000",
            "carry a > quote a/1 5000",
            "order a/1",
            "pay a/1 5",
        ],
    );
}

#[test]
fn a_stranger_on_chain_waits_until_the_api_lists_it() {
    let mut world = world();
    world.epoch(&[1], 100);
    world.pays(
        on_chain(1, 5_000, false, 130),
        &["outside > suspense 5000", "! suspended: stranger"],
    );
    world.pays(
        on_chain(1, 5_000, true, 130),
        &[
            "suspense > carry a 5000",
            "carry a > quote a/1 5000",
            "order a/1",
            "pay a/1 5",
        ],
    );
}
