//! The adapter from the mint's [`mint::Lightning`] to the payout room's node.
//!
//! The mint stores each payment before it orders it. cdk asks once, and a payment of
//! unknown outcome stays open: ecash is returned only for a payment that certainly was not
//! made. Open melts are checked when the node reports a decision, every fifteen seconds, at
//! start, and when a wallet asks. `Mint::pause_melts` refuses new quotes and payments with
//! a reason, which `/v1/info` repeats (`disabled`, message of the day); payments under way
//! go on, and a pause survives a restart.

use accounting::Msat;
use async_trait::async_trait;
use mint::{Lightning, LightningError, PayId, PayQuote, PayRequest, PayState};
use payout::Payer;
use payout::outgoing::{Outcome, PayError, Quote, Request};

/// The node as the mint sees it. Whether melts are paused is the mint's own affair: it
/// asks neither for a quote nor for a payment then, and looks up all the same.
#[derive(Clone, Debug)]
pub(crate) struct Melts(Payer);

impl Melts {
    /// Pays with `payer`.
    pub(crate) fn new(payer: Payer) -> Self {
        Melts(payer)
    }
}

#[async_trait]
impl Lightning for Melts {
    async fn quote(&self, request: &PayRequest) -> Result<PayQuote, LightningError> {
        let quoted = self.0.quote(order(request)).await;
        let Quote { amount, fee_limit } = quoted.map_err(error)?;
        Ok(PayQuote { amount, fee_limit })
    }

    async fn pay(
        &self,
        id: &PayId,
        request: &PayRequest,
        fee_limit: Msat,
    ) -> Result<PayState, LightningError> {
        let paid = self.0.pay(id.as_str(), order(request), fee_limit).await;
        paid.map(state).map_err(error)
    }

    async fn look_up(&self, id: &PayId) -> Result<PayState, LightningError> {
        self.0.look_up(id.as_str()).await.map(state).map_err(error)
    }
}

fn order(request: &PayRequest) -> Request {
    match request.clone() {
        PayRequest::Bolt11 { invoice, amount } => Request::Bolt11 { invoice, amount },
        PayRequest::Bolt12 { offer, amount } => Request::Bolt12 { offer, amount },
    }
}

fn state(outcome: Outcome) -> PayState {
    match outcome {
        Outcome::Paid { spent, preimage } => PayState::Paid { spent, preimage },
        // Why is in the log, where the payment was refused or failed.
        Outcome::NotPaid { .. } => PayState::NotPaid,
        Outcome::Pending => PayState::Pending,
    }
}

fn error(error: PayError) -> LightningError {
    LightningError(error.to_string())
}
