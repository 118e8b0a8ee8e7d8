//! Payments that a restored pool holds until the operator accepts, and those to offers that
//! it does not know.

use crate::settle::testing::*;
use crate::settle::*;
use crate::{EpochId, Split};

/// Held at the restore, and until then.
fn held(until_ms: u64) -> Option<Held> {
    Some(Held {
        until_ms,
        until_height: 0,
    })
}

fn at(mut payment: Payment, received_ms: u64) -> Payment {
    payment.received_ms = received_ms;
    payment
}

#[test]
fn what_waited_at_the_backup_is_not_paid_before_the_operator_accepts() {
    let mut world = World::new(0, Split::Epoch);
    world.mine(&[1]);
    let waits = at(payment(1, 2_500, note(hash(100), 130)), 5);
    world.pays(
        waits.clone(),
        &["outside > suspense 2500", "! suspended: no epoch"],
    );
    world.books.policy.held = Some(Held::EVERYTHING);
    assert_eq!(world.block(100), ["! suspended: before the restore"]);
    // Nor afterwards by itself: somebody may have been paid for it.
    world.books.policy.held = held(10);
    world.epoch(&[1], 110);
    world.pays(waits, &[]);
    assert_eq!(world.books.sums().suspense, 2_500);
    let assign = Event::Assign {
        payout: lightning(1),
        epoch: EpochId::FIRST,
    };
    assert_eq!(world.apply(assign)[0], "suspense > carry a 2500");
}

#[test]
fn held_is_looked_at_before_the_operators() {
    let foreign = |n, amount, at_ms| {
        let mut paid = at(payment(n, amount, None), at_ms);
        if let Via::Lightning { paid_to, .. } = &mut paid.via {
            *paid_to = PaidTo::NoOffer;
        }
        paid
    };
    let mut world = World::new(0, Split::Epoch);
    world.books.policy.held = held(10);
    world.pays(
        foreign(1, 7_000, 10),
        &["outside > suspense 7000", "! suspended: before the restore"],
    );
    world.pays(foreign(2, 7_000, 11), &["outside > operator 7000"]);
    // No list of a person's for a millisatoshi.
    world.pays(foreign(3, 1, 10), &["outside > gathering 1"]);
}

#[test]
fn what_gathered_before_a_restore_is_not_given_to_miners_again() {
    let mut world = World::new(0, Split::Epoch);
    world.epoch(&[1], 100);
    world.pays(at(payment(1, 400, None), 5), &["outside > gathering 400"]);
    world.books.policy.held = held(10);
    world.pays(at(payment(2, 300, None), 11), &["outside > gathering 300"]);
    world.pays(
        at(payment(3, 2_000, note(hash(100), 130)), 12),
        &[
            "gathering > operator 700",
            "outside > carry a 2000",
            "carry a > quote a/1 2000",
            "order a/1",
            "pay a/1 2",
        ],
    );
    // Payments that gather from now on are the miners' again.
    world.pays(at(payment(4, 300, None), 13), &["outside > gathering 300"]);
    let told = world.apply(Event::Paid(at(payment(5, 2_000, note(hash(100), 130)), 14)));
    assert_eq!(
        told[..2],
        ["outside > gathering 2000", "gathering > carry a 2300"]
    );
}

#[test]
fn a_payment_to_an_offer_that_is_not_known_waits_and_can_be_assigned() {
    let to_unknown = |n| {
        let mut paid = payment(n, 500_000, note(hash(100), 130));
        if let Via::Lightning { paid_to, .. } = &mut paid.via {
            *paid_to = PaidTo::UnknownOffer;
        }
        paid
    };
    let mut world = World::new(0, Split::Epoch);
    world.epoch(&[1], 100);
    for n in [1, 2, 3] {
        world.pays(
            to_unknown(n),
            &["outside > suspense 500000", "! suspended: unknown offer"],
        );
    }
    // A block does not resolve it, the operator does.
    world.epoch(&[1], 110);
    let (payout, epoch) = (lightning(1), EpochId::FIRST);
    let told = world.apply(Event::Assign { payout, epoch });
    assert_eq!(told[0], "suspense > carry a 500000");
    let payout = lightning(2);
    assert_eq!(
        world.apply(Event::ToFee { payout }),
        ["suspense > operator 500000"]
    );
    // Or the file that knew the offer comes back.
    let told = world.apply(Event::Paid(payment(3, 500_000, note(hash(100), 130))));
    assert_eq!(told[0], "suspense > carry a 500000");
}
