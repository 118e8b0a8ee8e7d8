//! Epochs without work, orphans, closes by command, and the API's earnings.

use crate::settle::testing::*;
use crate::settle::*;
use crate::{EpochId, Msat, Sat, Split};

fn world() -> World {
    World::new(0, Split::Epoch)
}

fn orphan(height: u32) -> Event {
    Event::BlockOrphaned {
        block: hash(height),
    }
}

#[test]
fn an_epoch_without_work_passes_its_money_back() {
    let mut world = world();
    world.epoch(&[1], 100).epoch(&[], 101).epoch(&[], 102);
    // The window of all three has its work.
    for height in 100..=102 {
        assert_eq!(world.earns(height, 2, None), [""; 0]);
    }
    world.pays(
        payment(1, 6_000, note(hash(102), 132)),
        &[
            "outside > carry a 6000",
            "carry a > quote a/1 6000",
            "order a/1",
            "pay a/1 6",
        ],
    );
    assert!((1..=3).all(|epoch| world.account(epoch).covered));
    world.pays(
        payment(2, 1_000, note(hash(102), 132)),
        &[
            "outside > carry a 1000",
            "carry a > quote a/1 1000",
            "pay a/1 1",
        ],
    );
    assert_eq!(world.account(3).received, Msat::new(3_000));
}

#[test]
fn an_epoch_that_was_paid_for_another_dissolves_and_its_files_stay() {
    let mut world = world();
    world.epoch(&[1], 100).epoch(&[], 101);
    world.earns(100, 10, None);
    world.earns(101, 10, None);
    // A gift to the second, whose nearest miners are the first's.
    world.pays(
        payment(1, 2_000, note(hash(101), 131)),
        &[
            "outside > carry a 2000",
            "carry a > quote a/1 2000",
            "order a/1",
            "pay a/1 2",
        ],
    );
    assert_eq!(world.account(1).received, Msat::ZERO);
    assert_eq!(world.account(2).received, Msat::new(2_000));
    let file = super::file_of(&world.books, lightning(1), None);
    assert_eq!(world.apply(orphan(100)), [""; 0]);
    // Not into the second, whose money was split over the first.
    let into = EpochId::new(3);
    let block = block(100);
    assert_eq!(world.account(1).stage, Stage::Merged { into, block });
    assert_eq!(super::file_of(&world.books, lightning(1), None), file);
}

#[test]
fn the_first_epoch_without_work_waits_for_the_operator() {
    let mut world = world();
    world.epoch(&[], 100);
    world.pays(
        payment(1, 2_000, note(hash(100), 130)),
        &["outside > suspense 2000", "! suspended: nowork"],
    );
    world.epoch(&[1], 101);
    let assign = |epoch| Event::Assign {
        payout: lightning(1),
        epoch: EpochId::new(epoch),
    };
    assert_eq!(
        world.fails(assign(1)),
        "neither epoch 1 nor any before it has work"
    );
    assert_eq!(
        world.fails(assign(3)),
        "epoch 3 is not closed, or it is merged into another"
    );
    assert_eq!(world.fails(assign(9)), "there is no epoch 9");
    assert_eq!(
        world.apply(assign(2)),
        [
            "suspense > carry a 2000",
            "carry a > quote a/2 2000",
            "order a/2",
            "pay a/2 2",
        ]
    );
    // A later payout that would cover it too does not try: nobody is there.
    world.pays(
        payment(2, 2_000, note(hash(101), 131)),
        &[
            "outside > carry a 2000",
            "carry a > quote a/2 2000",
            "pay a/2 2",
        ],
    );
}

#[test]
fn an_orphan_before_money_dissolves_into_the_next() {
    let mut world = world();
    world.epoch(&[1], 100).mine(&[0, 1]);
    assert_eq!(world.apply(orphan(100)), [""; 0]);
    assert_eq!(
        world.account(1).stage,
        Stage::Merged {
            into: EpochId::new(2),
            block: block(100)
        }
    );
    assert_eq!(world.block(110), [""; 0]);
    assert_eq!(world.account(2).work.hashes(), 2);
    // The block that is no more names nothing.
    world.pays(
        payment(1, 1_500, note(hash(100), 100)),
        &["outside > suspense 1500", "! suspended: no epoch"],
    );
    world.pays(
        payment(2, 4_000, note(hash(110), 140)),
        &[
            "outside > carry a 2000",
            "carry a > quote a/2 2000",
            "order a/2",
            "pay a/2 2",
            "outside > carry b 2000",
            "carry b > quote b/2 2000",
            "order b/2",
            "pay b/2 2",
        ],
    );
}

