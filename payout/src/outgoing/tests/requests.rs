//! What strangers ask to be paid.

use accounting::Msat;
use bitcoin::Network;
use bitcoin::hashes::Hash as _;
use lightning::offers::offer::OfferBuilder;
use std::num::NonZeroU64;
use std::time::Duration;

use super::fake::{AMOUNT, NOW, invoice, offer, public};
use crate::outgoing::RequestError as Error;
use crate::outgoing::request::{Order, Place, Request};

fn place(network: Network, now_secs: u64) -> Place {
    Place {
        network,
        node: public(1),
        now_secs,
    }
}

fn bolt11(text: &str, amount: Option<u64>) -> Request {
    Request::Bolt11 {
        invoice: text.into(),
        amount: amount.map(Msat::new),
    }
}

fn bolt12(text: &str, amount: Option<u64>) -> Request {
    Request::Bolt12 {
        offer: text.into(),
        amount: amount.map(Msat::new),
    }
}

#[track_caller]
fn takes(request: &Request, amount: u64) -> Order {
    let order = request.order(&place(Network::Regtest, NOW)).unwrap();
    assert_eq!(order.amount(), Msat::new(amount));
    order
}

#[track_caller]
fn refuses(request: &Request, error: Error) {
    let refused = request.order(&place(Network::Regtest, NOW)).unwrap_err();
    assert_eq!(refused, error);
}

#[test]
fn invoices() {
    let (fixed, open) = (invoice(9, 1, true), invoice(9, 1, false));
    let asked = AMOUNT.get();
    let order = takes(&bolt11(&fixed, None), asked);
    assert_eq!(order.hash().unwrap().to_byte_array(), [1; 32]);
    takes(&bolt11(&fixed, Some(asked)), asked);
    takes(&bolt11(&open, Some(1)), 1);
    refuses(
        &bolt11(&fixed, Some(asked + 1)),
        Error::OtherAmount {
            given: Msat::new(asked + 1),
            asked: AMOUNT,
        },
    );
    refuses(&bolt11(&open, None), Error::NoAmount("invoice"));
    refuses(&bolt11(&open, Some(0)), Error::Zero);
    refuses(&bolt11(&invoice(1, 1, true), None), Error::Ours);
    refuses(&bolt11(&"x".repeat(16_385), None), Error::Long(16_385));

    let at = |network, now| {
        bolt11(&fixed, None)
            .order(&place(network, now))
            .unwrap_err()
    };
    assert_eq!(
        at(Network::Bitcoin, NOW),
        Error::OtherNetwork(Network::Bitcoin)
    );
    assert_eq!(at(Network::Regtest, NOW + 3601), Error::Expired("invoice"));
    for nonsense in [
        "",
        "lnbcrt",
        &fixed[..fixed.len() - 1],
        &offer(9).to_string(),
    ] {
        let error = bolt11(nonsense, None).order(&place(Network::Regtest, NOW));
        assert!(matches!(error, Err(Error::Unreadable { .. })), "{nonsense}");
    }
}

#[test]
fn offers() {
    let open = offer(9).to_string();
    assert_eq!(takes(&bolt12(&open, Some(1)), 1).hash(), None);
    refuses(&bolt12(&open, None), Error::NoAmount("offer"));
    refuses(&bolt12(&open, Some(0)), Error::Zero);
    refuses(&bolt12(&offer(1).to_string(), Some(1)), Error::Ours);
    let made = || OfferBuilder::new(public(9)).chain(Network::Regtest);
    let fixed = made().amount_msats(7).build().unwrap().to_string();
    takes(&bolt12(&fixed, None), 7);
    takes(&bolt12(&fixed, Some(7)), 7);
    refuses(
        &bolt12(&fixed, Some(6)),
        Error::OtherAmount {
            given: Msat::new(6),
            asked: Msat::new(7),
        },
    );
    let late = made().absolute_expiry(Duration::from_secs(NOW - 1));
    let late = late.build().unwrap().to_string();
    refuses(&bolt12(&late, Some(1)), Error::Expired("offer"));
    let mainnet = OfferBuilder::new(public(9)).build().unwrap().to_string();
    refuses(
        &bolt12(&mainnet, Some(1)),
        Error::OtherNetwork(Network::Regtest),
    );
    let many = lightning::offers::offer::Quantity::Bounded(NonZeroU64::new(5).unwrap());
    let many = made().amount_msats(7).supported_quantity(many);
    takes(&bolt12(&many.build().unwrap().to_string(), None), 7);
    for nonsense in ["", "lno1", &open[..open.len() - 1]] {
        let error = bolt12(nonsense, Some(1)).order(&place(Network::Regtest, NOW));
        assert!(matches!(error, Err(Error::Unreadable { .. })), "{nonsense}");
    }
}
