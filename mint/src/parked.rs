//! Outbox rows that can never be done, set aside until an operator looks: the dead letters
//! of the outbox.

use bitcoin::hashes::{Hash, sha256};
use cdk_common::database::Error;
use serde::{Deserialize, Serialize};

use crate::handle::Mint;
use crate::index::{self, Tx};
use crate::outbox::{Order, Row};

/// A row that can never be done, kept until an operator looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// The row.
    pub row: Row,
    /// The reason.
    pub reason: String,
    /// Since when, milliseconds since 1970.
    pub since_ms: u64,
}

/// By what is asked, not by the row: the repair at the next start asks it again.
pub(crate) fn parked_key(order: &Order) -> Result<String, Error> {
    Ok(sha256::Hash::hash(&serde_json::to_vec(order)?).to_string())
}

/// Stores `row` as parked, inside `tx`; false when it was parked before.
pub(crate) async fn park(
    tx: Tx<'_>,
    row: &Row,
    reason: String,
    now_ms: u64,
) -> Result<bool, Error> {
    tracing::error!(row = %row.id, %reason, "an outbox row can never be carried out (dead letter): parked");
    let key = parked_key(&row.order)?;
    let parked = Parked {
        row: row.clone(),
        reason,
        since_ms: now_ms,
    };
    let value = serde_json::to_vec(&parked)?;
    tx.kv_write_if_absent(index::AXEPOOL, index::PARKED, &key, &value)
        .await
}

impl Mint {
    /// The rows that can never be done, in no order.
    pub async fn parked(&self) -> Result<Vec<Parked>, Error> {
        let mut all = Vec::new();
        for key in self.store().kv_list(index::AXEPOOL, index::PARKED).await? {
            all.extend(index::read_json(self.store(), index::AXEPOOL, index::PARKED, &key).await?);
        }
        Ok(all)
    }

    /// True when each of `rows` is set aside already.
    pub(crate) async fn are_parked(&self, rows: &[Row]) -> Result<bool, Error> {
        for row in rows {
            let key = parked_key(&row.order)?;
            let parked = self.store().kv_read(index::AXEPOOL, index::PARKED, &key);
            if parked.await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
