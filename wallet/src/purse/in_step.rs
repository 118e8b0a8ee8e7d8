//! Keeping in step with the mint, which knows what other copies of this wallet did.
//!
//! The words and a counter make the outputs of a wallet. The counter is in the store: an
//! emptied store, an older copy of it, and another directory with the same words begin at
//! numbers that the mint has signed already, and it refuses those for ever. So a mint is
//! searched (NUT-09) before a store of unknown past first uses it, and again whenever it
//! refuses outputs for having signed them. Ecash that another copy has spent is found out
//! likewise.

use std::time::Duration;

use cdk_common::database;
use cdk_common::mint_url::MintUrl;
use cdk_common::wallet::KeysetLoadPolicy;

use super::recover::mark;
use super::search::{Collided, Restored};
use super::watch::{UNCHECKED, until_of};
use super::{NAMESPACE, Purse, Recovered, Store};
use crate::error::WalletError;

/// Mints that were searched, each with a one, or with a zero when it has to be again.
const SEARCHED: &str = "searched";

/// Whether words and store were made together.
const WORDS: &str = "words";
const NEW: &str = "new";

/// How often one operation is tried. Another copy of the wallet that is at work at the
/// same moment may use the next outputs too.
const TRIES: u32 = 4;

/// Waits for the end of somebody else's request, one after the other.
const WAITS: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// True when the mint holds the ecash, the outputs or the quote for a request that has not
/// ended: the winner's of two that ask for the same.
fn at_work(error: &cdk::Error) -> bool {
    matches!(error, cdk::Error::TokenPending | cdk::Error::PendingQuote)
}

/// Patience with requests that others have under way.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    waits: usize,
    behind: u32,
}

/// What a mint's refusal tells of this store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behind {
    /// The mint has the outputs already.
    Outputs,
    /// The mint has the ecash for spent.
    Ecash,
}

/// What [`Purse::ready`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) recovered: Recovered,
    /// There when the mint was searched.
    pub(crate) restored: Option<Restored>,
}

/// Notes that the store and its words are both new.
pub(crate) async fn note_new_words(store: &Store) -> Result<(), database::Error> {
    store.kv_write(NAMESPACE, WORDS, NEW, b"1").await
}

/// Brings the marks of a mint under its new address.
pub(crate) async fn move_marks(
    store: &Store,
    old: &MintUrl,
    new: &MintUrl,
) -> Result<(), database::Error> {
    let (from, to) = (mark(old), mark(new));
    for name in [UNCHECKED, SEARCHED] {
        let Some(value) = store.kv_read(NAMESPACE, name, &from).await? else {
            continue;
        };
        let there = store.kv_read(NAMESPACE, name, &to).await?;
        // Of two, the one that says that there is more to do.
        let has_more = |there: &[u8]| match name {
            UNCHECKED => until_of(&value) > until_of(there),
            _ => value == b"0",
        };
        if there.as_deref().is_none_or(has_more) {
            store.kv_write(NAMESPACE, name, &to, &value).await?;
        }
        store.kv_remove(NAMESPACE, name, &from).await?;
    }
    Ok(())
}

impl Purse {
    /// Takes up what an earlier process left. Does nothing, and asks nobody, when there
    /// is nothing.
    ///
    /// # Errors
    /// [`WalletError::Store`]. A mint that cannot be asked is none: it stays open.
    pub async fn recover(&self) -> Result<Recovered, WalletError> {
        let recovered = self.recover_operations().await?;
        self.search_if_behind().await?;
        Ok(recovered.and(self.resume_tokens().await?))
    }

    /// Searches the mint where it has done more than this store knows. A mint that cannot
    /// be searched now is searched by the next operation.
    async fn search_if_behind(&self) -> Result<(), WalletError> {
        if self.searched().await?.as_deref() != Some(b"0") {
            return Ok(());
        }
        match self.search(Collided::No).await {
            Err(error @ WalletError::Store(_)) => Err(error),
            Err(error) => {
                tracing::info!(mint = %self.mint, %error, "the mint is searched later");
                Ok(())
            }
            Ok(restored) => {
                let sat = restored.restored_sat;
                tracing::info!(mint = %self.mint, restored_sat = sat, "the mint was searched");
                Ok(())
            }
        }
    }

    /// Each operation begins with this: earlier ones are brought to their end, and the
    /// mint is searched when this store does not know what it has signed.
    pub(crate) async fn ready(&self) -> Result<Ready, WalletError> {
        let mut ready = self.ready_for_outputs().await?;
        ready.recovered = ready.recovered.and(self.resume_tokens().await?);
        Ok(ready)
    }

    /// The same, but for the rest of a token that an earlier process began with.
    pub(crate) async fn ready_for_outputs(&self) -> Result<Ready, WalletError> {
        let mut ready = Ready {
            recovered: self.recover_operations().await?,
            restored: None,
        };
        self.complete_keys().await?;
        if !self.is_searched().await? {
            ready.restored = Some(self.search(Collided::No).await?);
        }
        Ok(ready)
    }

