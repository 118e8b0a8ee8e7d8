//! The operator's account.

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

fn withdrawal() -> OperatorKind {
    OperatorKind::Withdrawal { to: "there".into() }
}

fn returned(of: &str) -> OperatorKind {
    OperatorKind::Returned {
        withdrawal: of.into(),
    }
}

fn sent(of: &str) -> OperatorKind {
    OperatorKind::Sent {
        withdrawal: of.into(),
        txid: output(1).txid,
    }
}

#[test]
fn a_keysend_and_a_foreign_offer_are_the_operators() {
    let mut world = World::new(0, Split::Epoch);
    world.epoch(&[1], 100);
    // Even with the best of notes.
    for n in [1, 2] {
        let mut foreign = payment(n, 7_000, note(hash(100), 100));
        if let Via::Lightning { paid_to, .. } = &mut foreign.via {
            *paid_to = PaidTo::NoOffer;
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
        world.apply(entry("w1", withdrawal(), 4_000)),
        ["operator > withdrawn 4000"]
    );
    assert_eq!(
        world.apply(entry("c1", OperatorKind::NodeCost, 5_000)),
        ["operator > nodecosts 5000"]
    );
    assert_eq!(
        world.fails(entry("w2", withdrawal(), 1_001)),
        "1001 msat cannot be withdrawn: the balance is 1000 msat"
    );
    // Costs are real whether there are fees or not.
    assert_eq!(
        world.apply(entry("c2", OperatorKind::NodeCost, 9_000)),
        ["operator > nodecosts 9000"]
    );
    assert_eq!(world.books.sums().withdrawable(), 0);
    for bad in [
        entry("w1", withdrawal(), 4_001),
        entry("", OperatorKind::NodeCost, 1),
        entry("x", OperatorKind::NodeCost, 0),
        entry(&"x".repeat(129), OperatorKind::NodeCost, 1),
    ] {
        assert!(world.fails(bad).starts_with("operator's entry"));
    }
}

#[test]
fn a_withdrawal_has_one_outcome() {
    let mut world = World::new(1_000, Split::Epoch);
    world.epoch(&[1], 100);
    world.apply(Event::Paid(payment(1, 100_000, note(hash(100), 100))));
    let before = world.books.sums();
    for (id, outcome) in [("a", returned("a")), ("b", sent("b"))] {
        world.apply(entry(id, withdrawal(), 4_000));
        assert_eq!(world.books.sums().withdrawable(), 6_000);
        let told = entry(&OperatorEntry::outcome_id(id), outcome, 4_000);
        let moved = match id {
            "a" => vec!["withdrawn > operator 4000"],
            _ => vec![],
        };
        assert_eq!(world.apply(told.clone()), moved);
        assert_eq!(world.apply(told), Vec::<String>::new(), "told again");
    }
    let after = world.books.sums();
    assert_eq!((after.fee, after.withdrawn), (before.fee, 4_000));
    // The other outcome comes too late, and those of nothing, of another amount or
    // under another id never.
    world.apply(entry("c", withdrawal(), 1_000));
    world.apply(entry("cost", OperatorKind::NodeCost, 1_000));
    for bad in [
        entry("a/outcome", sent("a"), 4_000),
        entry("b/outcome", returned("b"), 4_000),
        entry("c/outcome", returned("c"), 999),
        entry("c", returned("c"), 1_000),
        entry("other", returned("c"), 1_000),
        entry("nothing/outcome", returned("nothing"), 1_000),
        entry("cost/outcome", returned("cost"), 1_000),
        entry(&"x".repeat(121), withdrawal(), 1),
        entry("d", OperatorKind::Withdrawal { to: String::new() }, 1),
    ] {
        assert!(world.fails(bad).starts_with("operator's entry"));
    }
    world.books.check().unwrap();
}
