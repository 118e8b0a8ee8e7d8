//! Ecash brought back from the wallet's words (NUT-13): the mint tells which of the
//! outputs that the words lead to it ever signed, and which of those are unspent.
//!
//! It is brought into a store beside the wallet's own first. What the wallet has and
//! knows more about (a token that was sent and not taken, a payment that is under way)
//! stays as it is, and the wallet's counters of outputs move forward only: outputs that
//! were used are never made again, and no gap is torn that a later search would take for
//! the end.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cdk::wallet::NUT13Options;
use cdk_common::mint_url::MintUrl;
use cdk_common::nuts::{CurrencyUnit, PublicKey, State};
use cdk_common::wallet::KeysetLoadPolicy;
use serde::Serialize;

use crate::error::WalletError;
use crate::home::{Home, open_store};
use crate::purse::Store;
use crate::text::plain;

/// The store that is thrown away again.
const SCRATCH: &str = "restoring.redb";

/// Outputs asked about in one request.
const BATCH: u32 = 100;

/// So many requests without an answer are the end: 2,000 outputs. The NUT has 300, but a
/// sweep's request has up to 400, and one that the mint refused leaves them unused.
const EMPTY_BATCHES: u32 = 20;

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

impl Home {
    /// Looks for all ecash of `mint` that came from this wallet's words, and takes in
    /// what the wallet does not have. Doing it twice changes nothing; cut off, it is
    /// done again from the start.
    ///
    /// # Errors
    /// [`WalletError`]: what the mint says, or the store's.
    pub async fn restore(&self, mint: &MintUrl) -> Result<Restored, WalletError> {
        let purse = self.purse(mint)?;
        purse.info().await?;
        purse.recover().await?;
        let path = self.dir().join(SCRATCH);
        remove(&path)?;
        let restored = self.restore_beside(mint, &path, purse_store(&purse)).await;
        remove(&path)?;
        restored
    }

    async fn restore_beside(
        &self,
        mint: &MintUrl,
        path: &Path,
        ours: &Store,
    ) -> Result<Restored, WalletError> {
        let store =
            |error: cdk_common::database::Error| WalletError::Store(plain(&error.to_string()));
        let of_mint = |error| WalletError::of(mint, error);
        let scratch = open_store(path)
            .await
            .map_err(|error| WalletError::Store(error.to_string()))?;
        let search = self.purse_over(mint, Store::clone(&scratch))?.wallet;
        let options = NUT13Options::new(BATCH, EMPTY_BATCHES).map_err(of_mint)?;
        let found = search.restore_with_opts(options).await.map_err(of_mint)?;

        // Numbers first: cut off here, none is used twice.
        let keysets = search.keysets(KeysetLoadPolicy::default()).await;
        for keyset in keysets.map_err(of_mint)? {
            let theirs = scratch.increment_keyset_counter(&keyset.id, 0).await;
            let used = ours.increment_keyset_counter(&keyset.id, 0).await;
            let behind = theirs.map_err(store)?.saturating_sub(used.map_err(store)?);
            if behind > 0 {
                let moved = ours.increment_keyset_counter(&keyset.id, behind).await;
                moved.map_err(store)?;
            }
        }

        let mut restored = Restored {
            pending_sat: found.pending.to_u64(),
            spent_sat: found.spent.to_u64(),
            ..Restored::default()
        };
        let at_mint = (Some(mint.clone()), Some(CurrencyUnit::Sat));
        let unspent = scratch
            .get_proofs(at_mint.0, at_mint.1, Some(vec![State::Unspent]), None)
            .await
            .map_err(store)?;
        let ys: Vec<PublicKey> = unspent.iter().map(|proof| proof.y).collect();
        let known = ours.get_proofs_by_ys(ys).await.map_err(store)?;
        let (known, new): (Vec<_>, Vec<_>) = unspent
            .into_iter()
            .partition(|proof| known.iter().any(|one| one.y == proof.y));
        let sum = |proofs: &[cdk_common::wallet::ProofInfo]| {
            proofs.iter().fold(0_u64, |sum, proof| {
                sum.saturating_add(proof.proof.amount.to_u64())
            })
        };
        (restored.known_sat, restored.restored_sat) = (sum(&known), sum(&new));
        ours.update_proofs(new, Vec::new()).await.map_err(store)?;
        Ok(restored)
    }
}

fn purse_store(purse: &crate::Purse) -> &Store {
    &purse.wallet.localstore
}

fn remove(path: &PathBuf) -> Result<(), WalletError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(WalletError::Store(format!("{}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}
