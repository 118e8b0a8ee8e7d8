//! Writes to sagas, which are operations under way, and to completed operations.

use std::collections::HashMap;

use async_trait::async_trait;
use cdk_common::database::Error;
use cdk_common::database::mint::{Acquired, CompletedOperationsTransaction, SagaTransaction};
use cdk_common::{Amount, Id, mint};

use super::Write;

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
