//! Epochs whose end the ledger has reported, as far as their quotes show it.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use accounting::EpochId;
use cdk_common::database::{DynMintDatabase, Error};
use serde::{Deserialize, Serialize};

use crate::index::{self, Tx};

/// The end of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EpochMark {
    /// Paid out: a quote that got nothing is in carry.
    Settled,
    /// Dissolved into another epoch.
    MergedInto(EpochId),
}

/// The marks of all epochs that have ended, in memory for look-ups.
#[derive(Debug, Default)]
pub(crate) struct Epochs(RwLock<BTreeMap<EpochId, EpochMark>>);

impl Epochs {
    /// The marks in the store.
    pub(crate) async fn read(store: &DynMintDatabase) -> Result<Self, Error> {
        let mut marks = BTreeMap::new();
        for key in store.kv_list(index::AXEPOOL, index::EPOCHS).await? {
            let mark = index::read_json(store, index::AXEPOOL, index::EPOCHS, &key).await?;
            if let Some(mark) = mark {
                marks.insert(EpochId::new(index::key_number(&key)?), mark);
            }
        }
        Ok(Epochs(RwLock::new(marks)))
    }

    pub(crate) fn get(&self, epoch: EpochId) -> Option<EpochMark> {
        let marks = self.0.read().unwrap_or_else(PoisonError::into_inner);
        marks.get(&epoch).copied()
    }

    /// Remembers marks that were stored.
    pub(crate) fn remember(&self, marks: &[(EpochId, EpochMark)]) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.extend(marks.iter().copied());
    }
}

/// Stores the mark of an epoch, inside `tx`.
pub(crate) async fn store_mark(tx: Tx<'_>, epoch: EpochId, mark: EpochMark) -> Result<(), Error> {
    let key = index::number_key(epoch.get());
    index::write_json(tx, index::AXEPOOL, index::EPOCHS, &key, &mark).await
}
