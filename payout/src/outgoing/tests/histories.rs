//! Random histories of orders, questions, deaths and events, against what really
//! happened.

use std::collections::HashMap;
use std::sync::Arc;

use accounting::Msat;
use proptest::prelude::*;

use super::fake::{Fake, Hand, bolt11, bolt12};
use crate::marks::NoKeeper;
use crate::offer_book::OfferBook;
use crate::outgoing::record::Key;
use crate::outgoing::{Desk, Heard, Name, Outcome, Request, Status};

#[derive(Clone, Debug)]
enum Step {
    Pay {
        id: u8,
        what: u8,
        hand: Hand,
    },
    LookUp {
        id: u8,
    },
    /// The oldest undecided payment in the node is decided, and told of later.
    Decide {
        arrives: bool,
    },
    /// An event comes, some of them twice.
    Hear {
        which: u8,
    },
    Restart,
    Tick,
}

fn step() -> impl Strategy<Value = Step> {
    let hand = prop_oneof![
        4 => Just(Hand::Takes),
        1 => Just(Hand::DiesBefore),
        1 => Just(Hand::DiesUnstored),
        1 => Just(Hand::DiesStored),
        2 => Just(Hand::Refuses),
    ];
    prop_oneof![
        5 => (0..6_u8, 0..4_u8, hand).prop_map(|(id, what, hand)| Step::Pay { id, what, hand }),
        4 => (0..6_u8).prop_map(|id| Step::LookUp { id }),
        3 => any::<bool>().prop_map(|arrives| Step::Decide { arrives }),
        3 => any::<u8>().prop_map(|which| Step::Hear { which }),
        1 => Just(Step::Restart),
        1 => Just(Step::Tick),
    ]
}

struct History {
    node: Fake,
    desk: Desk,
    dir: tempfile::TempDir,
    events: Vec<Heard>,
    /// What was said of an id.
    said: HashMap<u8, Outcome>,
    /// What an id's first order made the node do: the place in what it was handed.
    handed: HashMap<u8, usize>,
}

impl History {
    fn new() -> History {
        let dir = tempfile::tempdir().unwrap();
        History {
            node: Fake::new(),
            desk: open(&dir),
            dir,
            events: Vec::new(),
            said: HashMap::new(),
            handed: HashMap::new(),
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Pay { id, what, hand } => {
                self.node.hand.set(*hand);
                let before = self.node.handed.borrow().len();
                let limit = Msat::new(100);
                let name = id.to_string();
                let outcome = self.desk.pay(&self.node, &name, &request(*what), limit);
                let after = self.node.handed.borrow().len();
                if after > before {
                    let first = self.handed.insert(*id, before);
                    assert_eq!(first, None, "{id} is paid twice");
                }
                self.says(*id, outcome.unwrap());
                if matches!(
                    hand,
                    Hand::DiesBefore | Hand::DiesUnstored | Hand::DiesStored
                ) {
                    self.desk = open(&self.dir);
                }
            }
            Step::LookUp { id } => {
                let outcome = self.desk.look_up(&self.node, &id.to_string());
                self.says(*id, outcome.unwrap());
            }
            Step::Decide { arrives } => self.decide(*arrives),
            Step::Hear { which } => {
                if !self.events.is_empty() {
                    let at = usize::from(*which) % self.events.len();
                    // Odd ones stay, and come again.
                    let heard = match which % 2 {
                        0 => self.events.remove(at),
                        _ => self.events[at].clone(),
                    };
                    self.desk.hear(&self.node, &heard).unwrap();
                }
            }
            Step::Restart => self.desk = open(&self.dir),
            Step::Tick => self.node.now_secs.set(self.node.now_secs.get() + 1),
        }
    }

    fn decide(&mut self, arrives: bool) {
        let pending = |one: &&(Name, Key, Status)| one.2 == Status::Pending;
        let name = self
            .node
            .handed
            .borrow()
            .iter()
            .find(pending)
            .map(|one| one.0);
        let Some(name) = name else { return };
        self.events.push(match arrives {
            true => Heard::Arrived {
                name,
                preimage: None,
                fee: Some(Msat::new(7)),
            },
            false => Heard::Failed { name },
        });
        let status = match arrives {
            true => Status::Succeeded,
            false => Status::Failed,
        };
        self.node.decide(name, status);
    }

    fn says(&mut self, id: u8, outcome: Outcome) {
        let before = self.said.insert(id, outcome.clone());
        if let Some(before) = before
            && before != Outcome::Pending
        {
            assert_eq!(before, outcome, "what was said of {id} stays said");
        }
        let really = self
            .handed
            .get(&id)
            .map(|at| self.node.handed.borrow()[*at].2);
        match outcome {
            Outcome::Paid { .. } => assert_eq!(really, Some(Status::Succeeded), "{id}"),
            // Nothing is given back that has left or may still arrive.
            Outcome::NotPaid { .. } => {
                assert!(
                    matches!(really, None | Some(Status::Failed)),
                    "{id} {really:?}"
                );
            }
            Outcome::Pending => {}
        }
    }
}

fn open(dir: &tempfile::TempDir) -> Desk {
    let offers = OfferBook::open(&dir.path().join("offers")).unwrap();
    Desk::new(dir.path().join("journal"), offers, Arc::new(NoKeeper))
}

fn request(what: u8) -> Request {
    match what {
        0 | 1 => bolt11(what + 1),
        _ => bolt12(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn nothing_is_paid_twice_and_nothing_is_given_back_that_left(
        steps in proptest::collection::vec(step(), 1..40)
    ) {
        let mut history = History::new();
        for step in &steps {
            history.take(step);
        }
        let mut hashes: Vec<Key> = Vec::new();
        for (_, key, _) in history.node.handed.borrow().iter() {
            if matches!(key, Key::Hash(_)) {
                prop_assert!(!hashes.contains(key), "an invoice is paid twice");
                hashes.push(key.clone());
            }
        }
        // What the node's store knows to be decided, we know.
        for (id, at) in &history.handed {
            let (name, _, status) = history.node.handed.borrow()[*at].clone();
            let outcome = history.desk.look_up(&history.node, &id.to_string()).unwrap();
            if status != Status::Pending && history.node.store.borrow().contains_key(&name.0) {
                let stored = history.node.store.borrow()[&name.0].status;
                prop_assert!(outcome != Outcome::Pending || stored == Status::Failed);
            }
        }
    }
}
