//! Making an offer outside the node, from the node's own keys.

use bitcoin::Network;
use bitcoin::secp256k1::{PublicKey, Secp256k1};
use lightning::blinded_path::message::{
    BlindedMessagePath, MessageContext, MessageForwardNode, OffersContext,
};
use lightning::offers::nonce::Nonce;
use lightning::offers::offer::{Offer, OfferBuilder};
use lightning::sign::{NodeSigner as _, Recipient};
use thiserror::Error;

use crate::keys::{KeyError, node_keys};
use crate::offer_book::Route;
use crate::seed::Seed;

/// Why no offer could be made.
#[derive(Debug, Error)]
pub enum MakeError {
    /// The words give no key, or the clock is before 1970.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// LDK has no id for the node.
    #[error("the node's keys give no node id")]
    NoId,
    /// The words are not those of the running node.
    #[error("the seed words belong to node {}, but the node is {}", .0.ours, .0.node)]
    OtherNode(Box<OtherNode>),
    /// LDK's reason.
    #[error("building the offer: {0}")]
    Build(String),
}

/// Words that belong to another node.
#[derive(Debug)]
pub struct OtherNode {
    /// Whose the words are.
    pub ours: PublicKey,
    /// The node.
    pub node: PublicKey,
}

/// An offer of `node` for any amount, without an end, with OCEAN's description. Each
/// call makes another offer; all of them stay payable.
pub(super) fn make(
    seed: &Seed,
    network: Network,
    node: PublicKey,
    address: &str,
    route: &Route,
) -> Result<Offer, MakeError> {
    let keys = node_keys(seed, network)?;
    let ours = keys
        .get_node_id(Recipient::Node)
        .map_err(|()| MakeError::NoId)?;
    if ours != node {
        return Err(MakeError::OtherNode(Box::new(OtherNode { ours, node })));
    }
    let secp = Secp256k1::new();
    let nonce = Nonce::from_entropy_source(&keys);
    let mut builder =
        OfferBuilder::deriving_signing_pubkey(node, &keys.get_expanded_key(), nonce, &secp)
            .chain(network)
            .description(description(address));
    if let Route::Through(peer) = route {
        let hop = MessageForwardNode {
            node_id: *peer,
            // By node id: a channel's name would die with the channel.
            short_channel_id: None,
        };
        let context = MessageContext::Offers(OffersContext::InvoiceRequest { nonce });
        let key = keys.get_receive_auth_key();
        builder = builder.path(BlindedMessagePath::new(
            &[hop],
            node,
            key,
            context,
            &keys,
            &secp,
        ));
    }
    builder
        .build()
        .map_err(|error| MakeError::Build(format!("{error:?}")))
}

/// What OCEAN asks for, exact to the letter (facts of its documentation).
pub(super) fn description(address: &str) -> String {
    format!("OCEAN Payouts for {address}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use lightning::blinded_path::IntroductionNode;

    const WORDS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";
    const PEER: &str = "029ef2ce43571727104099576c633b2233bfeb8dc18b476f93540a32207da9e9a4";

    fn offer(route: &Route) -> (Offer, PublicKey) {
        let seed = Seed::for_tests(WORDS);
        let node = node_keys(&seed, Network::Regtest)
            .unwrap()
            .get_node_id(Recipient::Node)
            .unwrap();
        let offer = make(&seed, Network::Regtest, node, "bcrt1qexample", route).unwrap();
        (offer, node)
    }

    #[test]
    fn a_public_nodes_offer_is_short_and_names_the_node() {
        let (offer, node) = offer(&Route::Public);
        assert_eq!(offer.paths().len(), 0);
        assert_eq!(offer.issuer_signing_pubkey(), Some(node));
        assert_eq!(
            offer.description().unwrap().to_string(),
            "OCEAN Payouts for bcrt1qexample"
        );
        assert_eq!(offer.amount(), None);
        assert_eq!(offer.absolute_expiry(), None);
        assert!(offer.to_string().len() < 300, "{offer}");
    }

    #[test]
    fn a_private_nodes_offer_goes_through_its_peer_by_node_id() {
        let (offer, _) = offer(&Route::Through(PEER.parse().unwrap()));
        assert_eq!(offer.paths().len(), 1);
        let path = &offer.paths()[0];
        let IntroductionNode::NodeId(introduction) = path.introduction_node() else {
            panic!("{path:?} names a channel");
        };
        assert_eq!(introduction.to_string(), PEER);
        assert!(
            offer.to_string().len() < 1000,
            "{}",
            offer.to_string().len()
        );
    }

    #[test]
    fn each_is_another() {
        assert_ne!(offer(&Route::Public).0.id(), offer(&Route::Public).0.id());
    }

    #[test]
    fn anothers_words_make_no_offer() {
        let seed = Seed::for_tests(WORDS);
        let error = make(
            &seed,
            Network::Regtest,
            PEER.parse().unwrap(),
            "x",
            &Route::Public,
        );
        assert!(matches!(error, Err(MakeError::OtherNode { .. })));
    }
}
