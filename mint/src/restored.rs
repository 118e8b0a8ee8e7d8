//! A mint whose ledger was restored from a backup.
//!
//! What was spent and issued after the backup is not known. So it comes up with a keyset
//! that no lost ledger had, and issues, swaps and melts nothing, until the operator
//! accepts the bound of what may be claimed for ecash and quotes from before. From then
//! on each such claim is counted, and never are there more
//! (docs/decisions/0010-backup-and-restore.md).

use std::path::Path;

use bitcoin::bip32::{ChildNumber, DerivationPath, Xpriv};
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::secp256k1::Secp256k1;
use cdk_common::database::{DynMintDatabase, Error, MintKeysDatabase};
use cdk_common::mint::MintKeySetInfo;
use cdk_common::nuts::MintKeySet;
use cdk_common::nuts::nut02::KeySetVersion;
use cdk_common::{CurrencyUnit, Id};
use cdk_sqlite::MintSqliteDatabase;
use ledger::{EpochId, Incarnation, Sat};
use serde::{Deserialize, Serialize};

use crate::books::owed;
use crate::copy::pending_sat;
use crate::index;
use crate::info::amounts;
use crate::mint::{Mint, OpenError, now_ms};
use crate::seed::Seed;
use crate::store::{BOUND, CLAIMED, Door, Old, RESTORED, raise, stored_number, write_number};

const RECORD: &str = "record";

/// The branch of the seed that cdk's keysets come from.
const KEYSETS: u32 = 129_372;

/// What is kept about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// Of which restore.
    incarnation: Incarnation,
    /// When the mint first opened after it.
    since_ms: u64,
    /// The first epoch that has only new quotes.
    from: EpochId,
    /// The keysets from before.
    keysets: Vec<Id>,
    /// What the operator added to the bound, over all restores.
    extra_sat: Sat,
    /// When the operator accepted the bound.
    opened_ms: Option<u64>,
}

/// Claims on a restored mint for ecash and quotes from before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldClaims {
    /// When the mint first opened after the restore, milliseconds since 1970.
    pub since_ms: u64,
    /// When the operator accepted the bound; `None`: nothing is issued, swapped or
    /// melted.
    pub opened_ms: Option<u64>,
    /// What there may ever be in all: ecash out there and quotes not issued when the
    /// backup was made, and what the operator added.
    pub bound_sat: Sat,
    /// What of it was claimed.
    pub claimed_sat: Sat,
    /// What the operator added for payouts after the backup.
    pub extra_sat: Sat,
}

impl Record {
    fn old(&self) -> Old {
        let closed = self.opened_ms.is_none().then(|| {
            "the pool was restored from a backup: nothing is issued, swapped or melted until its \
             operator has looked at what may be missing"
                .to_owned()
        });
        Old {
            keysets: self.keysets.iter().copied().collect(),
            from: self.from,
            closed,
        }
    }
}

/// What the next open of a mint needs to know about its store.
pub(crate) struct Opening<'a> {
    pub(crate) store: &'a DynMintDatabase,
    pub(crate) keys: &'a MintSqliteDatabase,
    pub(crate) path: &'a Path,
    pub(crate) seed: &'a Seed,
}

