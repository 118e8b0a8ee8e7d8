//! Ecash brought back from the wallet's words (NUT-13): the mint tells which of the
//! outputs that the words lead to it ever signed, and which of those are unspent.
//!
//! It is brought into a store beside the wallet's own first. What the wallet has and
//! knows more about (a token that was sent and not taken, a payment that is under way)
//! stays as it is, and the wallet's counters of outputs move forward only: outputs that
//! were used are never made again, and no gap is torn that a later search would take for
//! the end.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cdk::wallet::NUT13Options;
use cdk_common::nuts::{CurrencyUnit, PublicKey, State};
use cdk_common::wallet::{KeysetLoadPolicy, ProofInfo, WalletSaga, WalletSagaState};
use serde::Serialize;

use super::join::too_many;
use super::store::open_store;
use super::{Purse, Store};
use crate::error::WalletError;
use crate::foreign::OwnKeysets;

/// The store that is thrown away again.
const SCRATCH: &str = "restoring.redb";

/// Outputs asked about in one request, of a mint that takes so many.
const BATCH: u32 = 100;

/// So many outputs without a signature are the end. The NUT has 300, but a sweep's request has
/// up to 400, and one that the mint refused leaves them unused.
const EMPTY: u32 = 2_000;

/// A search of hundreds of thousands of outputs, over a slow line, has time to end.
const LONGEST: Duration = Duration::from_secs(2 * 60 * 60);

/// Numbers of outputs that are passed over beyond the last one that the mint has signed: a
/// payment which has not ended holds some that are not signed yet, and no search finds them.
const MARGIN: u32 = 100;

/// Numbers that the counter may be ahead of the last signed output before a refusal moves it
/// no further. A mint that refuses again and again must not tear a gap in which a later
/// search sees the end.
const MAX_AHEAD: u32 = 5 * MARGIN;

/// What a restoration found, in satoshis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Unspent, and not in the wallet before: it is there now.
    pub restored_sat: u64,
    /// Unspent or under way, and known to the wallet already.
    pub known_sat: u64,
    /// In payments and swaps that the mint has not ended. They are not taken in: asked
    /// again later, they are spent or free.
    pub pending_sat: u64,
    /// Once the wallet's, and spent.
    pub spent_sat: u64,
}

/// Whether the mint has just refused outputs of this wallet because it had them before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Collided {
    /// It has not.
    No,
    /// It has: the counters move even where the search found nothing beyond them.
    Yes,
}

impl Purse {
    /// The search behind [`crate::Home::restore`]. Notes at its end that the mint was searched.
    pub(crate) async fn search(&self, collided: Collided) -> Result<Restored, WalletError> {
        self.no_open_swap().await?;
        let path = self.dir.join(SCRATCH);
        remove(&path)?;
        let restored = self.search_beside(&path, collided).await;
        remove(&path)?;
        let restored = restored?;
        // The ecash of another copy's payment, which may yet fail, is looked for again.
        let is_others = restored.pending_sat > 0 && self.sagas().await?.is_empty();
        // Before the mark, so that a process which is cut off leaves it to the next one.
        self.mark_unchecked().await?;
        self.mark_searched(!is_others).await?;
        // The wallet's own part: another copy of it may have spent some. If it has, the mint
        // has perhaps signed outputs since it was searched, and the mark is gone again.
        self.drop_spent().await?;
        Ok(restored)
    }

    /// cdk takes a swap without an answer for done when it finds one of its outputs in the
    /// store, and a search could bring in such outputs of another copy's swap.
    async fn no_open_swap(&self) -> Result<(), WalletError> {
        let sagas = self.sagas().await?;
        let swaps = |saga: &WalletSaga| matches!(saga.state, WalletSagaState::Swap(_));
        if sagas.iter().any(swaps) {
            return Err(WalletError::Unable {
                mint: self.mint.to_string(),
                why: "it has not answered yet what became of an earlier swap".to_owned(),
            });
        }
        Ok(())
    }

