//! The stored record of the last restore.

use accounting::{EpochId, Incarnation, Sat};
use cdk_common::Id;
use cdk_common::database::{DynMintDatabase, Error};
use serde::{Deserialize, Serialize};

use crate::index;
use crate::owed::Forgotten;
use crate::quote::QuoteIds;
use crate::store::{Old, RESTORED};

pub(super) const RECORD: &str = "record";
/// The last restore after which all that the ledger says was ordered again.
pub(super) const REPAIRED: &str = "repaired";

/// The words about a store that lacks payments that it had acknowledged.
pub(super) const BEHIND: &str = "the mint's store lacks payments that it had acknowledged, so it is lost or \
    an older copy: nothing is issued, swapped or melted. Restart axepool: it goes on as after a \
    restore";

/// The record of a restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The incarnation that the restore began.
    pub(super) incarnation: Incarnation,
    /// When the mint first opened after it.
    pub(super) since_ms: u64,
    /// The first epoch that has only new quotes.
    pub(super) from: EpochId,
    /// The keysets from before.
    pub(super) keysets: Vec<Id>,
    /// The operator's additions to the bound, over all restores.
    pub(super) extra_sat: Sat,
    /// The melts in the node's journal that the store does not know of.
    #[serde(default)]
    pub(super) melted_sat: Sat,
    /// The melts that only the operator knows of, over all restores.
    #[serde(default)]
    pub(super) told_melted_sat: Sat,
    /// When the operator accepted the bound.
    pub(super) opened_ms: Option<u64>,
}

impl Record {
    /// All melts that the store has no rows of.
    pub(super) fn all_melted(&self) -> Result<Sat, Error> {
        let all = self.melted_sat.checked_add(self.told_melted_sat);
        all.ok_or(Error::AmountOverflow)
    }

    /// The ecash and quotes of before, for the store's door.
    pub(super) fn old(&self, ids: QuoteIds, because: &str) -> Old {
        let closed = self.opened_ms.is_none().then(|| {
            format!(
                "{because}: nothing is issued, swapped or melted until its operator has looked \
                 at what may be missing"
            )
        });
        Old {
            keysets: self.keysets.iter().copied().collect(),
            from: self.from,
            ids,
            closed,
        }
    }
}

/// The amounts that a restored store has no rows of; `None` for a mint that was never
/// restored.
pub(crate) async fn forgotten(store: &DynMintDatabase) -> Result<Option<Forgotten>, Error> {
    let Some(record) = read(store).await? else {
        return Ok(None);
    };
    Ok(Some(Forgotten {
        issued: record.extra_sat,
        melted: record.all_melted()?,
    }))
}

/// The stored record.
pub(super) async fn read(store: &DynMintDatabase) -> Result<Option<Record>, Error> {
    index::read_json(store, index::AXEPOOL, RESTORED, RECORD).await
}

/// Stores `record`, inside `tx`.
pub(super) async fn write(tx: index::Tx<'_>, record: &Record) -> Result<(), Error> {
    index::write_json(tx, index::AXEPOOL, RESTORED, RECORD, record).await
}
