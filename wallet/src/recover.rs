//! Taking up what was under way when the last process ended.
//!
//! cdk writes down what it is about to ask before it asks, with the blinded outputs, and
//! asks again with the very same ones: a mint answers that from its cache (NUT-19) or
//! gives the signatures once more (NUT-09). Two ends remain that it leaves open for
//! ever, and that are settled here: a request that the mint never got and now refuses
//! because somebody else used what it was for.

use cdk_common::nuts::{BlindedMessage, CheckStateRequest, RestoreRequest, State};
use cdk_common::wallet::{
    IssueSagaState, OperationData, ReceiveSagaState, SendSagaState, WalletSaga, WalletSagaState,
};

use crate::error::WalletError;
use crate::purse::Purse;

/// What came of the operations that were under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Brought to their end.
    pub completed: usize,
    /// Undone: they had not happened.
    pub undone: usize,
    /// Still open; asked again the next time.
    pub open: usize,
}

impl Purse {
    /// Takes up what an earlier process left. Does nothing, and asks nobody, when there
    /// is nothing.
    ///
    /// # Errors
    /// [`WalletError::Store`]. A mint that cannot be asked is none: it stays open.
    pub async fn recover(&self) -> Result<Recovered, WalletError> {
        let before = self.sagas().await?;
        // It also frees quotes that were reserved for operations which never began.
        let report = self
            .wallet
            .recover_incomplete_sagas()
            .await
            .map_err(self.error())?;
        let mut recovered = Recovered {
            completed: report.recovered,
            undone: report.compensated,
            open: 0,
        };
        if report.failed > 0 {
            for saga in self.sagas().await? {
                recovered.undone += usize::from(self.settle(&saga).await?);
            }
        }
        let after = self.sagas().await?;
        for saga in &before {
            if !after.iter().any(|open| open.id == saga.id) {
                // cdk does so only when it begins the next time.
                let released = self.wallet.localstore.release_mint_quote(&saga.id).await;
                released.map_err(|error| self.store_error(error))?;
            }
        }
        recovered.open = after.iter().filter(|saga| !is_sent_token(saga)).count();
        Ok(recovered)
    }

    /// Ends an operation that the mint never carried out and never will. True when it
    /// is ended.
    async fn settle(&self, saga: &WalletSaga) -> Result<bool, WalletError> {
        match (&saga.state, &saga.data) {
            (WalletSagaState::Issue(IssueSagaState::MintRequested), OperationData::Mint(data)) => {
                if !self.unsigned(data.blinded_messages.as_deref()).await {
                    return Ok(false);
                }
            }
            (
                WalletSagaState::Receive(ReceiveSagaState::SwapRequested),
                OperationData::Receive(data),
            ) => {
                let store = &self.wallet.localstore;
                let inputs = store
                    .get_reserved_proofs(&saga.id)
                    .await
                    .map_err(|error| self.store_error(error))?;
                let ys: Vec<_> = inputs.iter().map(|proof| proof.y).collect();
                let gone = self.all_spent(ys.clone()).await
                    && self.unsigned(data.blinded_messages.as_deref()).await;
                if !gone {
                    return Ok(false);
                }
                // Others took the token: its proofs are nothing to keep.
                store
                    .update_proofs(Vec::new(), ys)
                    .await
                    .map_err(|error| self.store_error(error))?;
            }
            _ => return Ok(false),
        }
        self.wallet
            .localstore
            .delete_saga(&saga.id)
            .await
            .map_err(|error| self.store_error(error))?;
        tracing::info!(operation = %saga.id, "the mint never carried it out, and will not");
        Ok(true)
    }

    /// True when the mint says that it signed none of these outputs. No answer, or half
    /// an answer, is not that.
    async fn unsigned(&self, outputs: Option<&[BlindedMessage]>) -> bool {
        let Some(outputs) = outputs.filter(|outputs| !outputs.is_empty()) else {
            return false;
        };
        let request = RestoreRequest {
            outputs: outputs.to_vec(),
        };
        let answer = self.wallet.mint_connector().post_restore(request).await;
        answer.is_ok_and(|answer| answer.outputs.is_empty() && answer.signatures.is_empty())
    }

    async fn all_spent(&self, ys: Vec<cdk_common::nuts::PublicKey>) -> bool {
        let asked = ys.len();
        let request = CheckStateRequest { ys };
        let answer = self.wallet.mint_connector().post_check_state(request).await;
        answer.is_ok_and(|answer| {
            answer.states.len() == asked
                && answer
                    .states
                    .iter()
                    .all(|state| state.state == State::Spent)
        })
    }
}

/// A token in somebody's hands is no unfinished business of ours.
fn is_sent_token(saga: &WalletSaga) -> bool {
    matches!(
        saga.state,
        WalletSagaState::Send(SendSagaState::TokenCreated)
    )
}
