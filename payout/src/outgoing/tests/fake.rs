//! A node of the tests, that does what it is told and knows what really happened.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Duration;

use accounting::Msat;
use bitcoin::Network;
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::secp256k1::{Keypair, PublicKey, Secp256k1, SecretKey};
use ldk_node::lightning_invoice::{Currency, InvoiceBuilder};
use lightning::offers::offer::{Offer, OfferBuilder};
use lightning::types::payment::PaymentSecret;

use crate::outgoing::hands::{Hands, Unsent};
use crate::outgoing::record::Key;
use crate::outgoing::request::{Order, Place};
use crate::outgoing::{Name, Outbound, Request, Status};

pub(super) const NOW: u64 = 1_700_000_000;
pub(super) const AMOUNT: Msat = Msat::new(5_000);
pub(super) const FEE: Msat = Msat::new(7);

/// What the next hand-over does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hand {
    /// Takes it and says so.
    Takes,
    /// The process dies before the node has it.
    DiesBefore,
    /// The process dies when the node has it, and its store has not.
    DiesUnstored,
    /// The process dies when both have it.
    DiesStored,
    /// It has no route: refused, with a line in its store as ldk-node writes one.
    Refuses,
}

pub(super) struct Fake {
    pub(super) store: RefCell<HashMap<[u8; 32], Outbound>>,
    /// What it was handed: name, key, and what became of it.
    pub(super) handed: RefCell<Vec<(Name, Key, Status)>>,
    pub(super) hand: Cell<Hand>,
    pub(super) spendable: Cell<Msat>,
    pub(super) now_secs: Cell<u64>,
}

pub(super) fn key(n: u8) -> SecretKey {
    SecretKey::from_slice(&[n; 32]).unwrap()
}

pub(super) fn public(n: u8) -> PublicKey {
    PublicKey::from_secret_key(&Secp256k1::new(), &key(n))
}

/// An invoice of node `by`, for [`AMOUNT`] if it names one.
pub(super) fn invoice(by: u8, hash: u8, amount: bool) -> String {
    let builder = InvoiceBuilder::new(Currency::Regtest)
        .description("test".into())
        .payment_hash(sha256::Hash::from_byte_array([hash; 32]))
        .payment_secret(PaymentSecret([1; 32]))
        .duration_since_epoch(Duration::from_secs(NOW))
        .expiry_time(Duration::from_secs(3600))
        .min_final_cltv_expiry_delta(18);
    let builder = if amount {
        builder.amount_milli_satoshis(AMOUNT.get())
    } else {
        builder
    };
    let sign = |hash: &_| Secp256k1::new().sign_ecdsa_recoverable(hash, &key(by));
    builder.build_signed(sign).unwrap().to_string()
}

pub(super) fn bolt11(hash: u8) -> Request {
    Request::Bolt11 {
        invoice: invoice(9, hash, true),
        amount: None,
    }
}

/// An offer of node `by` for any amount.
pub(super) fn offer(by: u8) -> Offer {
    let keys = Keypair::from_secret_key(&Secp256k1::new(), &key(by));
    OfferBuilder::new(keys.public_key())
        .chain(Network::Regtest)
        .build()
        .unwrap()
}

pub(super) fn bolt12() -> Request {
    Request::Bolt12 {
        offer: offer(9).to_string(),
        amount: Some(AMOUNT),
    }
}

impl Fake {
    pub(super) fn new() -> Fake {
        Fake {
            store: RefCell::default(),
            handed: RefCell::default(),
            hand: Cell::new(Hand::Takes),
            spendable: Cell::new(Msat::new(1_000_000)),
            now_secs: Cell::new(NOW),
        }
    }

    /// What was handed over under that name is decided; its store knows if it knew of it.
    pub(super) fn decide(&self, name: Name, status: Status) {
        for handed in self.handed.borrow_mut().iter_mut() {
            if handed.0 == name {
                assert_eq!(handed.2, Status::Pending);
                handed.2 = status;
            }
        }
        if let Some(stored) = self.store.borrow_mut().get_mut(&name.0) {
            stored.status = status;
            stored.at_secs = self.now_secs.get();
            stored.fee = (status == Status::Succeeded).then_some(FEE);
            stored.preimage = (status == Status::Succeeded).then(|| "11".repeat(32));
        }
    }

    pub(super) fn last_name(&self) -> Name {
        self.handed.borrow().last().unwrap().0
    }

    fn put(&self, name: Name, key: &Key, status: Status) {
        let note = match key {
            Key::Note(note) => Some(note.clone()),
            Key::Hash(_) => None,
        };
        let stored = Outbound {
            status,
            amount: Some(AMOUNT),
            fee: None,
            preimage: None,
            note,
            at_secs: self.now_secs.get(),
        };
        self.store.borrow_mut().insert(name.0, stored);
    }
}

impl Hands for Fake {
    fn place(&self) -> Place {
        Place {
            network: Network::Regtest,
            node: public(1),
            now_secs: self.now_secs.get(),
        }
    }

    fn spendable(&self) -> Msat {
        self.spendable.get()
    }

    fn by_key(&self, key: &Key) -> Option<Outbound> {
        let store = self.store.borrow();
        match key {
            Key::Hash(hash) => store.get(hash.as_byte_array()).cloned(),
            Key::Note(note) => store
                .values()
                .find(|one| one.note.as_ref() == Some(note))
                .cloned(),
        }
    }

    fn by_name(&self, name: Name) -> Option<Outbound> {
        self.store.borrow().get(&name.0).cloned()
    }

    fn send(&self, _: &Order, key: &Key, _: Msat) -> Result<Name, Unsent> {
        let name = match key {
            Key::Hash(hash) => Name(hash.to_byte_array()),
            // As random as the node's: no two alike, and not to be guessed from the key.
            Key::Note(_) => {
                let (handed, stored) = (self.handed.borrow().len(), self.store.borrow().len());
                let count = handed + 1_000 * stored;
                Name(sha256::Hash::hash(&count.to_le_bytes()).to_byte_array())
            }
        };
        let died = Err(Unsent::Unknown("the process died".into()));
        let hand = self.hand.get();
        if matches!(hand, Hand::Takes | Hand::DiesStored | Hand::DiesUnstored) {
            let handed = (name, key.clone(), Status::Pending);
            self.handed.borrow_mut().push(handed);
        }
        match hand {
            Hand::Takes => {
                self.put(name, key, Status::Pending);
                Ok(name)
            }
            Hand::DiesBefore | Hand::DiesUnstored => died,
            Hand::DiesStored => {
                self.put(name, key, Status::Pending);
                died
            }
            Hand::Refuses => {
                self.put(name, key, Status::Failed);
                Err(Unsent::Certain("no route".into()))
            }
        }
    }
}