    async fn search_beside(
        &self,
        path: &Path,
        collided: Collided,
    ) -> Result<Restored, WalletError> {
        let scratch = open_store(path).await.map_err(WalletError::Store)?;
        let ours = &self.wallet.localstore;
        let keysets = OwnKeysets::new(self.mint.clone(), ours);
        let beside = Store::clone(&scratch);
        let search = Purse::open_with(&self.mint, self.seed, beside, &self.dir, keysets)?.wallet;
        // A mint can sign outputs without end.
        let found = tokio::time::timeout(LONGEST, restore(&search)).await;
        let found = found.map_err(|_| WalletError::Unable {
            mint: self.mint.to_string(),
            why: "the search for the ecash of the wallet's words does not end".to_owned(),
        })?;
        let found = found.map_err(self.error())?;

        // Numbers first: cut off here, none is used twice.
        let keysets = search.keysets(KeysetLoadPolicy::default()).await;
        for keyset in keysets.map_err(self.error())? {
            let counter = async |store: &Store, step| {
                let counter = store.increment_keyset_counter(&keyset.id, step).await;
                counter.map_err(|error| self.store_error(error))
            };
            let (signed, used) = (counter(&scratch, 0).await?, counter(ours, 0).await?);
            let is_active = keyset.active.unwrap_or(true);
            let step = match is_active {
                true => steps(signed, used, collided),
                false => steps(signed, used, Collided::No),
            };
            if step > 0 {
                counter(ours, step).await?;
            }
        }
        let (known_sat, restored_sat) = self.take_in(&scratch).await?;
        Ok(Restored {
            restored_sat,
            known_sat,
            pending_sat: found.pending.to_u64(),
            spent_sat: found.spent.to_u64(),
        })
    }

    /// Takes in the unspent ecash that a search found and this wallet does not have.
    /// Returns the satoshis that were known before, and those that are new.
    async fn take_in(&self, scratch: &Store) -> Result<(u64, u64), WalletError> {
        let failed = |error| self.store_error(error);
        let ours = &self.wallet.localstore;
        let (mint, unit) = (Some(self.mint.clone()), Some(CurrencyUnit::Sat));
        let unspent = scratch
            .get_proofs(mint, unit, Some(vec![State::Unspent]), None)
            .await
            .map_err(failed)?;
        let ys: Vec<PublicKey> = unspent.iter().map(|proof| proof.y).collect();
        let known = ours.get_proofs_by_ys(ys).await.map_err(failed)?;
        let known: HashSet<PublicKey> = known.iter().map(|proof| proof.y).collect();
        let (known, new): (Vec<_>, Vec<_>) = unspent
            .into_iter()
            .partition(|proof| known.contains(&proof.y));
        let sum = |proofs: &[ProofInfo]| {
            proofs.iter().fold(0_u64, |sum, proof| {
                sum.saturating_add(proof.proof.amount.to_u64())
            })
        };
        let sums = (sum(&known), sum(&new));
        ours.update_proofs(new, Vec::new()).await.map_err(failed)?;
        Ok(sums)
    }
}

/// How far a counter at `used` moves where the mint has signed all up to `signed`, at most.
fn steps(signed: u32, used: u32, collided: Collided) -> u32 {
    match used.checked_sub(signed) {
        None => (signed - used).saturating_add(MARGIN),
        Some(ahead) if collided == Collided::Yes && ahead < MAX_AHEAD => MARGIN,
        Some(_) => 0,
    }
}

/// cdk's search, in smaller requests where the mint takes fewer outputs in one.
async fn restore(wallet: &cdk::Wallet) -> Result<cdk::wallet::Restored, cdk::Error> {
    let mut batch = BATCH;
    loop {
        let options = NUT13Options::new(batch, EMPTY.div_ceil(batch))?;
        match wallet.restore_with_opts(options).await {
            Err(error) if too_many(&error) && batch > 1 => batch /= 2,
            found => return found,
        }
    }
}

fn remove(path: &PathBuf) -> Result<(), WalletError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(WalletError::Store(format!("{}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_moves_behind_what_is_signed_and_no_gap_grows() {
        for collided in [Collided::No, Collided::Yes] {
            assert_eq!(steps(7, 3, collided), 4 + MARGIN);
            assert_eq!(steps(0, 2000, collided), 0);
            assert_eq!(steps(u32::MAX, 0, collided), u32::MAX);
        }
        assert_eq!(steps(7, 7, Collided::No), 0);
        assert_eq!(steps(7, 9, Collided::No), 0);
        let (mut used, mut refusals) = (7, 0);
        while steps(7, used, Collided::Yes) > 0 {
            used += steps(7, used, Collided::Yes);
            refusals += 1;
        }
        assert_eq!((used, refusals), (507, 5));
        let search_ends_after = EMPTY;
        assert!(used + 2 * 400 < search_ends_after);
    }
}
