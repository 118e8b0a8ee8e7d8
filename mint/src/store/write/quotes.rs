//! Writes to mint quotes and melt quotes. Payments and issues are counted in the totals.

use async_trait::async_trait;
use cdk_common::database::Error;
use cdk_common::database::mint::{Acquired, LockedMeltQuotes, MeltRequestInfo, QuotesTransaction};
use cdk_common::error::ErrorCode;
use cdk_common::mint::{MeltQuote, MintQuote, Operation};
use cdk_common::payment::PaymentIdentifier;
use cdk_common::quote_id::QuoteId;
use cdk_common::{Amount, BlindedMessage, CurrencyUnit, MeltQuoteState, PublicKey};

use super::Write;
use crate::refused;
use crate::store::totals::Totals;

#[async_trait]
impl QuotesTransaction for Write {
    type Err = Error;
    async fn add_melt_request(
        &mut self,
        quote_id: &QuoteId,
        inputs_amount: Amount<CurrencyUnit>,
        inputs_fee: Amount<CurrencyUnit>,
    ) -> Result<(), Error> {
        self.guard.before("add_melt_request")?;
        self.inner()?
            .add_melt_request(quote_id, inputs_amount, inputs_fee)
            .await
    }

    async fn add_blinded_messages(
        &mut self,
        quote_id: Option<&QuoteId>,
        blinded_messages: &[BlindedMessage],
        operation: &Operation,
    ) -> Result<(), Error> {
        self.guard.before("add_blinded_messages")?;
        let added = self
            .inner()?
            .add_blinded_messages(quote_id, blinded_messages, operation)
            .await;
        if let Err(Error::Duplicate) = added {
            self.tell_of_outputs(blinded_messages).await?;
        }
        added
    }

    async fn delete_blinded_messages(
        &mut self,
        blinded_secrets: &[PublicKey],
    ) -> Result<(), Error> {
        self.guard.before("delete_blinded_messages")?;
        self.inner()?.delete_blinded_messages(blinded_secrets).await
    }

    async fn get_melt_request_and_blinded_messages(
        &mut self,
        quote_id: &QuoteId,
    ) -> Result<Option<MeltRequestInfo>, Error> {
        self.inner()?
            .get_melt_request_and_blinded_messages(quote_id)
            .await
    }

    async fn delete_melt_request(&mut self, quote_id: &QuoteId) -> Result<(), Error> {
        self.guard.before("delete_melt_request")?;
        self.inner()?.delete_melt_request(quote_id).await
    }

    async fn get_mint_quote(
        &mut self,
        quote_id: &QuoteId,
    ) -> Result<Option<Acquired<MintQuote>>, Error> {
        self.inner()?.get_mint_quote(quote_id).await
    }

    async fn get_mint_quotes_by_ids(
        &mut self,
        quote_ids: &[QuoteId],
    ) -> Result<Vec<Option<Acquired<MintQuote>>>, Error> {
        self.inner()?.get_mint_quotes_by_ids(quote_ids).await
    }

    async fn add_mint_quote(&mut self, quote: MintQuote) -> Result<Acquired<MintQuote>, Error> {
        self.guard.before("add_mint_quote")?;
        self.inner()?.add_mint_quote(quote).await
    }

    async fn update_mint_quote(&mut self, quote: &mut Acquired<MintQuote>) -> Result<(), Error> {
        self.guard.before("update_mint_quote")?;
        let pending = Totals::of(quote)?;
        self.totals.count(pending)?;
        self.count_old_quote(quote, pending).await?;
        self.inner()?.update_mint_quote(quote).await
    }

    async fn get_melt_quote(
        &mut self,
        quote_id: &QuoteId,
    ) -> Result<Option<Acquired<MeltQuote>>, Error> {
        self.inner()?.get_melt_quote(quote_id).await
    }

    async fn add_melt_quote(&mut self, quote: MeltQuote) -> Result<(), Error> {
        self.guard.before("add_melt_quote")?;
        self.inner()?.add_melt_quote(quote).await
    }

    async fn get_melt_quotes_by_request_lookup_id(
        &mut self,
        request_lookup_id: &PaymentIdentifier,
    ) -> Result<Vec<Acquired<MeltQuote>>, Error> {
        self.inner()?
            .get_melt_quotes_by_request_lookup_id(request_lookup_id)
            .await
    }

    async fn lock_melt_quote_and_related(
        &mut self,
        quote_id: &QuoteId,
    ) -> Result<LockedMeltQuotes, Error> {
        self.inner()?.lock_melt_quote_and_related(quote_id).await
    }

    async fn update_melt_quote_request_lookup_id(
        &mut self,
        quote: &mut Acquired<MeltQuote>,
        new_request_lookup_id: &PaymentIdentifier,
    ) -> Result<(), Error> {
        self.guard.before("update_melt_quote_request_lookup_id")?;
        self.inner()?
            .update_melt_quote_request_lookup_id(quote, new_request_lookup_id)
            .await
    }

    async fn update_melt_quote_state(
        &mut self,
        quote: &mut Acquired<MeltQuote>,
        new_state: MeltQuoteState,
        payment_proof: Option<String>,
    ) -> Result<MeltQuoteState, Error> {
        self.guard.before("update_melt_quote_state")?;
        self.inner()?
            .update_melt_quote_state(quote, new_state, payment_proof)
            .await
    }

    async fn get_mint_quote_by_request(
        &mut self,
        request: &str,
    ) -> Result<Option<Acquired<MintQuote>>, Error> {
        self.inner()?.get_mint_quote_by_request(request).await
    }

    async fn get_mint_quote_by_request_lookup_id(
        &mut self,
        request_lookup_id: &PaymentIdentifier,
    ) -> Result<Option<Acquired<MintQuote>>, Error> {
        self.inner()?
            .get_mint_quote_by_request_lookup_id(request_lookup_id)
            .await
    }
}

impl Write {
    /// Tells whoever asked that outputs are there already. cdk's answers are about an invoice,
    /// or about outputs that stand twice in one request.
    async fn tell_of_outputs(&mut self, outputs: &[BlindedMessage]) -> Result<(), Error> {
        let points: Vec<PublicKey> = outputs.iter().map(|output| output.blinded_secret).collect();
        let signed = self.inner()?.get_blind_signatures(&points).await?;
        let (code, why) = match signed.iter().any(Option::is_some) {
            true => (
                ErrorCode::BlindedMessageAlreadySigned,
                "an output was signed before: its signature can be fetched with /v1/restore",
            ),
            false => (
                ErrorCode::OutputsPending,
                "an output belongs to another request, which is under way",
            ),
        };
        refused::tell_as(code, why.to_owned());
        Ok(())
    }
}
