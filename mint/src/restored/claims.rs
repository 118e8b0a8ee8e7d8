//! Claims for ecash and quotes from before a restore, and the end of the repair after it.

use accounting::Sat;
use basics::clock::now_ms;
use cdk_common::database::Error;
use serde::{Deserialize, Serialize};

use super::record::{BEHIND, RECORD, REPAIRED, Record, read, write};
use crate::handle::Mint;
use crate::index::{self, stored_number};
use crate::marks;
use crate::store::{BOUND, CLAIMED, RESTORED, claim, raise};

/// Claims on a restored mint for ecash and quotes from before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldClaims {
    /// When the mint first opened after the restore, milliseconds since 1970.
    pub since_ms: u64,
    /// When the operator accepted the bound; `None`: nothing is issued, swapped or
    /// melted.
    pub opened_ms: Option<u64>,
    /// The bound of all claims: ecash out there and quotes not issued when the
    /// backup was made, and the operator's addition.
    pub bound_sat: Sat,
    /// The claims so far, with the melts since among them.
    pub claimed_sat: Sat,
    /// The melts since, by the node's journal of payments.
    pub melted_sat: Sat,
    /// All payments that the ledger knows are on their quotes: the bound grows no more by
    /// those.
    pub is_complete: bool,
    /// The operator's addition for payouts after the backup.
    pub extra_sat: Sat,
    /// The melts since that only the operator knows of.
    #[serde(default)]
    pub told_melted_sat: Sat,
}

/// What happened since the backup or the copy, by the operator's word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Since {
    /// What payouts that the ledger does not know of paid to quotes: it raises the bound.
    pub paid: Sat,
    /// Ecash that was melted, of which neither the store nor the node's journal of payments
    /// knows: it counts as claimed.
    pub melted: Sat,
}

impl Mint {
    /// Claims for what is from before the last restore; `None`: there was none.
    ///
    /// # Errors
    /// The store's.
    pub async fn old_claims(&self) -> Result<Option<OldClaims>, Error> {
        let Some(record) = read(self.store()).await? else {
            return Ok(None);
        };
        Ok(Some(OldClaims {
            since_ms: record.since_ms,
            opened_ms: record.opened_ms,
            bound_sat: Sat::new(stored_number(self.store(), RESTORED, BOUND).await?),
            claimed_sat: Sat::new(stored_number(self.store(), RESTORED, CLAIMED).await?),
            extra_sat: record.extra_sat,
            melted_sat: record.melted_sat,
            told_melted_sat: record.told_melted_sat,
            is_complete: !self.repairs_all().await?,
        }))
    }

    /// Opens a restored mint: from now on it issues, swaps and melts, and for what is
    /// old it never gives more than the bound, with what happened since. The operator's
    /// word; again it changes nothing.
    ///
    /// # Errors
    /// The store's, or more was melted than may be claimed: it is as it was.
    pub async fn open_old_claims(&self, since: Since) -> Result<Option<OldClaims>, cdk::Error> {
        let info = self.info().lock().await;
        let mut tx = self.store().begin_transaction().await?;
        let stored = tx.kv_read(index::AXEPOOL, RESTORED, RECORD).await?;
        let Some(stored) = stored else {
            tx.rollback().await?;
            return Ok(None);
        };
        let mut record: Record = serde_json::from_slice(&stored).map_err(Error::from)?;
        if record.opened_ms.is_none() && self.repairs_all().await? {
            tx.rollback().await?;
            let why = "the mint still reads what was paid to it, and the bound may grow by that";
            return Err(Error::Internal(why.to_owned()).into());
        }
        if record.opened_ms.is_none() {
            record.opened_ms = Some(now_ms());
            let add = |sum: Sat, sat: Sat| sum.checked_add(sat).ok_or(Error::AmountOverflow);
            record.extra_sat = add(record.extra_sat, since.paid)?;
            record.told_melted_sat = add(record.told_melted_sat, since.melted)?;
            write(tx.as_mut(), &record).await?;
            raise(tx.as_mut(), since.paid.get()).await?;
            if !since.melted.is_zero() {
                claim(tx.as_mut(), since.melted.get()).await?;
            }
            tracing::warn!(
                extra_sat = %since.paid,
                melted_sat = %since.melted,
                "the mint is open after its restore"
            );
        }
        tx.commit().await?;
        let because = &self.config().restored_because;
        self.door().set(record.old(self.ids().clone(), because));
        let paused = self.pause().why();
        self.tell(&info, paused.as_deref()).await?;
        drop(info);
        Ok(self.old_claims().await?)
    }

    /// True until all that the ledger says was ordered again after the last restore: until
    /// then, and never else, payments are made again that were acknowledged.
    pub(crate) async fn repairs_all(&self) -> Result<bool, Error> {
        let lineage = &self.config().lineage;
        if !lineage.was_restored() {
            return Ok(false);
        }
        let store = self.store();
        let repaired = store.kv_read(index::AXEPOOL, RESTORED, REPAIRED).await?;
        Ok(repaired.as_deref() != Some(lineage.current().to_string().as_bytes()))
    }

    /// Stores that all was ordered again.
    pub(crate) async fn repaired_all(&self) -> Result<(), Error> {
        let current = self.config().lineage.current().to_string();
        let mut tx = self.store().begin_transaction().await?;
        tx.kv_write(index::AXEPOOL, RESTORED, REPAIRED, current.as_bytes())
            .await?;
        tx.commit().await
    }

    /// The store lacks payments that were acknowledged, which no crash can bring about: it
    /// is lost or an older copy, and the start did not notice. Nothing is issued, swapped
    /// or melted from now on; the next start begins as after a restore.
    pub(crate) async fn close_as_behind(&self) -> Result<(), cdk::Error> {
        let is_new = !marks::is_behind(self.store()).await?;
        self.door().close(self.ids(), BEHIND.to_owned());
        self.metrics().store_behind.set(1);
        if is_new {
            tracing::error!("{BEHIND}");
            marks::set_behind(self.store()).await?;
            let info = self.info().lock().await;
            let paused = self.pause().why();
            self.tell(&info, paused.as_deref()).await?;
        }
        Ok(())
    }

    /// The reason for which nothing is issued, swapped or melted since a restore, if so.
    pub fn closed_by_restore(&self) -> Option<String> {
        self.door().closed()
    }
}