impl Opening<'_> {
    /// Before anything else looks at the store: holds `door` to what is old, and makes
    /// the keyset of this restore the active one.
    pub(crate) async fn prepare(
        &self,
        lineage: &ledger::Lineage,
        door: &Door,
    ) -> Result<(), OpenError> {
        if !lineage.was_restored() {
            return Ok(());
        }
        let incarnation = lineage.current();
        let stored: Option<Record> = read(self.store).await?;
        let fresh = self.keyset(incarnation).await?;
        let record = match stored {
            Some(record) if record.incarnation == incarnation => record,
            before => {
                let (record, bound, pending) = self
                    .record(incarnation, lineage.current_from(), before, fresh.id)
                    .await?;
                let mut tx = self.store.begin_transaction().await?;
                write(tx.as_mut(), &record).await?;
                write_number(tx.as_mut(), RESTORED, BOUND, bound).await?;
                write_number(tx.as_mut(), RESTORED, CLAIMED, pending).await?;
                tx.commit().await?;
                tracing::warn!(
                    bound_sat = bound,
                    "the ledger was restored from a backup: the mint is closed until axepool restore accept"
                );
                record
            }
        };
        door.set(record.old());
        self.activate(fresh).await
    }

    /// What is owed for what is old, as far as this store knows, and what of it is being
    /// redeemed at this moment.
    async fn record(
        &self,
        incarnation: Incarnation,
        from: EpochId,
        before: Option<Record>,
        fresh: Id,
    ) -> Result<(Record, u64, u64), OpenError> {
        let extra = before.map(|before| before.extra_sat);
        let owed = owed(self.store, extra).await?;
        let bound = owed.outstanding_sat.checked_add(owed.paid_unissued_sat);
        let bound = bound.ok_or(Error::AmountOverflow)?;
        let mut tx = self.keys.begin_transaction().await?;
        let infos = tx.get_keyset_infos().await?;
        tx.commit().await?;
        let ids = infos.iter().map(|info| info.id).filter(|id| *id != fresh);
        let record = Record {
            incarnation,
            since_ms: now_ms(),
            from,
            keysets: ids.collect(),
            extra_sat: extra.unwrap_or_default(),
            opened_ms: None,
        };
        Ok((record, bound.get(), pending_sat(self.path)?))
    }

    /// The keyset of this restore. cdk numbers its keysets, so that a second restore of
    /// the same backup would come to the keys of the first one, and take ecash of it that
    /// was spent. Ours hang below the number on a path that is the incarnation's own.
    async fn keyset(&self, incarnation: Incarnation) -> Result<MintKeySetInfo, OpenError> {
        let unit = CurrencyUnit::Sat;
        let mut tx = self.keys.begin_transaction().await?;
        let infos = tx.get_keyset_infos_by_unit(&unit).await?;
        let next = tx.next_derivation_index(&unit).await?;
        tx.commit().await?;
        let own = own_path(incarnation);
        let made = infos.iter().find(|info| {
            let path: &[ChildNumber] = info.derivation_path.as_ref();
            path.ends_with(&own)
        });
        if let Some(made) = made {
            return Ok(made.clone());
        }
        let number = |index| ChildNumber::Hardened { index };
        let mut path = vec![
            number(KEYSETS),
            number(unit.hashed_derivation_index()),
            number(next),
        ];
        path.extend(own);
        let path = DerivationPath::from(path);
        let secp = Secp256k1::new();
        let failed = |error: bitcoin::bip32::Error| Error::Internal(error.to_string());
        let master = Xpriv::new_master(bitcoin::Network::Bitcoin, self.seed.bytes());
        let branch = master
            .and_then(|master| master.derive_priv(&secp, &path))
            .map_err(failed)?;
        let version = KeySetVersion::Version01;
        let keyset =
            MintKeySet::generate(&secp, branch, unit.clone(), &amounts(), 0, None, version);
        Ok(MintKeySetInfo {
            id: keyset.id,
            unit,
            active: true,
            valid_from: now_ms() / 1000,
            derivation_path: path,
            derivation_path_index: Some(next),
            amounts: amounts(),
            input_fee_ppk: 0,
            final_expiry: None,
            issuer_version: None,
        })
    }

    /// Puts it into the store, unless it is there: a later one may be active by now.
    async fn activate(&self, fresh: MintKeySetInfo) -> Result<(), OpenError> {
        let mut tx = self.keys.begin_transaction().await?;
        let infos = tx.get_keyset_infos().await?;
        if infos.iter().all(|info| info.id != fresh.id) {
            let (unit, id) = (fresh.unit.clone(), fresh.id);
            tx.add_keyset_info(fresh).await?;
            tx.set_active_keyset(unit, id).await?;
            tracing::info!(keyset = %id, "a fresh keyset; those of before take ecash back only");
        }
        Ok(tx.commit().await?)
    }
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
        }))
    }

    /// Opens a restored mint: from now on it issues, swaps and melts, and for what is
    /// old it never gives more than the bound, raised by `extra` for payouts that the
    /// backup does not know of. The operator's word; again it changes nothing.
    ///
    /// # Errors
    /// The store's: it is as it was.
    pub async fn open_old_claims(&self, extra: Sat) -> Result<Option<OldClaims>, cdk::Error> {
        let info = self.info().lock().await;
        let mut tx = self.store().begin_transaction().await?;
        let stored = tx.kv_read(index::AXEPOOL, RESTORED, RECORD).await?;
        let Some(stored) = stored else {
            tx.rollback().await?;
            return Ok(None);
        };
        let mut record: Record = serde_json::from_slice(&stored).map_err(Error::from)?;
        if record.opened_ms.is_none() {
            record.opened_ms = Some(now_ms());
            let total = record.extra_sat.checked_add(extra);
            record.extra_sat = total.ok_or(Error::AmountOverflow)?;
            write(tx.as_mut(), &record).await?;
            raise(tx.as_mut(), extra.get()).await?;
            tracing::warn!(extra_sat = %extra, "the mint is open after its restore");
        }
        tx.commit().await?;
        self.door().set(record.old());
        let paused = self.pause().why();
        self.tell(&info, paused.as_deref()).await?;
        drop(info);
        Ok(self.old_claims().await?)
    }

    /// Why nothing is issued, swapped or melted since a restore, if so.
    pub fn closed_by_restore(&self) -> Option<String> {
        self.door().closed()
    }
}

/// What the operator added to the bound of what may be claimed; `None` for a mint that
/// was never restored.
pub(crate) async fn extra(store: &DynMintDatabase) -> Result<Option<Sat>, Error> {
    Ok(read(store).await?.map(|record| record.extra_sat))
}

async fn read(store: &DynMintDatabase) -> Result<Option<Record>, Error> {
    index::read_json(store, index::AXEPOOL, RESTORED, RECORD).await
}

async fn write(tx: index::Tx<'_>, record: &Record) -> Result<(), Error> {
    index::write_json(tx, index::AXEPOOL, RESTORED, RECORD, record).await
}

/// 124 bits of the incarnation's hash as hardened steps.
fn own_path(incarnation: Incarnation) -> [ChildNumber; 4] {
    let hash = sha256::Hash::hash(&incarnation.to_bytes()).to_byte_array();
    let step = |place: usize| {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&hash[4 * place..4 * place + 4]);
        ChildNumber::Hardened {
            index: u32::from_be_bytes(bytes) >> 1,
        }
    };
    [step(0), step(1), step(2), step(3)]
}
