//! The desk's hands: the node itself.

use accounting::Msat;
use basics::clock::now_secs;
use ldk_node::{Node, NodeError};
use lightning::routing::router::RouteParametersConfig;

use super::{payments, view};
use crate::outgoing::{Hands, Key, Name, Order, Outbound, Place, Unsent};

impl Hands for Node {
    fn place(&self) -> Place {
        Place {
            network: self.config().network,
            node: self.node_id(),
            now_secs: now_secs(),
        }
    }

    fn spendable(&self) -> Msat {
        view::spendable(self)
    }

    fn by_key(&self, key: &Key) -> Option<Outbound> {
        match key {
            Key::Hash(hash) => payments::outbound(self, Name(*hash.as_ref())),
            Key::Note(note) => payments::outbound_with_note(self, note),
        }
    }

    fn by_name(&self, name: Name) -> Option<Outbound> {
        payments::outbound(self, name)
    }

    fn send(&self, order: &Order, key: &Key, fee_limit: Msat) -> Result<Name, Unsent> {
        let route = RouteParametersConfig {
            // Over all parts and all tries; what is paid to the receiver beyond the
            // amount counts, too.
            max_total_routing_fee_msat: Some(fee_limit.get()),
            ..RouteParametersConfig::default()
        };
        let sent = match order {
            Order::Bolt11 { invoice, amount } => match invoice.amount_milli_satoshis() {
                Some(_) => self.bolt11_payment().send(invoice, Some(route)),
                None => self
                    .bolt11_payment()
                    .send_using_amount(invoice, amount.get(), Some(route)),
            },
            Order::Bolt12 { offer, amount } => {
                let quantity = offer.expects_quantity().then_some(1);
                let note = match key {
                    Key::Note(note) => Some(note.clone()),
                    Key::Hash(_) => None,
                };
                let bolt12 = self.bolt12_payment();
                bolt12.send_using_amount(offer, amount.get(), quantity, note, Some(route))
            }
        };
        sent.map(|id| Name(id.0)).map_err(unsent)
    }
}

/// Read from ldk-node's `send` of both kinds: what it says before LDK has the payment, or
/// when LDK does not take it. All else, its store's failing above all, may come after.
fn unsent(error: NodeError) -> Unsent {
    let why = error.to_string().trim_end_matches('.').to_owned();
    match error {
        NodeError::NotRunning
        | NodeError::InvalidInvoice
        | NodeError::InvalidOffer
        | NodeError::InvalidAmount
        | NodeError::UnsupportedCurrency
        | NodeError::InvoiceRequestCreationFailed
        | NodeError::PaymentSendingFailed
        | NodeError::DuplicatePayment => Unsent::Certain(why),
        _ => Unsent::Unknown(why),
    }
}
