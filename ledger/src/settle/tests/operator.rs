//! What is the operator's.

use crate::settle::testing::*;
use crate::settle::*;
use crate::{EpochId, Msat, Split};

fn entry(id: &str, kind: OperatorKind, amount: u64) -> Event {
    Event::Operator(OperatorEntry {
        id: id.into(),
        kind,
        amount: Msat::new(amount),
    })
}

#[test]
fn a_keysend_and_a_foreign_offer_are_the_operators() {
    let mut world = World::new(0, Split::Epoch);
    world.epoch(&[1], 100);
    // Even with the best of notes.
    for n in [1, 2] {
        let mut foreign = payment(n, 7_000, note(hash(100), 100));
        if let Via::Lightning { ocean_offer, .. } = &mut foreign.via {
            *ocean_offer = false;
        }
        world.pays(foreign, &["outside > operator 7000"]);
        // Nothing makes it the miners' afterwards.
        world.pays(payment(n, 7_000, note(hash(100), 100)), &[]);
    }
    assert_eq!(world.books.sums().withdrawable(), 14_000);
}

#[test]
fn an_own_deposit_at_the_wrong_address_is_given_back_by_command() {
    let mut world = World::new(0, Split::Epoch);
    world.epoch(&[1], 100);
    world.pays(
        on_chain(1, 50_000, false, 200),
        &["outside > suspense 50000", "! suspended: stranger"],
    );
    let payout = PayoutKey::OnChain(output(1));
    assert_eq!(
        world.apply(Event::ToFee { payout }),
        ["suspense > operator 50000"]
    );
    let epoch = EpochId::FIRST;
    assert_eq!(
        world.fails(Event::Assign { payout, epoch }),
        format!("payout {payout} is not in suspense")
    );
    let unknown = lightning(9);
    assert_eq!(
        world.fails(Event::ToFee { payout: unknown }),
        format!("there is no payout {unknown}")
    );
}

#[test]
fn what_the_operator_takes_and_pays() {
    let mut world = World::new(1_000, Split::Epoch);
    world.epoch(&[1], 100);
    world.apply(Event::Paid(payment(1, 100_000, note(hash(100), 100))));
    assert_eq!(
        world.apply(entry("w1", OperatorKind::Withdrawal, 4_000)),
        ["operator > withdrawn 4000"]
    );
    assert_eq!(
        world.apply(entry("c1", OperatorKind::NodeCost, 5_000)),
        ["operator > nodecosts 5000"]
    );
    assert_eq!(
        world.fails(entry("w2", OperatorKind::Withdrawal, 1_001)),
        "1001 msat cannot be withdrawn: 1000 msat are there"
    );
    // Costs are real whether there are fees or not.
    assert_eq!(
        world.apply(entry("c2", OperatorKind::NodeCost, 9_000)),
        ["operator > nodecosts 9000"]
    );
    assert_eq!(world.books.sums().withdrawable(), 0);
    for bad in [
        entry("w1", OperatorKind::Withdrawal, 4_001),
        entry("", OperatorKind::NodeCost, 1),
        entry("x", OperatorKind::NodeCost, 0),
        entry(&"x".repeat(129), OperatorKind::NodeCost, 1),
    ] {
        assert!(world.fails(bad).starts_with("operator's entry"));
    }
}
