//! A write transaction: the inner one, its turn in the queue, and what it adds to the
//! totals.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use cdk_common::database::mint::{
    Acquired, CompletedOperationsTransaction, KVStoreTransaction, LockedMeltQuotes,
    MeltRequestInfo, ProofsTransaction, QuotesTransaction, SagaTransaction, SignaturesTransaction,
    Transaction,
};
use cdk_common::database::{DbTransactionFinalizer, DynMintTransaction, Error};
use cdk_common::mint::{self, MeltQuote, MintQuote, Operation, ProofsWithState};
use cdk_common::payment::PaymentIdentifier;
use cdk_common::quote_id::QuoteId;
use cdk_common::{
    Amount, BlindSignature, BlindedMessage, CurrencyUnit, Id, MeltQuoteState, Proofs, PublicKey,
    State,
};
use tokio::sync::OwnedSemaphorePermit;

use super::old::{self, Old};
use super::{Totals, WriteGuard};
use crate::marks::Marking;

pub(super) struct Write {
    inner: Option<DynMintTransaction>,
    turn: Option<OwnedSemaphorePermit>,
    guard: Arc<dyn WriteGuard>,
    /// Counts the commit and tells of it.
    marking: Arc<Marking>,
    totals: Totals,
    /// What a restored mint is held to.
    old: Option<Arc<Old>>,
}

impl Write {
    pub(super) fn new(
        inner: DynMintTransaction,
        turn: OwnedSemaphorePermit,
        (guard, marking): (Arc<dyn WriteGuard>, Arc<Marking>),
        old: Option<Arc<Old>>,
    ) -> Self {
        Write {
            inner: Some(inner),
            turn: Some(turn),
            guard,
            marking,
            totals: Totals::default(),
            old,
        }
    }

    fn inner(&mut self) -> Result<&mut DynMintTransaction, Error> {
        self.inner
            .as_mut()
            .ok_or_else(|| Error::Internal("the transaction is over".into()))
    }
}

impl Write {
    /// Issues and payments of a quote from before a restore.
    async fn count_old_quote(&mut self, quote: &MintQuote, pending: Totals) -> Result<(), Error> {
        let Some(old) = self.old.clone() else {
            return Ok(());
        };
        if pending.issued_sat > 0 {
            old.is_open()?;
        }
        if !old.has(quote) {
            return Ok(());
        }
        if pending.paid_sat > 0 {
            old::raise(self.inner()?.as_mut(), pending.paid_sat).await?;
        }
        if pending.issued_sat > 0 {
            old::claim(self.inner()?.as_mut(), pending.issued_sat).await?;
        }
        Ok(())
    }
}

impl Drop for Write {
    /// A transaction that is dropped unfinished is rolled back in a task of its own:
    /// its turn must last until then, or the next writer would block its thread on a
    /// lock that only this task can release.
    fn drop(&mut self) {
        let (Some(inner), Some(turn)) = (self.inner.take(), self.turn.take()) else {
            return;
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = inner.rollback().await {
                    tracing::warn!(%error, "an unfinished write could not be rolled back; its connection is dropped");
                }
                drop(turn);
            });
        }
    }
}

#[async_trait]
impl DbTransactionFinalizer for Write {
    type Err = Error;

    async fn commit(mut self: Box<Self>) -> Result<(), Error> {
        self.guard.before("commit")?;
        let totals = self.totals;
        totals.store(self.inner()?.as_mut()).await?;
        let marking = Arc::clone(&self.marking);
        let mark = marking.count(self.inner()?.as_mut()).await?;
        let turn = self.turn.take();
        let guard = Arc::clone(&self.guard);
        let Some(inner) = self.inner.take() else {
            return Err(Error::Internal("the transaction is over".into()));
        };
        inner.commit().await?;
        // The next writer need not wait for the telling; who waits for this commit does.
        drop(turn);
        marking.tell(mark).await?;
        guard.before("committed")
    }

    async fn rollback(mut self: Box<Self>) -> Result<(), Error> {
        let turn = self.turn.take();
        let result = match self.inner.take() {
            Some(inner) => inner.rollback().await,
            None => Ok(()),
        };
        drop(turn);
        result
    }
}

#[async_trait]
impl Transaction<Error> for Write {
    async fn lock_quotes(&mut self, quote_ids: &[QuoteId]) -> Result<bool, Error> {
        self.inner()?.lock_quotes(quote_ids).await
    }
}

#[async_trait]
impl KVStoreTransaction<Error> for Write {
    async fn kv_read(
        &mut self,
        primary_namespace: &str,
        secondary_namespace: &str,
        key: &str,
    ) -> Result<Option<Vec<u8>>, Error> {
        self.inner()?
            .kv_read(primary_namespace, secondary_namespace, key)
            .await
    }

    async fn kv_write(
        &mut self,
        primary_namespace: &str,
        secondary_namespace: &str,
        key: &str,
        value: &[u8],
    ) -> Result<(), Error> {
        self.guard.before("kv_write")?;
        self.inner()?
            .kv_write(primary_namespace, secondary_namespace, key, value)
            .await
    }

    async fn kv_write_if_absent(
        &mut self,
        primary_namespace: &str,
        secondary_namespace: &str,
        key: &str,
        value: &[u8],
    ) -> Result<bool, Error> {
        self.guard.before("kv_write_if_absent")?;
        self.inner()?
            .kv_write_if_absent(primary_namespace, secondary_namespace, key, value)
            .await
    }

    async fn kv_remove(
        &mut self,
        primary_namespace: &str,
        secondary_namespace: &str,
        key: &str,
    ) -> Result<(), Error> {
        self.guard.before("kv_remove")?;
        self.inner()?
            .kv_remove(primary_namespace, secondary_namespace, key)
            .await
    }

