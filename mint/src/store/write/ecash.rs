//! Writes to signatures and proofs. Ecash from before a restore is counted against its
//! bound.

use async_trait::async_trait;
use cdk_common::database::Error;
use cdk_common::database::mint::{Acquired, ProofsTransaction, SignaturesTransaction};
use cdk_common::mint::{Operation, ProofsWithState};
use cdk_common::quote_id::QuoteId;
use cdk_common::{BlindSignature, Proofs, PublicKey, State};

use super::Write;
use crate::store::old;

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
