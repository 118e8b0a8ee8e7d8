//! The bound on claims for ecash and quotes from before a restore: a restored mint gives
//! nothing for them until the operator opens it, and never more in all than the bound.
//!
//! The store does not know what was spent and issued after the backup. So every
//! redemption of ecash of the old keysets, and every issue on an old quote, is counted
//! against one bound in the transaction that makes it
//! (docs/decisions/0010-backup-and-restore.md).

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use accounting::{EpochId, MinerId};
use cdk_common::database::Error;
use cdk_common::mint::MintQuote;
use cdk_common::{Id, Proof};

use super::totals::add;
use crate::index::{Tx, read_number, write_number};
use crate::quote::{QuoteIds, key_of};
use crate::refused;

/// The namespace of the two numbers, among our own records.
pub(crate) const RESTORED: &str = "restored";
/// The bound of all claims, satoshis.
pub(crate) const BOUND: &str = "bound_sat";
/// The claims so far, satoshis.
pub(crate) const CLAIMED: &str = "claimed_sat";

/// The ecash and quotes that are old, and the reason for which they are closed, if they are.
#[derive(Clone)]
pub(crate) struct Old {
    /// Keysets from before the restore.
    pub(crate) keysets: HashSet<Id>,
    /// The first epoch that has only new quotes.
    pub(crate) from: EpochId,
    /// The names that quotes have now.
    pub(crate) ids: QuoteIds,
    /// The reason for which nothing is issued, swapped or melted; `None` once it is open.
    pub(crate) closed: Option<String>,
}

/// The door of a mint; one that was never restored has none.
#[derive(Default)]
pub(crate) struct Door(RwLock<Option<Arc<Old>>>);

impl Door {
    /// The rule for transactions that begin now; `None` where nothing is old.
    pub(crate) fn old(&self) -> Option<Arc<Old>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set(&self, old: Old) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(old));
    }

    /// Closes it, whatever it was.
    pub(crate) fn close(&self, ids: &QuoteIds, why: String) {
        let old = self.old();
        let closed = Some(why);
        self.set(match old.as_deref() {
            Some(old) => Old {
                closed,
                ..old.clone()
            },
            None => Old {
                keysets: HashSet::new(),
                from: EpochId::new(0),
                ids: ids.clone(),
                closed,
            },
        });
    }

    /// The reason for which it is closed, if it is.
    pub(crate) fn closed(&self) -> Option<String> {
        self.old()?.closed.clone()
    }
}

impl Old {
    /// An error while nothing may be issued or redeemed.
    pub(super) fn is_open(&self) -> Result<(), Error> {
        match &self.closed {
            None => Ok(()),
            Some(why) => Err(refuse(why.clone())),
        }
    }

    /// The old ecash among `proofs`, in satoshis.
    pub(super) fn sum<'a>(
        &self,
        proofs: impl IntoIterator<Item = &'a Proof>,
    ) -> Result<u64, Error> {
        let old = proofs.into_iter();
        let old = old.filter(|proof| self.keysets.contains(&proof.keyset_id));
        old.map(|proof| u64::from(proof.amount)).try_fold(0, add)
    }

    /// True for a quote from before: of an epoch that was paid before, or of a later one
    /// under another name than it has now. A ledger that is older than its mint comes to
    /// the same epochs again.
    pub(super) fn has(&self, quote: &MintQuote) -> bool {
        // One that says nothing is not ours, and so not new.
        let key = quote.pubkey.and_then(|key| {
            let miner = MinerId::from_public_key(&key);
            key_of(&miner, quote)
        });
        key.is_none_or(|key| key.epoch < self.from || self.ids.id(&key) != quote.id)
    }
}

/// Counts a claim of `sat`, inside `tx`.
pub(crate) async fn claim(tx: Tx<'_>, sat: u64) -> Result<(), Error> {
    let bound = read_number(&mut *tx, RESTORED, BOUND).await?;
    let claimed = read_number(&mut *tx, RESTORED, CLAIMED).await?;
    let after = add(claimed, sat)?;
    if after > bound {
        return Err(refuse(format!(
            "the pool does not know all that happened before its restore, and for ecash and quotes \
             from then {bound} sat are there in all: {claimed} sat were claimed already, so \
             {sat} sat more cannot be"
        )));
    }
    write_number(tx, RESTORED, CLAIMED, after).await
}

/// Gives a claim back whose operation was undone, inside `tx`.
pub(super) async fn unclaim(tx: Tx<'_>, sat: u64) -> Result<(), Error> {
    let claimed = read_number(&mut *tx, RESTORED, CLAIMED).await?;
    let after = claimed.checked_sub(sat);
    let after = after.ok_or_else(|| {
        Error::Internal(format!(
            "{sat} sat of {claimed} claimed ones are given back"
        ))
    })?;
    write_number(tx, RESTORED, CLAIMED, after).await
}

/// Raises what may be claimed, inside `tx`: money that reached an old quote.
pub(crate) async fn raise(tx: Tx<'_>, sat: u64) -> Result<(), Error> {
    let bound = read_number(&mut *tx, RESTORED, BOUND).await?;
    write_number(tx, RESTORED, BOUND, add(bound, sat)?).await
}

fn refuse(why: String) -> Error {
    refused::tell(why.clone());
    Error::Internal(why)
}
