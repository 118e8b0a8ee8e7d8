//! What the mint needs of a lightning node to melt ecash, and cdk's view of it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use cdk_common::payment::{
    Bolt11Settings, Bolt12Settings, CreateIncomingPaymentResponse, Error, Event,
    IncomingPaymentOptions, MakePaymentResponse, MintPayment, OutgoingPaymentOptions,
    PaymentIdentifier, PaymentQuoteResponse, SettingsResponse, WaitPaymentResponse,
};
use cdk_common::quote_id::QuoteId;
use cdk_common::{Amount, CurrencyUnit, MeltOptions, MeltQuoteState};
use futures::Stream;
use ledger::{Msat, Sat};
use thiserror::Error as ThisError;

/// What is to be paid.
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

/// Names an outgoing payment before its first try: the id of its melt quote. A node
/// must make no second payment under the same id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PayId(String);

impl PayId {
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

/// What a payment will cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayQuote {
    /// What the receiver gets.
    pub amount: Msat,
    /// What the way there may cost at most; the rest goes back to the payer.
    pub fee_limit: Msat,
}

/// What became of a payment.
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

/// The node could not do it; what that means for the money is asked with
/// [`Lightning::look_up`].
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
#[error("lightning: {0}")]
pub struct LightningError(pub String);

/// The mint's whole need of a lightning node. The binary adapts one to it.
#[async_trait]
pub trait Lightning: Send + Sync + 'static {
    /// What paying `request` would cost. Pays nothing.
    async fn quote(&self, request: &PayRequest) -> Result<PayQuote, LightningError>;

    /// Pays once: with an `id` that was used before it makes no payment, and says what
    /// became of that one. `fee_limit` is kept.
    async fn pay(
        &self,
        id: &PayId,
        request: &PayRequest,
        fee_limit: Msat,
    ) -> Result<PayState, LightningError>;

    /// What became of the payment `id`.
    async fn look_up(&self, id: &PayId) -> Result<PayState, LightningError>;
}

/// cdk's view of a [`Lightning`]: outgoing payments only.
pub(crate) struct LightningMethod {
    node: Arc<dyn Lightning>,
    listening: AtomicBool,
}

impl LightningMethod {
    pub(crate) fn new(node: Arc<dyn Lightning>) -> Self {
        LightningMethod {
            node,
            listening: AtomicBool::new(false),
        }
    }
}

#[async_trait]
impl MintPayment for LightningMethod {
    type Err = Error;

    async fn get_settings(&self) -> Result<SettingsResponse, Error> {
        Ok(SettingsResponse {
            unit: CurrencyUnit::Sat.to_string(),
            bolt11: Some(Bolt11Settings {
                mpp: false,
                amountless: true,
                invoice_description: false,
            }),
            bolt12: Some(Bolt12Settings {
                amountless: true,
                invoice_description: false,
            }),
            onchain: None,
            custom: std::collections::HashMap::new(),
        })
    }

    /// Ecash is issued for work alone.
    async fn create_incoming_payment_request(
        &self,
        _: IncomingPaymentOptions,
    ) -> Result<CreateIncomingPaymentResponse, Error> {
        Err(Error::UnsupportedPaymentOption)
    }

    async fn get_payment_quote(
        &self,
        unit: &CurrencyUnit,
        options: OutgoingPaymentOptions,
    ) -> Result<PaymentQuoteResponse, Error> {
        sat_only(unit)?;
        let outgoing = Outgoing::read(options)?;
        let quote = self.node.quote(&outgoing.request).await.map_err(backend)?;
        Ok(PaymentQuoteResponse {
            request_lookup_id: Some(PaymentIdentifier::QuoteId(outgoing.quote)),
            amount: sat_ceil(quote.amount)?,
            fee: sat_ceil(quote.fee_limit)?,
            state: MeltQuoteState::Unpaid,
            extra_json: None,
            estimated_blocks: None,
            fee_options: None,
        })
    }

    async fn make_payment(
        &self,
        unit: &CurrencyUnit,
        options: OutgoingPaymentOptions,
    ) -> Result<MakePaymentResponse, Error> {
        sat_only(unit)?;
        let outgoing = Outgoing::read(options)?;
        let id = PayId(outgoing.quote.to_string());
        let state = self
            .node
            .pay(&id, &outgoing.request, outgoing.fee_limit)
            .await
            .map_err(backend)?;
        answer(outgoing.quote, state)
    }

