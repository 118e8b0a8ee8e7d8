//! A mint whose ledger was restored from a backup, or which was itself found to be lost or
//! an older copy: the ledger begins a new incarnation for both.
//!
//! What was spent and issued since is not known. So it comes up with a keyset that no lost
//! ledger had, and issues, swaps and melts nothing, until the operator accepts the bound of
//! what may be claimed for ecash and quotes from before. From then on each such claim is
//! counted, and never are there more (docs/decisions/0010-backup-and-restore.md, and 0017
//! for a store that is not the last one).

use std::collections::HashSet;
use std::path::Path;

use bitcoin::bip32::{ChildNumber, DerivationPath, Xpriv};
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::secp256k1::Secp256k1;
use cdk_common::database::{DynMintDatabase, Error, MintKeysDatabase};
use cdk_common::mint::MintKeySetInfo;
use cdk_common::nuts::MintKeySet;
use cdk_common::nuts::nut02::KeySetVersion;
use cdk_common::{CurrencyUnit, Id, MeltQuoteState};
use cdk_sqlite::MintSqliteDatabase;
use ledger::{EpochId, Incarnation, Lineage, Sat};
use serde::{Deserialize, Serialize};

use crate::books::owed;
use crate::config::MintConfig;
use crate::copy::pending_sat;
use crate::index;
use crate::info::amounts;
use crate::marks;
use crate::mint::{Mint, OpenError, now_ms};
use crate::quote::QuoteIds;
use crate::seed::Seed;
use crate::store::{BOUND, CLAIMED, Door, Old, RESTORED, raise, stored_number, write_number};

const RECORD: &str = "record";
/// The last restore after which all that the ledger says was ordered again.
const REPAIRED: &str = "repaired";

/// What is told of a store that lacks what it had acknowledged.
const BEHIND: &str = "the mint's store lacks payments that it had acknowledged, so it is lost or \
    an older copy: nothing is issued, swapped or melted. Restart axepool: it goes on as after a \
    restore";

/// The branch of the seed that cdk's keysets come from.
const KEYSETS: u32 = 129_372;

/// The number that cdk gave the first keyset of a store before that was ours to make.
const FIRST: u32 = 1;

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
    /// What was melted by the node's journal and is not known to the store.
    #[serde(default)]
    melted_sat: Sat,
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
    /// What of it was claimed, what was melted since among it.
    pub claimed_sat: Sat,
    /// What was melted since, by the node's journal of payments.
    pub melted_sat: Sat,
    /// All payments that the ledger knows are on their quotes: the bound grows no more by
    /// those.
    pub is_complete: bool,
    /// What the operator added for payouts after the backup.
    pub extra_sat: Sat,
}

impl Record {
    fn old(&self, ids: QuoteIds, because: &str) -> Old {
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

/// What the next open of a mint needs to know about its store.
pub(crate) struct Opening<'a> {
    pub(crate) store: &'a DynMintDatabase,
    pub(crate) keys: &'a MintSqliteDatabase,
    pub(crate) path: &'a Path,
    pub(crate) seed: &'a Seed,
    pub(crate) config: &'a MintConfig,
    pub(crate) ids: &'a QuoteIds,
}

impl Opening<'_> {
    /// Before anything else looks at the store: holds `door` to what is old, and makes
    /// the keyset of this restore the active one.
    pub(crate) async fn prepare(&self, door: &Door) -> Result<(), OpenError> {
        let lineage = &self.config.lineage;
        if marks::is_behind(self.store).await? {
            door.close(self.ids, BEHIND.to_owned());
        }
        let incarnation = lineage.current();
        if !lineage.was_restored() {
            return self.first_keyset(incarnation).await;
        }
        let stored: Option<Record> = read(self.store).await?;
        let record = match stored {
            Some(record) if record.incarnation == incarnation => record,
            before => self.adopt(lineage, before).await?,
        };
        if !marks::is_behind(self.store).await? {
            door.set(record.old(self.ids.clone(), &self.config.restored_because));
        }
        let fresh = self.keyset(incarnation).await?;
        self.activate(fresh).await
    }