#[test]
fn an_orphan_of_an_orphan_keeps_all_work() {
    let mut world = world();
    world
        .epoch(&[1], 100)
        .epoch(&[0, 1], 101)
        .epoch(&[0, 0, 2], 102);
    world.apply(orphan(100));
    world.apply(orphan(101));
    let into = Stage::Merged {
        into: EpochId::new(3),
        block: block(100),
    };
    assert_eq!(world.account(1).stage, into);
    world.pays(
        payment(1, 4_000, note(hash(102), 132)),
        &[
            "outside > carry a 1000",
            "carry a > quote a/3 1000",
            "order a/3",
            "pay a/3 1",
            "outside > carry b 1000",
            "carry b > quote b/3 1000",
            "order b/3",
            "pay b/3 1",
            "outside > carry c 2000",
            "carry c > quote c/3 2000",
            "order c/3",
            "pay c/3 2",
        ],
    );
}

#[test]
fn an_orphan_passes_over_epochs_that_were_paid() {
    let mut world = world();
    world.epoch(&[1], 100).epoch(&[0, 1], 101).mine(&[0, 0, 1]);
    world.earns(100, 5, None);
    // Under half: for the second epoch alone.
    world.earns(101, 5, None);
    world.apply(Event::Paid(payment(1, 1_000, note(hash(101), 131))));
    world.apply(orphan(100));
    assert_eq!(
        world.account(1).stage,
        Stage::Merged {
            into: EpochId::new(3),
            block: block(100)
        }
    );
    world.block(103);
    assert_eq!(world.account(3).work.hashes(), 2);
}

#[test]
fn an_orphan_after_money_alarms_and_stays() {
    let mut world = world();
    world.epoch(&[1], 100);
    world.earns(100, 2, None);
    world.apply(Event::Paid(payment(1, 1_000, note(hash(100), 100))));
    assert_eq!(world.apply(orphan(100)), ["! orphaned after money: 1"]);
    assert!(world.account(1).is_closed());
    assert_eq!(world.apply(orphan(777)), [""; 0]);
}

#[test]
fn a_block_closes_one_epoch_and_may_come_back() {
    let mut world = world();
    world.epoch(&[1], 100);
    assert_eq!(world.block(100), [""; 0]);
    assert_eq!(world.books.open_epoch(), Some(EpochId::new(2)));
    world.apply(orphan(100));
    world.block(100);
    assert_eq!(world.account(2).block(), Some(block(100)));
    assert_eq!(world.account(2).work.hashes(), 1);
}

#[test]
fn epochs_closed_by_command_share_the_next_blocks_money() {
    let mut world = world();
    world.mine(&[1]);
    let by_command = world.closing(None);
    world.apply(by_command);
    world.epoch(&[0, 3], 100);
    world.earns(100, 8, None);
    world.pays(
        payment(1, 8_000, note(hash(100), 130)),
        &[
            "outside > carry a 2000",
            "carry a > quote a/1 2000",
            "order a/1",
            "pay a/1 2",
            "outside > carry b 6000",
            "carry b > quote b/2 6000",
            "order b/2",
            "pay b/2 6",
        ],
    );
    assert!(world.account(1).covered && world.account(2).covered);
}

#[test]
fn without_the_api_work_is_paid_alike() {
    let mut world = world();
    world.epoch(&[10], 100);
    world.apply(Event::Paid(payment(1, 10_000, note(hash(100), 130))));
    world.epoch(&[0, 10], 110).epoch(&[0, 0, 10], 120);
    // Whoever pays, and whatever it names: the second epoch has got nothing yet.
    world.pays(
        payment(2, 4_999, note(hash(120), 150)),
        &[
            "outside > carry b 2500",
            "carry b > quote b/2 2000",
            "order b/2",
            "pay b/2 2",
            "outside > carry c 2499",
            "carry c > quote c/3 2000",
            "order c/3",
            "pay c/3 2",
        ],
    );
    world.pays(
        payment(3, 15_001, note(hash(120), 150)),
        &[
            "outside > carry b 7500",
            "carry b > quote b/2 8000",
            "pay b/2 8",
            "outside > carry c 7501",
            "carry c > quote c/3 8000",
            "pay c/3 8",
        ],
    );
    // The named epoch has as much as it is worth: who has less than half of it gets its
    // part, and who comes later is not meant.
    world.epoch(&[0, 0, 0, 10], 130);
    world.apply(Event::Paid(payment(4, 100_000, note(hash(120), 150))));
    let received = (1..=4).map(|epoch| world.account(epoch).received.get());
    assert_eq!(received.collect::<Vec<_>>(), [43_334, 43_333, 43_333, 0]);
}

