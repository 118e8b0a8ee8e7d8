//! Writes to the key-value table, which has our own records.

use async_trait::async_trait;
use cdk_common::database::Error;
use cdk_common::database::mint::KVStoreTransaction;

use super::Write;

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