    /// The keyset of a new store is its ledger's own, too: a pool that is begun anew over
    /// old words takes no ecash that it knows nothing of.
    async fn first_keyset(&self, incarnation: Incarnation) -> Result<(), OpenError> {
        let mut tx = self.keys.begin_transaction().await?;
        let is_new = tx.get_keyset_infos().await?.is_empty();
        tx.commit().await?;
        if is_new {
            let first = self.keyset(incarnation).await?;
            self.activate(first).await?;
        }
        Ok(())
    }

    /// Goes on as the mint of this restore: another store from now on, closed.
    async fn adopt(&self, lineage: &Lineage, before: Option<Record>) -> Result<Record, OpenError> {
        self.remember_keysets(lineage).await?;
        let fresh = self.keyset(lineage.current()).await?;
        let (record, bound, claimed) = self.record(lineage, before, fresh.id).await?;
        let mut tx = self.store.begin_transaction().await?;
        write(tx.as_mut(), &record).await?;
        write_number(tx.as_mut(), RESTORED, BOUND, bound).await?;
        write_number(tx.as_mut(), RESTORED, CLAIMED, claimed).await?;
        marks::begin_anew(tx.as_mut(), self.config.outbox_end).await?;
        tx.commit().await?;
        tracing::warn!(
            bound_sat = bound,
            claimed_sat = claimed,
            because = self.config.restored_because,
            "the mint is closed until axepool restore accept"
        );
        Ok(record)
    }

    /// What is owed for what is old, as far as this store knows, and what of it is being
    /// redeemed at this moment or was melted since.
    async fn record(
        &self,
        lineage: &Lineage,
        before: Option<Record>,
        fresh: Id,
    ) -> Result<(Record, u64, u64), OpenError> {
        let known = before.as_ref().map(|before| Forgotten {
            issued: before.extra_sat,
            melted: Sat::ZERO,
        });
        let owed = owed(self.store, known).await?;
        let bound = owed.outstanding_sat.checked_add(owed.paid_unissued_sat);
        let bound = bound.ok_or(Error::AmountOverflow)?;
        let melted = before
            .as_ref()
            .map_or(Sat::ZERO, |record| record.melted_sat);
        let melted = melted.max(self.melted_since().await?);
        let claimed = pending_sat(self.path)?.checked_add(melted.get());
        let mut tx = self.keys.begin_transaction().await?;
        let infos = tx.get_keyset_infos().await?;
        tx.commit().await?;
        let ids = infos.iter().map(|info| info.id).filter(|id| *id != fresh);
        let record = Record {
            incarnation: lineage.current(),
            since_ms: now_ms(),
            from: lineage.current_from(),
            keysets: ids.collect(),
            extra_sat: before.map_or(Sat::ZERO, |before| before.extra_sat),
            melted_sat: melted,
            opened_ms: None,
        };
        Ok((record, bound.get(), claimed.ok_or(Error::AmountOverflow)?))
    }

    /// What was melted by the node's journal and is neither burnt nor held by this store:
    /// its ecash is spent, whoever brings it.
    async fn melted_since(&self) -> Result<Sat, OpenError> {
        let quotes = self.store.get_melt_quotes().await?;
        let is_known = |state| matches!(state, MeltQuoteState::Paid | MeltQuoteState::Pending);
        let known = quotes.iter().filter(|quote| is_known(quote.state));
        let known: HashSet<String> = known.map(|quote| quote.id.to_string()).collect();
        let melts = self.config.paid_melts.iter();
        let forgotten = melts.filter(|(id, _)| !known.contains(id));
        let mut amounts = forgotten.map(|(_, sat)| *sat);
        let sum = amounts.try_fold(Sat::ZERO, Sat::checked_add);
        Ok(sum.ok_or(Error::AmountOverflow)?)
    }