    async fn kv_write_if_equals(
        &mut self,
        primary_namespace: &str,
        secondary_namespace: &str,
        key: &str,
        expected: &[u8],
        replacement: &[u8],
    ) -> Result<bool, Error> {
        self.guard.before("kv_write_if_equals")?;
        self.inner()?
            .kv_write_if_equals(
                primary_namespace,
                secondary_namespace,
                key,
                expected,
                replacement,
            )
            .await
    }

    async fn kv_list(
        &mut self,
        primary_namespace: &str,
        secondary_namespace: &str,
    ) -> Result<Vec<String>, Error> {
        self.inner()?
            .kv_list(primary_namespace, secondary_namespace)
            .await
    }
}

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
        self.inner()?
            .add_blinded_messages(quote_id, blinded_messages, operation)
            .await
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

#[async_trait]
impl SignaturesTransaction for Write {
    type Err = Error;
    async fn add_blind_signatures(
        &mut self,
        blinded_messages: &[PublicKey],
        blind_signatures: &[BlindSignature],
        quote_id: Option<QuoteId>,
    ) -> Result<(), Error> {
        self.guard.before("add_blind_signatures")?;
        self.inner()?
            .add_blind_signatures(blinded_messages, blind_signatures, quote_id)
            .await
    }

    async fn get_blind_signatures(
        &mut self,
        blinded_messages: &[PublicKey],
    ) -> Result<Vec<Option<BlindSignature>>, Error> {
        self.inner()?.get_blind_signatures(blinded_messages).await
    }
}

#[async_trait]
impl ProofsTransaction for Write {
    type Err = Error;
    async fn add_proofs(
        &mut self,
        proof: Proofs,
        quote_id: Option<QuoteId>,
        operation: &Operation,
    ) -> Result<Acquired<ProofsWithState>, Error> {
        self.guard.before("add_proofs")?;
        if let Some(old) = self.old.clone() {
            old.is_open()?;
            let sat = old.sum(&proof)?;
            if sat > 0 {
                old::claim(self.inner()?.as_mut(), sat).await?;
            }
        }
        self.inner()?.add_proofs(proof, quote_id, operation).await
    }

    async fn update_proofs_state(
        &mut self,
        proofs: &mut Acquired<ProofsWithState>,
        new_state: State,
    ) -> Result<(), Error> {
        self.guard.before("update_proofs_state")?;
        self.inner()?.update_proofs_state(proofs, new_state).await
    }

    async fn get_proofs(&mut self, ys: &[PublicKey]) -> Result<Acquired<ProofsWithState>, Error> {
        self.inner()?.get_proofs(ys).await
    }

    async fn remove_proofs(
        &mut self,
        ys: &[PublicKey],
        quote_id: Option<QuoteId>,
    ) -> Result<(), Error> {
        self.guard.before("remove_proofs")?;
        if let Some(old) = self.old.clone() {
            let removed = self.inner()?.get_proofs(ys).await?;
            let sat = old.sum(removed.iter())?;
            if sat > 0 {
                old::unclaim(self.inner()?.as_mut(), sat).await?;
            }
        }
        self.inner()?.remove_proofs(ys, quote_id).await
    }

    async fn get_proof_ys_by_quote_id(
        &mut self,
        quote_id: &QuoteId,
    ) -> Result<Vec<PublicKey>, Error> {
        self.inner()?.get_proof_ys_by_quote_id(quote_id).await
    }

    async fn get_proof_ys_by_operation_id(
        &mut self,
        operation_id: &uuid::Uuid,
    ) -> Result<Vec<PublicKey>, Error> {
        self.inner()?
            .get_proof_ys_by_operation_id(operation_id)
            .await
    }
}

#[async_trait]
impl SagaTransaction for Write {
    type Err = Error;
    async fn get_saga(&mut self, operation_id: &uuid::Uuid) -> Result<Option<mint::Saga>, Error> {
        self.inner()?.get_saga(operation_id).await
    }

    async fn get_saga_for_update(
        &mut self,
        operation_id: &uuid::Uuid,
    ) -> Result<Option<Acquired<mint::Saga>>, Error> {
        self.inner()?.get_saga_for_update(operation_id).await
    }

    async fn add_saga(&mut self, saga: &mint::Saga) -> Result<(), Error> {
        self.guard.before("add_saga")?;
        self.inner()?.add_saga(saga).await
    }

    async fn update_acquired_saga(
        &mut self,
        saga: &mut Acquired<mint::Saga>,
        new_state: mint::SagaStateEnum,
    ) -> Result<(), Error> {
        self.guard.before("update_acquired_saga")?;
        self.inner()?.update_acquired_saga(saga, new_state).await
    }

    async fn update_acquired_saga_with_finalization_data(
        &mut self,
        saga: &mut Acquired<mint::Saga>,
        new_state: mint::SagaStateEnum,
        finalization_data: Option<&mint::MeltFinalizationData>,
    ) -> Result<(), Error> {
        self.guard
            .before("update_acquired_saga_with_finalization_data")?;
        self.inner()?
            .update_acquired_saga_with_finalization_data(saga, new_state, finalization_data)
            .await
    }

    async fn delete_saga(&mut self, operation_id: &uuid::Uuid) -> Result<(), Error> {
        self.guard.before("delete_saga")?;
        self.inner()?.delete_saga(operation_id).await
    }
}

#[async_trait]
impl CompletedOperationsTransaction for Write {
    type Err = Error;
    async fn add_completed_operation(
        &mut self,
        operation: &mint::Operation,
        fee_by_keyset: &HashMap<Id, Amount>,
    ) -> Result<(), Error> {
        self.guard.before("add_completed_operation")?;
        self.inner()?
            .add_completed_operation(operation, fee_by_keyset)
            .await
    }
}