#[test]
fn an_api_that_lies_keeps_no_money_from_the_miners() {
    let mut world = world();
    world.epoch(&[1], 100).epoch(&[0, 1], 110);
    assert_eq!(
        world.earns(110, Policy::SUPPLY.get(), None),
        ["! earnings implausible: 2"]
    );
    assert_eq!(world.account(2).earnings, None);
    // High, but it could be: what arrives is a gift to the named epoch.
    assert_eq!(world.earns(110, 1_000_000, None), [""; 0]);
    world.pays(
        payment(1, 2_000, note(hash(110), 140)),
        &[
            "outside > carry b 2000",
            "carry b > quote b/2 2000",
            "order b/2",
            "pay b/2 2",
        ],
    );
    assert!(!world.account(2).covered);
    // It comes to its senses.
    assert_eq!(world.earns(110, 2, None), [""; 0]);
    assert!(world.account(2).covered);
    // And changes its mind after the money: too late, but someone should know.
    assert_eq!(world.earns(110, 3, None), ["! earnings changed: 2"]);
    let used = Earnings {
        net: Sat::new(2),
        shares_in_window: None,
    };
    assert_eq!(world.account(2).earnings, Some(used));
    // Of a block that closed nothing it may say what it likes.
    assert_eq!(world.earns(5, 3, None), [""; 0]);
}

#[test]
fn a_fee_changed_in_mid_epoch_is_the_next_epochs() {
    let mut world = World::new(100, Split::Epoch);
    world.mine(&[1]);
    world.terms.fee_bps = 500;
    world.block(100);
    world.epoch(&[1], 110);
    world.earns(100, 1, None);
    world.earns(110, 3, None);
    // One payout over both: each part by its own epoch's terms, 10 + 150.
    world.pays(
        payment(1, 4_000, note(hash(110), 140)),
        &[
            "outside > operator 160",
            "outside > carry a 3840",
            "carry a > quote a/2 3000",
            "order a/2",
            "pay a/2 3",
        ],
    );
}

#[test]
fn what_cannot_be_opened_or_closed() {
    let mut world = world();
    world.epoch(&[1], 100);
    let (first, second, terms) = (EpochId::new(1), EpochId::new(2), world.terms);
    let close = |epoch, height, next| Event::EpochClosed {
        epoch,
        block: Some(block(height)),
        work: crate::Work::ZERO,
        miners: 0,
        next,
        next_terms: terms,
    };
    assert_eq!(
        world.fails(close(first, 101, second.next())),
        "epoch 1 is not the open one"
    );
    assert_eq!(
        world.fails(close(second, 101, second)),
        "epoch 2 cannot be opened: it is not newer than all others"
    );
    assert_eq!(
        world.fails(Event::EpochOpened {
            epoch: second,
            terms: testing_terms()
        }),
        "epoch 2 cannot be opened: it is not newer than all others"
    );
    let mut greedy = world.closing(None);
    if let Event::EpochClosed { next_terms, .. } = &mut greedy {
        next_terms.fee_bps = 10_001;
    }
    assert_eq!(
        world.fails(greedy),
        "the split: a fee of 10001 basis points is above 10000"
    );
}

#[test]
fn tallies_that_are_not_the_epochs_stop_the_books() {
    let mut world = world();
    world.mine(&[1, 2]);
    let mut closing = world.closing(Some(block(100)));
    if let Event::EpochClosed { work, .. } = &mut closing {
        *work = crate::Work::from_hashes(2);
    }
    world.books.apply(closing).unwrap();
    assert_eq!(
        world.fails(Event::Paid(payment(1, 1_000, note(hash(100), 130)))),
        "the books contradict themselves: the work of epoch 1 is 2, its miners' 3"
    );
}

fn testing_terms() -> crate::EpochTerms {
    crate::settle::testing::terms(7, Split::Tides)
}
