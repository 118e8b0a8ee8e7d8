//! The desk, case by case.

use std::sync::Arc;

use accounting::{Msat, Sat};
use bitcoin::hashes::{Hash as _, sha256};

use super::fake::{AMOUNT, FEE, Fake, Hand, NOW, bolt11, bolt12, offer};
use crate::marks::NoKeeper;
use crate::offer_book::OfferBook;
use crate::outgoing::{Desk, Heard, Name, Outcome, PayError, Quote, Request, RequestError, Status};
use crate::settings::Fees;

const LIMIT: Msat = Msat::new(100);

struct Case {
    node: Fake,
    desk: Desk,
    dir: tempfile::TempDir,
}

impl Case {
    fn new() -> Case {
        let dir = tempfile::tempdir().unwrap();
        Case {
            node: Fake::new(),
            desk: open(&dir),
            dir,
        }
    }

    fn restart(&mut self) {
        self.desk = open(&self.dir);
    }

    fn pay(&self, id: &str, request: &Request) -> Outcome {
        self.desk.pay(&self.node, id, request, LIMIT).unwrap()
    }

    fn look_up(&self, id: &str) -> Outcome {
        self.desk.look_up(&self.node, id).unwrap()
    }

    fn handed(&self) -> usize {
        self.node.handed.borrow().len()
    }

    fn hears(&self, heard: &Heard) {
        self.desk.hear(&self.node, heard).unwrap();
    }
}

fn open(dir: &tempfile::TempDir) -> Desk {
    let offers = OfferBook::open(&dir.path().join("offers")).unwrap();
    Desk::new(dir.path().join("journal"), offers, Arc::new(NoKeeper))
}

fn paid(fee: Msat) -> Outcome {
    Outcome::Paid {
        spent: AMOUNT.checked_add(fee).unwrap(),
        preimage: Some("11".repeat(32)),
    }
}

#[track_caller]
fn not_paid(outcome: Outcome, said: &str) {
    let Outcome::NotPaid { why } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(why.contains(said), "{why:?} says {said:?}");
}

#[test]
fn it_is_paid_once_and_what_became_of_it_is_kept() {
    for request in [bolt11(1), bolt12()] {
        let mut case = Case::new();
        assert_eq!(case.pay("a", &request), Outcome::Pending);
        assert_eq!(case.pay("a", &request), Outcome::Pending);
        assert_eq!(case.look_up("a"), Outcome::Pending);
        case.node.decide(case.node.last_name(), Status::Succeeded);
        assert_eq!(case.look_up("a"), paid(FEE));
        // From then on the node is not even asked.
        case.node.store.borrow_mut().clear();
        case.restart();
        assert_eq!(case.look_up("a"), paid(FEE));
        assert_eq!(case.pay("a", &request), paid(FEE));
        assert_eq!(case.handed(), 1);
    }
}

#[test]
fn what_failed_is_not_paid_for_good() {
    for request in [bolt11(1), bolt12()] {
        let mut case = Case::new();
        case.pay("a", &request);
        case.node.decide(case.node.last_name(), Status::Failed);
        not_paid(case.look_up("a"), "did not get through");
        case.restart();
        not_paid(case.pay("a", &request), "did not get through");
        assert_eq!(case.handed(), 1);
    }
}

/// What nobody ordered is not paid, and never will be: the money went back.
#[test]
fn an_order_after_the_answer_is_refused() {
    let mut case = Case::new();
    not_paid(case.look_up("a"), "never ordered");
    case.restart();
    not_paid(case.pay("a", &bolt11(1)), "never ordered");
    assert_eq!(case.handed(), 0);
}

/// A journal that was lost: of a BOLT12 payment the node's store still tells.
#[test]
fn what_the_journal_lost_is_found_by_its_note() {
    let mut case = Case::new();
    case.pay("a", &bolt12());
    case.pay("b", &bolt12());
    std::fs::remove_file(case.dir.path().join("journal")).unwrap();
    case.restart();
    assert_eq!(case.pay("a", &bolt12()), Outcome::Pending);
    case.node.decide(case.node.last_name(), Status::Succeeded);
    assert_eq!(case.look_up("b"), paid(FEE));
    assert_eq!(case.handed(), 2);
}

