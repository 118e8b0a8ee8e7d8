//! cdk's view of a [`Lightning`]: outgoing payments, and none while melts are paused.

use std::pin::Pin;
use std::sync::Arc;

use accounting::{Msat, Sat};
use async_trait::async_trait;
use cdk_common::amount::amount_for_offer;
use cdk_common::payment::{
    Bolt11Settings, Bolt12Settings, CreateIncomingPaymentResponse, Error, Event,
    IncomingPaymentOptions, MakePaymentResponse, MintPayment, OutgoingPaymentOptions,
    PaymentIdentifier, PaymentQuoteResponse, SettingsResponse, WaitPaymentResponse,
};
use cdk_common::quote_id::QuoteId;
use cdk_common::{Amount, CurrencyUnit, MeltOptions, MeltQuoteState};
use futures::Stream;

use crate::lightning::{Lightning, LightningError, PayId, PayRequest, PayState};
use crate::no_events::NoEvents;
use crate::pause::Pause;
use crate::refused;

/// cdk's view of a [`Lightning`].
pub(crate) struct LightningMethod {
    node: Arc<dyn Lightning>,
    pause: Arc<Pause>,
    events: NoEvents,
}

impl LightningMethod {
    pub(crate) fn new(node: Arc<dyn Lightning>, pause: Arc<Pause>) -> Self {
        LightningMethod {
            node,
            pause,
            events: NoEvents::default(),
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
        let quote = match self.node.quote(&outgoing.request).await {
            Ok(quote) => quote,
            Err(error) => {
                refused::tell(error.0.clone());
                return Err(backend(error));
            }
        };
        let fraction = quote.amount.below_sat();
        let reserve = quote.fee_limit.checked_add(fraction);
        Ok(PaymentQuoteResponse {
            request_lookup_id: Some(PaymentIdentifier::QuoteId(outgoing.quote)),
            amount: Amount::new(quote.amount.to_sat_floor().get(), CurrencyUnit::Sat),
            fee: sat_ceil(reserve.ok_or(Error::AmountMismatch)?)?,
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
        if self.pause.why().is_some() {
            // Never handed to the node: certain, and the ecash goes back.
            return answer(outgoing.quote, PayState::NotPaid);
        }
        let Some(fee_limit) = outgoing.reserve.checked_sub(outgoing.fraction) else {
            // The quote is of an older version, and its reserve does not cover the fraction.
            return answer(outgoing.quote, PayState::NotPaid);
        };
        let id = PayId::new(outgoing.quote.to_string());
        let state = self
            .node
            .pay(&id, &outgoing.request, fee_limit)
            .await
            .map_err(backend)?;
        answer(outgoing.quote, state)
    }

    /// Pending payments are settled when their quote is asked about, at start and by
    /// [`Mint::spawn_melt_settler`](crate::Mint::spawn_melt_settler).
    async fn wait_payment_event(&self) -> Result<Pin<Box<dyn Stream<Item = Event> + Send>>, Error> {
        Ok(self.events.listen())
    }

    fn is_payment_event_stream_active(&self) -> bool {
        self.events.is_listened_to()
    }

    fn cancel_payment_event_stream(&self) {
        self.events.cancel();
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
        match self.node.look_up(&PayId::new(quote.to_string())).await {
            Ok(state) => answer(quote.clone(), state),
            Err(error) => {
                tracing::warn!(%quote, %error, "the outcome of a payment is unknown; will ask again");
                // cdk leaves everything as it is. An error here would make it forget what
                // the payment itself answered.
                Ok(made(quote.clone(), MeltQuoteState::Unknown, zero(), None))
            }
        }
    }
}

/// The parts of cdk's options that a payment needs.
///
/// A quote's amount is in whole sats, rounded down: cdk's wallet computes it from the request
/// by itself, and refuses any other. The fraction is paid from the fee reserve, which is
/// higher by it, so that amount and reserve together cover all that leaves the node.
struct Outgoing {
    quote: QuoteId,
    request: PayRequest,
    /// The quote's fee reserve.
    reserve: Msat,
    /// What the amount has beyond whole sats.
    fraction: Msat,
}

impl Outgoing {
    fn read(options: OutgoingPaymentOptions) -> Result<Self, Error> {
        let (quote, request, asked, limit) = match options {
            OutgoingPaymentOptions::Bolt11(options) => (
                options.quote_id,
                PayRequest::Bolt11 {
                    invoice: options.bolt11.to_string(),
                    amount: given_amount(options.melt_options)?,
                },
                options.bolt11.amount_milli_satoshis(),
                options.max_fee_amount,
            ),
            OutgoingPaymentOptions::Bolt12(options) => (
                options.quote_id,
                PayRequest::Bolt12 {
                    offer: options.offer.to_string(),
                    amount: given_amount(options.melt_options)?,
                },
                // One in another currency has none, and the node gives no quote for it.
                amount_for_offer(&options.offer, &CurrencyUnit::Msat)
                    .ok()
                    .map(u64::from),
                options.max_fee_amount,
            ),
            OutgoingPaymentOptions::Custom(_) | OutgoingPaymentOptions::Onchain(_) => {
                return Err(Error::UnsupportedPaymentOption);
            }
        };
        let reserve = match limit {
            Some(limit) => {
                sat_only(limit.unit())?;
                Sat::new(limit.value())
                    .to_msat()
                    .ok_or(Error::AmountMismatch)?
            }
            None => Msat::ZERO,
        };
        let amount = asked.map(Msat::new).or(request.amount());
        Ok(Outgoing {
            quote,
            request,
            reserve,
            fraction: amount.map_or(Msat::ZERO, Msat::below_sat),
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
    Ok(made(quote, status, spent, preimage))
}

fn made(
    quote: QuoteId,
    status: MeltQuoteState,
    total_spent: Amount<CurrencyUnit>,
    payment_proof: Option<String>,
) -> MakePaymentResponse {
    MakePaymentResponse {
        payment_lookup_id: PaymentIdentifier::QuoteId(quote),
        payment_proof,
        status,
        total_spent,
    }
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