    /// cdk 0.18.3 writes a mint's keysets before their keys. Cut off in between, it would
    /// miss the keys for ever.
    async fn complete_keys(&self) -> Result<(), WalletError> {
        let failed = |error| self.store_error(error);
        let store = &self.wallet.localstore;
        let keysets = store.get_mint_keysets(self.mint.clone()).await;
        let keysets = keysets.map_err(failed)?.unwrap_or_default();
        for keyset in keysets.iter().filter(|keyset| keyset.active) {
            if store.get_keys(&keyset.id).await.map_err(failed)?.is_none() {
                let refreshed = self.wallet.keysets(KeysetLoadPolicy::Refresh).await;
                refreshed.map_err(self.error())?;
                break;
            }
        }
        Ok(())
    }

    /// Asks, and asks again with other outputs or other ecash when the mint refuses those
    /// of the first time for having them already.
    pub(crate) async fn in_step<T>(
        &self,
        ask: impl AsyncFn() -> Result<T, cdk::Error>,
    ) -> Result<Result<T, cdk::Error>, WalletError> {
        let mut patience = Patience::default();
        loop {
            match ask().await {
                Err(error) if self.may_ask_again(&error, &mut patience).await? => {}
                answer => return Ok(answer),
            }
        }
    }

    /// True when the same may be asked again: this store has learned what the mint has, or
    /// somebody else's request has had time to end. False in the end, however often.
    pub(crate) async fn may_ask_again(
        &self,
        error: &cdk::Error,
        patience: &mut Patience,
    ) -> Result<bool, WalletError> {
        if at_work(error) {
            let Some(wait) = WAITS.get(patience.waits) else {
                return Ok(false);
            };
            patience.waits += 1;
            tokio::time::sleep(*wait).await;
            // The request may have been written down as one without an answer.
            self.recover_operations().await?;
            return Ok(true);
        }
        if patience.behind + 1 < TRIES && self.catch_up(error).await? {
            patience.behind += 1;
            return Ok(true);
        }
        Ok(false)
    }

    /// Learns what the mint has, where `error` says that it has more than this store
    /// knows. False when the error says something else.
    pub(crate) async fn catch_up(&self, error: &cdk::Error) -> Result<bool, WalletError> {
        let Some(behind) = behind(error) else {
            return Ok(false);
        };
        if behind == Behind::Outputs {
            // Cut off in between, the next operation searches.
            self.mark_searched(false).await?;
        }
        self.mark_unchecked().await?;
        self.recover_operations().await?;
        if behind == Behind::Outputs {
            let restored = self.search(Collided::Yes).await?;
            tracing::warn!(
                mint = %self.mint,
                restored_sat = restored.restored_sat,
                "another wallet with the same words has used this mint, or this one is an \
                 older copy: what the mint holds for these words is in the wallet now"
            );
        } else {
            self.search_if_behind().await?;
        }
        Ok(true)
    }

    /// True when another copy of this wallet may be about: its words or its store have been
    /// somewhere else before.
    async fn may_be_shared(&self) -> Result<bool, WalletError> {
        Ok(self.searched().await?.is_some())
    }

    /// Like [`Purse::ready`], before ecash is given away without asking the mint: a token
    /// of ecash that another copy has spent is worth nothing to its receiver.
    pub(crate) async fn ready_to_give(&self) -> Result<Ready, WalletError> {
        if self.may_be_shared().await? {
            self.mark_unchecked().await?;
        }
        self.ready().await
    }

    async fn is_searched(&self) -> Result<bool, WalletError> {
        match self.searched().await?.as_deref() {
            Some(mark) => Ok(mark == b"1"),
            None => {
                let store = &self.wallet.localstore;
                let new = store.kv_read(NAMESPACE, WORDS, NEW).await;
                Ok(new.map_err(|error| self.store_error(error))?.is_some())
            }
        }
    }

    pub(crate) async fn mark_searched(&self, searched: bool) -> Result<(), WalletError> {
        let value: &[u8] = if searched { b"1" } else { b"0" };
        self.set_searched(Some(value)).await
    }

    /// The mark as it is; `None` where this store made all that the mint has of it.
    pub(crate) async fn searched(&self) -> Result<Option<Vec<u8>>, WalletError> {
        let store = &self.wallet.localstore;
        let mark = store.kv_read(NAMESPACE, SEARCHED, &self.mark()).await;
        mark.map_err(|error| self.store_error(error))
    }

    /// Puts the mark back.
    pub(crate) async fn set_searched(&self, value: Option<&[u8]>) -> Result<(), WalletError> {
        let (store, mark) = (&self.wallet.localstore, self.mark());
        let written = match value {
            Some(value) => store.kv_write(NAMESPACE, SEARCHED, &mark, value).await,
            None => store.kv_remove(NAMESPACE, SEARCHED, &mark).await,
        };
        written.map_err(|error| self.store_error(error))
    }
}

/// cdk's mint says "already paid" (20006) for outputs of a mint request or a payment that
/// it has, and "duplicate" (11008) for those of a swap; the NUTs have 11003.
fn behind(error: &cdk::Error) -> Option<Behind> {
    use cdk::Error as E;
    match error {
        E::BlindedMessageAlreadySigned | E::DuplicateOutputs | E::RequestAlreadyPaid => {
            Some(Behind::Outputs)
        }
        E::TokenAlreadySpent => Some(Behind::Ecash),
        _ => None,
    }
}