#[test]
fn killed_before_the_node_had_it_it_stays_pending_and_is_not_tried_again() {
    for request in [bolt11(1), bolt12()] {
        let mut case = Case::new();
        case.node.hand.set(Hand::DiesBefore);
        case.pay("a", &request);
        case.restart();
        case.node.hand.set(Hand::Takes);
        assert_eq!(case.look_up("a"), Outcome::Pending);
        assert_eq!(case.pay("a", &request), Outcome::Pending);
        assert_eq!(case.handed(), 0);
        let undecided = case.desk.undecided(&case.node).unwrap();
        assert_eq!(undecided.len(), 1);
        assert_eq!(undecided[0].id, "a");
        assert_eq!(undecided[0].amount, AMOUNT);
    }
}

#[test]
fn only_what_is_old_and_undecided_is_given_up() {
    let case = Case::new();
    case.node.hand.set(Hand::DiesBefore);
    case.pay("a", &bolt11(1));
    let give_up = |id: &str| case.desk.give_up(&case.node, id);
    assert!(matches!(give_up("b"), Err(PayError::Unknown(_))));
    let days = |days: u64| case.node.now_secs.set(NOW + days * 86_400);
    days(13);
    assert!(matches!(give_up("a"), Err(PayError::TooYoung { .. })));
    assert_eq!(case.look_up("a"), Outcome::Pending);
    days(14);
    not_paid(give_up("a").unwrap(), "gave it up");
    not_paid(case.look_up("a"), "gave it up");
    case.node.hand.set(Hand::Takes);
    case.pay("c", &bolt12());
    case.node.decide(case.node.last_name(), Status::Succeeded);
    days(40);
    assert_eq!(give_up("c").unwrap(), paid(FEE));
}

#[test]
fn killed_when_the_nodes_store_had_it_it_is_found_again() {
    for request in [bolt11(1), bolt12()] {
        for (status, is_paid) in [(Status::Succeeded, true), (Status::Failed, false)] {
            let mut case = Case::new();
            case.node.hand.set(Hand::DiesStored);
            case.pay("a", &request);
            case.restart();
            assert_eq!(case.look_up("a"), Outcome::Pending);
            case.node.decide(case.node.last_name(), status);
            match is_paid {
                true => assert_eq!(case.look_up("a"), paid(FEE)),
                false => not_paid(case.look_up("a"), "did not get through"),
            }
            assert_eq!(case.handed(), 1);
        }
    }
}

/// The node has it and its store does not: of a BOLT11 payment the event tells.
#[test]
fn killed_between_the_node_and_its_store_the_event_tells() {
    let mut case = Case::new();
    case.node.hand.set(Hand::DiesUnstored);
    case.pay("a", &bolt11(1));
    case.pay("b", &bolt11(2));
    case.restart();
    let (one, other) = (Name([1; 32]), Name([2; 32]));
    case.hears(&Heard::Arrived {
        name: one,
        preimage: Some("11".repeat(32)),
        fee: None,
    });
    // A fee that is not told counts as all that was allowed.
    assert_eq!(case.look_up("a"), paid(LIMIT));
    case.hears(&Heard::Failed { name: other });
    not_paid(case.look_up("b"), "did not get through");

    // A BOLT12 payment has a name that nobody knows: it is told of, and stays pending.
    let mut case = Case::new();
    case.node.hand.set(Hand::DiesUnstored);
    case.pay("a", &bolt12());
    case.restart();
    let name = case.node.last_name();
    case.hears(&Heard::Failed { name });
    assert_eq!(case.look_up("a"), Outcome::Pending);
}

#[test]
fn a_late_failure_is_not_believed_over_the_store() {
    let case = Case::new();
    case.pay("a", &bolt11(1));
    let name = case.node.last_name();
    case.hears(&Heard::Failed { name });
    assert_eq!(case.look_up("a"), Outcome::Pending);
    case.node.decide(name, Status::Succeeded);
    case.hears(&Heard::Failed { name });
    assert_eq!(case.look_up("a"), paid(FEE));
}

