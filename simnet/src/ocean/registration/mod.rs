//! Registration of an offer at OCEAN: a message with the offer, signed with the key of
//! the address that the work is credited to.

mod signature;

use std::str::FromStr as _;

use bitcoin::Network;
use bitcoin::constants::ChainHash;
use ldk_node::lightning::offers::offer::Offer;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub(super) use signature::verify;

/// Why an offer is not registered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RegistrationError {
    /// The message is not exactly `{"height":<number>,"lightning_bolt12":"<offer>"}`.
    #[error("the configuration message is not as it must be: {0}")]
    Message(String),
    /// A message with a higher height was registered before.
    #[error("the message's height {given} is below {before}, which was registered before")]
    Outdated {
        /// The message's.
        given: u32,
        /// The one before.
        before: u32,
    },
    /// The user is not an address, or of a kind that cannot sign here.
    #[error("{0} is no address whose signature can be checked")]
    Address(String),
    /// The signature is not the address's of this message.
    #[error("the signature is not {0}'s of this message")]
    Signature(String),
    /// It is no BOLT12 offer that OCEAN can pay.
    #[error("error decoding lightning_bolt12: {0}")]
    Offer(String),
    /// The offer's description is another.
    #[error("the offer's description is {given:?} instead of {expected:?}")]
    Description {
        /// The offer's.
        given: String,
        /// What it must be.
        expected: String,
    },
}

/// The message, in this order of fields and without spaces.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Message {
    height: u32,
    lightning_bolt12: String,
}

/// Reads a configuration message: its height and its offer.
pub(super) fn read(message: &str) -> Result<(u32, String), RegistrationError> {
    let bad = |why: String| RegistrationError::Message(why);
    let read: Message = serde_json::from_str(message).map_err(|error| bad(error.to_string()))?;
    // What is signed is compared byte by byte.
    let exact = serde_json::to_string(&read).map_err(|error| bad(error.to_string()))?;
    if exact != message {
        return Err(bad(format!("expected {exact}, without spaces")));
    }
    Ok((read.height, read.lightning_bolt12))
}

/// Whether OCEAN could pay this offer for `address`.
pub(super) fn check_offer(address: &str, offer: &str) -> Result<(), RegistrationError> {
    let bad = |why: &str| RegistrationError::Offer(why.to_owned());
    let offer = Offer::from_str(offer).map_err(|error| bad(&format!("{error:?}")))?;
    if !offer.supports_chain(ChainHash::using_genesis_block_const(Network::Regtest)) {
        return Err(bad("it is for another chain"));
    }
    if offer.amount().is_some() {
        return Err(bad("it has an amount"));
    }
    // Core Lightning does not take one without.
    if offer.issuer_signing_pubkey().is_none() {
        return Err(bad("it has no issuer id"));
    }
    let given = offer.description().map(|text| text.0.to_owned());
    let given = given.unwrap_or_default();
    let expected = format!("OCEAN Payouts for {address}");
    if given != expected {
        return Err(RegistrationError::Description { given, expected });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(message: &str, expected: Option<(u32, &str)>) {
        let read = read(message).ok();
        let read = read
            .as_ref()
            .map(|(height, offer)| (*height, offer.as_str()));
        assert_eq!(read, expected, "{message}");
    }

    #[test]
    fn the_message_is_exact() {
        let good = r#"{"height":845900,"lightning_bolt12":"lno1abc"}"#;
        case(good, Some((845_900, "lno1abc")));
        case(r#"{"height":845900, "lightning_bolt12":"lno1abc"}"#, None);
        case(r#"{"lightning_bolt12":"lno1abc","height":845900}"#, None);
        case(r#"{"height":"845900","lightning_bolt12":"lno1abc"}"#, None);
        case(r#"{"height":1,"lightning_bolt12":"lno1abc","x":1}"#, None);
        case(&format!("{good}\n"), None);
        case("", None);
    }

    #[test]
    fn what_is_no_offer_is_refused() {
        let refused = check_offer("bcrt1q", "lno1abc").unwrap_err();
        assert!(matches!(refused, RegistrationError::Offer(_)), "{refused}");
    }
}
