//! The mint's keysets: their denominations, and the derivation of each from the seed on a
//! path that is its incarnation's own.

use accounting::{Incarnation, Lineage};
use basics::clock::now_ms;
use bitcoin::bip32::{ChildNumber, DerivationPath, Xpriv};
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::secp256k1::Secp256k1;
use cdk_common::database::{Error, MintKeysDatabase};
use cdk_common::mint::MintKeySetInfo;
use cdk_common::nuts::MintKeySet;
use cdk_common::nuts::nut02::KeySetVersion;
use cdk_common::{CurrencyUnit, Id};
use cdk_sqlite::MintSqliteDatabase;

use crate::seed::Seed;

/// The branch of the seed that cdk's keysets come from.
const KEYSETS: u32 = 129_372;

/// The number that cdk gave the first keyset of a store before that was ours to make.
const FIRST: u32 = 1;

/// Denominations 1 to 2^31 sat.
const DENOMINATIONS: u32 = 32;

/// The denominations of every keyset, in sat.
pub(crate) fn amounts() -> Vec<u64> {
    (0..DENOMINATIONS).map(|bit| 1 << bit).collect()
}

/// The keysets in a mint's store.
pub(crate) struct Keysets<'a> {
    pub(crate) store: &'a MintSqliteDatabase,
    pub(crate) seed: &'a Seed,
}

impl Keysets<'_> {
    /// The ids of all of them.
    pub(crate) async fn ids(&self) -> Result<Vec<Id>, Error> {
        let mut tx = self.store.begin_transaction().await?;
        let infos = tx.get_keyset_infos().await?;
        tx.commit().await?;
        Ok(infos.iter().map(|info| info.id).collect())
    }

    /// The keyset of a new store is its ledger's own, too: a pool that is begun anew over
    /// old words takes no ecash that it knows nothing of.
    pub(crate) async fn begin(&self, incarnation: Incarnation) -> Result<(), Error> {
        let mut tx = self.store.begin_transaction().await?;
        let is_new = tx.get_keyset_infos().await?.is_empty();
        tx.commit().await?;
        if is_new {
            let first = self.of(incarnation).await?;
            self.activate(first).await?;
        }
        Ok(())
    }

    /// Enters the keysets of before that this store does not have: a store that was lost
    /// has none of them, an older one lacks those of later restores. They sign nothing.
    pub(crate) async fn remember(&self, lineage: &Lineage) -> Result<(), Error> {
        let unit = CurrencyUnit::Sat;
        let mut tx = self.store.begin_transaction().await?;
        let is_empty = tx.get_keyset_infos_by_unit(&unit).await?.is_empty();
        tx.commit().await?;
        let first = is_empty.then(|| vec![ChildNumber::Hardened { index: FIRST }]);
        let earlier = lineage
            .incarnations()
            .filter(|one| *one != lineage.current());
        let paths = earlier.map(|one| own_path(one).to_vec());
        for rest in first.into_iter().chain(paths) {
            let mut tx = self.store.begin_transaction().await?;
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
    pub(crate) async fn of(&self, incarnation: Incarnation) -> Result<MintKeySetInfo, Error> {
        let unit = CurrencyUnit::Sat;
        let mut tx = self.store.begin_transaction().await?;
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
    fn generate(&self, rest: &[ChildNumber], number: u32) -> Result<MintKeySetInfo, Error> {
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
    pub(crate) async fn activate(&self, fresh: MintKeySetInfo) -> Result<(), Error> {
        let mut tx = self.store.begin_transaction().await?;
        let infos = tx.get_keyset_infos().await?;
        if infos.iter().all(|info| info.id != fresh.id) {
            let (unit, id) = (fresh.unit.clone(), fresh.id);
            tx.add_keyset_info(fresh).await?;
            tx.set_active_keyset(unit, id).await?;
            tracing::info!(keyset = %id, "a fresh keyset was made; older keysets only redeem ecash");
        }
        tx.commit().await
    }
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