#[test]
fn an_invoice_is_paid_under_one_id_alone() {
    let case = Case::new();
    case.pay("a", &bolt11(1));
    not_paid(case.pay("b", &bolt11(1)), "already");
    case.node.decide(case.node.last_name(), Status::Succeeded);
    not_paid(case.pay("c", &bolt11(1)), "already");
    let quoted = case.desk.quote(&case.node, &bolt11(1), &Fees::default());
    assert!(matches!(quoted, Err(PayError::Again(_))), "{quoted:?}");
    assert_eq!(case.handed(), 1);
    // An offer may be paid as often as one likes.
    case.pay("d", &bolt12());
    case.pay("e", &bolt12());
    assert_eq!(case.handed(), 3);
}

#[test]
fn an_invoice_that_failed_in_the_node_is_not_tried_again() {
    let case = Case::new();
    case.pay("a", &bolt11(1));
    case.node.decide(case.node.last_name(), Status::Failed);
    not_paid(case.pay("b", &bolt11(1)), "ask for another");
    assert_eq!(case.handed(), 1);
}

/// One that the node refused at once may come again; the refusal's line in the node's
/// store is not taken for what became of the second.
#[test]
fn an_invoice_that_was_refused_may_come_again() {
    let mut case = Case::new();
    case.node.hand.set(Hand::Refuses);
    not_paid(case.pay("a", &bolt11(1)), "no route");
    case.node.hand.set(Hand::DiesUnstored);
    case.pay("b", &bolt11(1));
    case.restart();
    assert_eq!(case.look_up("b"), Outcome::Pending);
    let name = case.node.last_name();
    case.hears(&Heard::Failed { name });
    not_paid(case.look_up("b"), "did not get through");
}

#[test]
fn what_the_operator_paid_from_elsewhere_is_not_taken_for_ours() {
    let case = Case::new();
    case.pay("operators", &bolt11(1));
    for (status, said) in [
        (Status::Pending, "already"),
        (Status::Succeeded, "already"),
        (Status::Failed, "ask for another"),
    ] {
        let here = Case::new();
        let mut stored = case.node.store.borrow().clone();
        stored.get_mut(&[1; 32]).unwrap().status = status;
        *here.node.store.borrow_mut() = stored;
        not_paid(here.pay("a", &bolt11(1)), said);
        not_paid(here.look_up("a"), said);
        assert_eq!(here.handed(), 0);
    }
}

#[test]
fn the_channels_must_have_it() {
    let case = Case::new();
    let fees = Fees {
        base: Sat::new(1),
        ppm: 0,
    };
    case.node.spendable.set(Msat::new(6_000));
    let quote = case.desk.quote(&case.node, &bolt11(1), &fees).unwrap();
    let fee_limit = Msat::new(1_000);
    let amount = AMOUNT;
    assert_eq!(quote, Quote { amount, fee_limit });
    case.node.spendable.set(Msat::new(5_999));
    let error = case.desk.quote(&case.node, &bolt11(1), &fees).unwrap_err();
    assert!(error.to_string().contains("6000"), "{error}");
    case.node.spendable.set(Msat::new(4_999));
    not_paid(case.pay("a", &bolt11(1)), "4999");
    assert_eq!(case.handed(), 0);
}

#[test]
fn ids_are_bounded() {
    let case = Case::new();
    for id in ["", &"x".repeat(129)] {
        assert!(matches!(
            case.desk.pay(&case.node, id, &bolt11(1), LIMIT),
            Err(PayError::Id(_))
        ));
        let asked = case.desk.look_up(&case.node, id);
        assert!(matches!(asked, Err(PayError::Id(_))));
    }
}

/// Without a journal nothing is paid, and nothing is said.
#[test]
fn a_damaged_journal_stops_paying() {
    let case = Case::new();
    std::fs::write(case.dir.path().join("journal"), "nonsense\n").unwrap();
    let paid = case.desk.pay(&case.node, "a", &bolt11(1), LIMIT);
    assert!(matches!(paid, Err(PayError::Journal(_))), "{paid:?}");
    assert!(case.desk.look_up(&case.node, "a").is_err());
    assert_eq!(case.handed(), 0);
    // Put right, it goes on without a restart.
    std::fs::write(case.dir.path().join("journal"), "").unwrap();
    assert_eq!(case.pay("a", &bolt11(1)), Outcome::Pending);
}

