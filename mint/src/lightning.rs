//! The interface to a lightning node, with all that melts need of one.

use std::fmt;

use accounting::Msat;
use async_trait::async_trait;
use thiserror::Error;

/// The request that a melt pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayRequest {
    /// A BOLT11 invoice.
    Bolt11 {
        /// The invoice's text.
        invoice: String,
        /// The amount, for an invoice that names none.
        amount: Option<Msat>,
    },
    /// A BOLT12 offer.
    Bolt12 {
        /// The offer's text.
        offer: String,
        /// The amount, for an offer that names none.
        amount: Option<Msat>,
    },
}

impl PayRequest {
    /// The amount that was given beside the request.
    pub(crate) fn amount(&self) -> Option<Msat> {
        match self {
            PayRequest::Bolt11 { amount, .. } | PayRequest::Bolt12 { amount, .. } => *amount,
        }
    }
}

/// Names an outgoing payment before its first try: the id of its melt quote. A node
/// must make no second payment under the same id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PayId(String);

impl PayId {
    pub(crate) fn new(quote: String) -> Self {
        PayId(quote)
    }

    /// The id as text: a UUID.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The cost of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayQuote {
    /// The receiver gets this amount.
    pub amount: Msat,
    /// The most that the route may cost; the rest goes back to the payer.
    pub fee_limit: Msat,
}

/// The outcome of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayState {
    /// It arrived.
    Paid {
        /// Amount and fees together.
        spent: Msat,
        /// The preimage in hex: the payer's receipt.
        preimage: Option<String>,
    },
    /// It failed for good, or was never made and never will be: only said when it is
    /// certain, since the ecash goes back to the payer.
    NotPaid,
    /// Under way, or nobody knows: asked again later, never guessed.
    Pending,
}

/// The node could not do it. [`Lightning::look_up`] tells the outcome of the payment.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("lightning: {0}")]
pub struct LightningError(pub String);

/// The mint's whole need of a lightning node. The binary adapts one to it.
///
/// It may be there before its node is: while the node is down all three answer an
/// error. A quote's error is what the asking wallet reads; a payment's and a look-up's
/// leave the payment open, and it is asked about again.
#[async_trait]
pub trait Lightning: Send + Sync + 'static {
    /// The cost of paying `request`. Pays nothing.
    async fn quote(&self, request: &PayRequest) -> Result<PayQuote, LightningError>;

    /// Pays once: with an `id` that was used before it makes no payment, and answers the
    /// outcome of the earlier one. `fee_limit` is kept.
    async fn pay(
        &self,
        id: &PayId,
        request: &PayRequest,
        fee_limit: Msat,
    ) -> Result<PayState, LightningError>;

    /// The outcome of the payment `id`.
    async fn look_up(&self, id: &PayId) -> Result<PayState, LightningError>;
}