    /// Pending payments are settled when their quote is asked about, and at start.
    async fn wait_payment_event(&self) -> Result<Pin<Box<dyn Stream<Item = Event> + Send>>, Error> {
        self.listening.store(true, Ordering::SeqCst);
        Ok(Box::pin(futures::stream::pending()))
    }

    fn is_payment_event_stream_active(&self) -> bool {
        self.listening.load(Ordering::SeqCst)
    }

    fn cancel_payment_event_stream(&self) {
        self.listening.store(false, Ordering::SeqCst);
    }

    async fn check_incoming_payment_status(
        &self,
        _: &PaymentIdentifier,
    ) -> Result<Vec<WaitPaymentResponse>, Error> {
        Ok(Vec::new())
    }

    async fn check_outgoing_payment(
        &self,
        identifier: &PaymentIdentifier,
    ) -> Result<MakePaymentResponse, Error> {
        let PaymentIdentifier::QuoteId(quote) = identifier else {
            return Err(Error::UnknownPaymentState);
        };
        let state = self
            .node
            .look_up(&PayId(quote.to_string()))
            .await
            .map_err(backend)?;
        answer(quote.clone(), state)
    }
}

/// The parts of cdk's options that a payment needs.
struct Outgoing {
    quote: QuoteId,
    request: PayRequest,
    fee_limit: Msat,
}

impl Outgoing {
    fn read(options: OutgoingPaymentOptions) -> Result<Self, Error> {
        let (quote, request, limit) = match options {
            OutgoingPaymentOptions::Bolt11(options) => (
                options.quote_id,
                PayRequest::Bolt11 {
                    invoice: options.bolt11.to_string(),
                    amount: given_amount(options.melt_options)?,
                },
                options.max_fee_amount,
            ),
            OutgoingPaymentOptions::Bolt12(options) => (
                options.quote_id,
                PayRequest::Bolt12 {
                    offer: options.offer.to_string(),
                    amount: given_amount(options.melt_options)?,
                },
                options.max_fee_amount,
            ),
            OutgoingPaymentOptions::Custom(_) | OutgoingPaymentOptions::Onchain(_) => {
                return Err(Error::UnsupportedPaymentOption);
            }
        };
        let fee_limit = match limit {
            Some(limit) => {
                sat_only(limit.unit())?;
                Sat::new(limit.value())
                    .to_msat()
                    .ok_or(Error::AmountMismatch)?
            }
            None => Msat::ZERO,
        };
        Ok(Outgoing {
            quote,
            request,
            fee_limit,
        })
    }
}

fn given_amount(options: Option<MeltOptions>) -> Result<Option<Msat>, Error> {
    match options {
        None => Ok(None),
        Some(MeltOptions::Amountless { amountless }) => {
            Ok(Some(Msat::new(u64::from(amountless.amount_msat))))
        }
        Some(MeltOptions::Mpp { .. }) => Err(Error::UnsupportedPaymentOption),
    }
}

fn answer(quote: QuoteId, state: PayState) -> Result<MakePaymentResponse, Error> {
    let (status, spent, preimage) = match state {
        PayState::Paid { spent, preimage } => (MeltQuoteState::Paid, sat_ceil(spent)?, preimage),
        PayState::NotPaid => (MeltQuoteState::Failed, zero(), None),
        PayState::Pending => (MeltQuoteState::Pending, zero(), None),
    };
    Ok(MakePaymentResponse {
        payment_lookup_id: PaymentIdentifier::QuoteId(quote),
        payment_proof: preimage,
        status,
        total_spent: spent,
    })
}

fn zero() -> Amount<CurrencyUnit> {
    Amount::new(0, CurrencyUnit::Sat)
}

/// Rounded up: what leaves the node is never more than the ecash that was burnt.
fn sat_ceil(amount: Msat) -> Result<Amount<CurrencyUnit>, Error> {
    let up = u64::from(!amount.below_sat().is_zero());
    let sat = amount
        .to_sat_floor()
        .checked_add(Sat::new(up))
        .ok_or(Error::AmountMismatch)?;
    Ok(Amount::new(sat.get(), CurrencyUnit::Sat))
}

fn sat_only(unit: &CurrencyUnit) -> Result<(), Error> {
    if *unit == CurrencyUnit::Sat {
        Ok(())
    } else {
        Err(Error::UnsupportedUnit)
    }
}

fn backend(error: LightningError) -> Error {
    Error::Backend(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_rounded_up() {
        for (msat, sat) in [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2)] {
            assert_eq!(
                sat_ceil(Msat::new(msat)).expect("small").value(),
                sat,
                "{msat} msat"
            );
        }
    }
}