#[test]
fn the_pools_own_offer_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let own = offer(9);
    let stored = serde_json::json!({
        "version": 1,
        "offers": [{"offer": own.to_string(), "address": "x", "route": "public", "made_secs": 1}],
    });
    std::fs::write(dir.path().join("offers"), stored.to_string()).unwrap();
    let node = Fake::new();
    let error = open(&dir).quote(&node, &bolt12(), &Fees::default());
    assert!(
        matches!(error, Err(PayError::Request(RequestError::Ours))),
        "{error:?}"
    );
}

/// The receiver reads the note; it must not lead to the mint's quote.
#[test]
fn the_note_says_nothing_of_the_id() {
    let case = Case::new();
    let id = "0191f2c0-1111-7222-8333-444455556666";
    case.pay(id, &bolt12());
    let store = case.node.store.borrow();
    let note = store.values().next().unwrap().note.clone().unwrap();
    assert!(note.starts_with("Cashu melt ") && note.len() < 50, "{note}");
    assert!(!note.contains(&id[..8]), "{note}");
    assert_ne!(
        sha256::Hash::hash(id.as_bytes()).to_string()[..32],
        note[11..]
    );
}

/// The journal and the node's store come back from before a payment: as it was once, that
/// gave its ecash back.
#[test]
fn what_a_lost_journal_may_have_known_is_not_decided() {
    for lost_store in [false, true] {
        let mut case = Case::new();
        case.pay("paid", &bolt11(1));
        case.node.decide(case.node.last_name(), Status::Succeeded);
        let by_note = case.pay("noted", &bolt12());
        assert_eq!(by_note, Outcome::Pending);
        case.node.decide(case.node.last_name(), Status::Succeeded);
        std::fs::remove_file(case.dir.path().join("journal")).unwrap();
        if lost_store {
            case.node.store.borrow_mut().clear();
        }
        case.restart();
        case.node.now_secs.set(NOW + 10);
        case.desk.forgets(NOW + 5, lost_store).unwrap();

        // Neither given back, nor made again.
        assert_eq!(case.look_up("paid"), Outcome::Pending);
        assert_eq!(case.pay("paid", &bolt11(1)), Outcome::Pending);
        let undecided = case.desk.undecided(&case.node).unwrap();
        assert_eq!(undecided[0].id, "paid");
        // Under another name it is not made again either, by whatever knows of it.
        let said = match lost_store {
            true => "older than the node's store",
            false => "was paid already",
        };
        not_paid(case.pay("again", &bolt11(1)), said);
        let noted = case.look_up("noted");
        match lost_store {
            // The node's store has its note.
            false => assert_eq!(noted, paid(FEE)),
            true => assert_eq!(noted, Outcome::Pending),
        }
        assert_eq!(case.handed(), 2);

        // What comes after is paid as ever, but for invoices of before the store was lost.
        case.pay("new", &bolt12());
        case.node.decide(case.node.last_name(), Status::Failed);
        not_paid(case.look_up("new"), "did not get through");
        assert_eq!(case.handed(), 3);
        case.restart();
        assert_eq!(case.look_up("paid"), Outcome::Pending);
        assert_eq!(case.desk.forgot_until().unwrap(), Some(NOW + 5));
    }
}

/// With an older state of its channels the node tells that an HTLC failed which its peer has
/// long been paid.
#[test]
fn a_node_that_lost_its_store_knows_no_failure_of_before() {
    let mut case = Case::new();
    case.pay("a", &bolt11(1));
    let name = case.node.last_name();
    case.restart();
    case.node.now_secs.set(NOW + 10);
    case.desk.forgets(NOW + 5, true).unwrap();
    case.node.decide(name, Status::Failed);
    case.hears(&Heard::Failed { name });
    assert_eq!(case.look_up("a"), Outcome::Pending);
    // That it arrived is certain: it has the proof.
    case.hears(&Heard::Arrived {
        name,
        preimage: Some("11".repeat(32)),
        fee: Some(FEE),
    });
    assert_eq!(case.look_up("a"), paid(FEE));
}
