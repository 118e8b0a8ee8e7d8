//! What is to be paid, checked before anything else looks at it: strangers write it.

use std::time::Duration;

use accounting::Msat;
use bitcoin::Network;
use bitcoin::constants::ChainHash;
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::secp256k1::PublicKey;
use ldk_node::lightning_invoice::Bolt11Invoice;
use lightning::offers::offer::{Amount, Offer};
use thiserror::Error;

/// What is to be paid, as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A BOLT11 invoice.
    Bolt11 {
        /// Its text.
        invoice: String,
        /// The amount, for an invoice that names none.
        amount: Option<Msat>,
    },
    /// A BOLT12 offer.
    Bolt12 {
        /// Its text.
        offer: String,
        /// The amount, for an offer that names none.
        amount: Option<Msat>,
    },
}

/// Why it is not paid.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// Too long to be one.
    #[error("{0} bytes are more than an invoice or offer has")]
    Long(usize),
    /// It cannot be read.
    #[error("not a valid {what}: {why}")]
    Unreadable {
        /// What it should be.
        what: &'static str,
        /// Why it is not.
        why: String,
    },
    /// It is of another network.
    #[error("the request is not for {0}")]
    OtherNetwork(Network),
    /// It is out of date.
    #[error("the {0} has expired")]
    Expired(&'static str),
    /// Nobody says how much.
    #[error("the {0} names no amount, and none was given")]
    NoAmount(&'static str),
    /// Nothing is to be paid.
    #[error("an amount of 0 cannot be paid")]
    Zero,
    /// Another amount was given than it names.
    #[error("the amount given is {given} msat, but the request is for {asked} msat")]
    OtherAmount {
        /// What was given.
        given: Msat,
        /// What it names.
        asked: Msat,
    },
    /// An offer in another currency: what that is in bitcoin only its issuer says.
    #[error("the offer's amount is in another currency than bitcoin")]
    Currency,
    /// The node would pay itself.
    #[error("the request is the pool's own: the node cannot pay itself")]
    Ours,
    /// The way there may cost more than can be said.
    #[error("{0} msat cannot be paid")]
    Amount(Msat),
}

/// What can be paid.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    Bolt11 {
        invoice: Box<Bolt11Invoice>,
        amount: Msat,
    },
    Bolt12 {
        offer: Box<Offer>,
        amount: Msat,
    },
}

/// Who pays, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) network: Network,
    pub(crate) node: PublicKey,
    pub(crate) now_secs: u64,
}

/// Ours are below 1,000 characters; those with many paths have some thousands.
const MAX_BYTES: usize = 16 * 1024;

impl Request {
    /// Checks it.
    pub(super) fn order(&self, place: &Place) -> Result<Order, RequestError> {
        match self {
            Request::Bolt11 { invoice, amount } => bolt11(short(invoice)?, *amount, place),
            Request::Bolt12 { offer, amount } => bolt12(short(offer)?, *amount, place),
        }
    }
}

impl Order {
    pub(super) fn amount(&self) -> Msat {
        match self {
            Order::Bolt11 { amount, .. } | Order::Bolt12 { amount, .. } => *amount,
        }
    }

    /// When the invoice was made, seconds since 1970; an offer may be of any age.
    pub(super) fn made_secs(&self) -> Option<u64> {
        match self {
            Order::Bolt11 { invoice, .. } => Some(invoice.duration_since_epoch().as_secs()),
            Order::Bolt12 { .. } => None,
        }
    }

    /// The payment hash; an offer has none before it is paid.
    pub(super) fn hash(&self) -> Option<sha256::Hash> {
        match self {
            Order::Bolt11 { invoice, .. } => Some(sha256::Hash::from_byte_array(
                invoice.payment_hash().to_byte_array(),
            )),
            Order::Bolt12 { .. } => None,
        }
    }
}

fn short(text: &str) -> Result<&str, RequestError> {
    if text.len() > MAX_BYTES {
        return Err(RequestError::Long(text.len()));
    }
    Ok(text)
}

fn bolt11(text: &str, given: Option<Msat>, place: &Place) -> Result<Order, RequestError> {
    let invoice: Bolt11Invoice = text.parse().map_err(|error| RequestError::Unreadable {
        what: "BOLT11 invoice",
        why: format!("{error}"),
    })?;
    if invoice.network() != place.network {
        return Err(RequestError::OtherNetwork(place.network));
    }
    if invoice.would_expire(Duration::from_secs(place.now_secs)) {
        return Err(RequestError::Expired("invoice"));
    }
    if invoice.get_payee_pub_key() == place.node {
        return Err(RequestError::Ours);
    }
    let asked = invoice.amount_milli_satoshis().map(Msat::new);
    let amount = amount("invoice", asked, given)?;
    let invoice = Box::new(invoice);
    Ok(Order::Bolt11 { invoice, amount })
}

fn bolt12(text: &str, given: Option<Msat>, place: &Place) -> Result<Order, RequestError> {
    let offer: Offer = text.parse().map_err(|error| RequestError::Unreadable {
        what: "BOLT12 offer",
        why: format!("{error:?}"),
    })?;
    if !offer.supports_chain(ChainHash::using_genesis_block_const(place.network)) {
        return Err(RequestError::OtherNetwork(place.network));
    }
    if offer.is_expired_no_std(Duration::from_secs(place.now_secs)) {
        return Err(RequestError::Expired("offer"));
    }
    if offer.issuer_signing_pubkey() == Some(place.node) {
        return Err(RequestError::Ours);
    }
    let asked = match offer.amount() {
        None => None,
        Some(Amount::Bitcoin { amount_msats }) => Some(Msat::new(amount_msats)),
        Some(Amount::Currency { .. }) => return Err(RequestError::Currency),
    };
    let amount = amount("offer", asked, given)?;
    let offer = Box::new(offer);
    Ok(Order::Bolt12 { offer, amount })
}

fn amount(
    what: &'static str,
    asked: Option<Msat>,
    given: Option<Msat>,
) -> Result<Msat, RequestError> {
    let amount = match (asked, given) {
        (None, None) => return Err(RequestError::NoAmount(what)),
        (Some(asked), Some(given)) if asked != given => {
            return Err(RequestError::OtherAmount { given, asked });
        }
        (Some(amount), _) | (None, Some(amount)) => amount,
    };
    if amount.is_zero() {
        return Err(RequestError::Zero);
    }
    Ok(amount)
}