    /// Enters the keysets of before that this store does not have: a store that was lost
    /// has none of them, an older one lacks those of later restores. They sign nothing.
    async fn remember_keysets(&self, lineage: &Lineage) -> Result<(), OpenError> {
        let unit = CurrencyUnit::Sat;
        let mut tx = self.keys.begin_transaction().await?;
        let is_empty = tx.get_keyset_infos_by_unit(&unit).await?.is_empty();
        tx.commit().await?;
        let first = is_empty.then(|| vec![ChildNumber::Hardened { index: FIRST }]);
        let earlier = lineage
            .incarnations()
            .filter(|one| *one != lineage.current());
        let paths = earlier.map(|one| own_path(one).to_vec());
        for rest in first.into_iter().chain(paths) {
            let mut tx = self.keys.begin_transaction().await?;
            let infos = tx.get_keyset_infos_by_unit(&unit).await?;
            let is_there = infos.iter().any(|info| {
                let path: &[ChildNumber] = info.derivation_path.as_ref();
                path.ends_with(&rest)
            });
            if is_there {
                tx.commit().await?;
                continue;
            }
            let next = tx.next_derivation_index(&unit).await?;
            let info = self.generate(&rest, next)?;
            tx.add_keyset_info(MintKeySetInfo {
                active: false,
                ..info
            })
            .await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// The keyset of this restore. cdk numbers its keysets, so that a second restore of
    /// the same backup would come to the keys of the first one, and take ecash of it that
    /// was spent. Ours are on a path that is the incarnation's own.
    async fn keyset(&self, incarnation: Incarnation) -> Result<MintKeySetInfo, OpenError> {
        let unit = CurrencyUnit::Sat;
        let mut tx = self.keys.begin_transaction().await?;
        let infos = tx.get_keyset_infos_by_unit(&unit).await?;
        let next = tx.next_derivation_index(&unit).await?;
        tx.commit().await?;
        let own = own_path(incarnation);
        let made = infos.into_iter().find(|info| {
            let path: &[ChildNumber] = info.derivation_path.as_ref();
            path.ends_with(&own)
        });
        match made {
            Some(made) => Ok(made),
            None => self.generate(&own, next),
        }
    }

    /// The keyset at `rest`, below the branch of the unit. `number` orders it among the
    /// store's, of which cdk takes the highest for the active one.
    fn generate(&self, rest: &[ChildNumber], number: u32) -> Result<MintKeySetInfo, OpenError> {
        let unit = CurrencyUnit::Sat;
        let hardened = |index| ChildNumber::Hardened { index };
        let mut path = vec![hardened(KEYSETS), hardened(unit.hashed_derivation_index())];
        path.extend(rest);
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
            derivation_path_index: Some(number),
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
            tracing::info!(keyset = %id, "a fresh keyset; any of before take ecash back only");
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
            melted_sat: record.melted_sat,
            is_complete: !self.repairs_all().await?,
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
        if record.opened_ms.is_none() && self.repairs_all().await? {
            tx.rollback().await?;
            let why = "the mint still reads what was paid to it, and the bound may grow by that";
            return Err(Error::Internal(why.to_owned()).into());
        }
        if record.opened_ms.is_none() {
            record.opened_ms = Some(now_ms());
            let total = record.extra_sat.checked_add(extra);
            record.extra_sat = total.ok_or(Error::AmountOverflow)?;
            write(tx.as_mut(), &record).await?;
            raise(tx.as_mut(), extra.get()).await?;
            tracing::warn!(extra_sat = %extra, "the mint is open after its restore");
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

    /// Keeps that it was.
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

    /// Why nothing is issued, swapped or melted since a restore, if so.
    pub fn closed_by_restore(&self) -> Option<String> {
        self.door().closed()
    }
}

/// What a restored store does not know of, and what is known of it all the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forgotten {
    /// Issued since, by the operator's word.
    pub(crate) issued: Sat,
    /// Melted since, by the node's journal.
    pub(crate) melted: Sat,
}

/// That; `None` for a mint that was never restored.
pub(crate) async fn forgotten(store: &DynMintDatabase) -> Result<Option<Forgotten>, Error> {
    let record = read(store).await?;
    Ok(record.map(|record| Forgotten {
        issued: record.extra_sat,
        melted: record.melted_sat,
    }))
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
