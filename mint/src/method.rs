//! The payment method `axepool`: what pays its quotes is work, so nobody can ask for
//! one, nothing can be paid out through it, and no backend is asked about it.

use std::collections::HashMap;
use std::pin::Pin;

use async_trait::async_trait;
use cdk_common::CurrencyUnit;
use cdk_common::payment::{
    CreateIncomingPaymentResponse, Error, Event, IncomingPaymentOptions, MakePaymentResponse,
    MintPayment, OutgoingPaymentOptions, PaymentIdentifier, PaymentQuoteResponse, SettingsResponse,
    WaitPaymentResponse,
};
use futures::Stream;

use crate::no_events::NoEvents;
use crate::quote::METHOD;

/// cdk's view of the method: it exists, and refuses everything.
#[derive(Default)]
pub(crate) struct WorkMethod {
    events: NoEvents,
}

#[async_trait]
impl MintPayment for WorkMethod {
    type Err = Error;

    async fn get_settings(&self) -> Result<SettingsResponse, Error> {
        Ok(SettingsResponse {
            unit: CurrencyUnit::Sat.to_string(),
            bolt11: None,
            bolt12: None,
            onchain: None,
            custom: HashMap::from([(METHOD.to_owned(), "{}".to_owned())]),
        })
    }

    async fn create_incoming_payment_request(
        &self,
        _: IncomingPaymentOptions,
    ) -> Result<CreateIncomingPaymentResponse, Error> {
        Err(Error::UnsupportedPaymentOption)
    }

    async fn get_payment_quote(
        &self,
        _: &CurrencyUnit,
        _: OutgoingPaymentOptions,
    ) -> Result<PaymentQuoteResponse, Error> {
        Err(Error::UnsupportedPaymentOption)
    }

    async fn make_payment(
        &self,
        _: &CurrencyUnit,
        _: OutgoingPaymentOptions,
    ) -> Result<MakePaymentResponse, Error> {
        Err(Error::UnsupportedPaymentOption)
    }

    /// Payments come from the outbox, written with the quotes in one transaction.
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
        _: &PaymentIdentifier,
    ) -> Result<MakePaymentResponse, Error> {
        Err(Error::UnsupportedPaymentOption)
    }
}
