//! Incoming tokens: tokens that somebody sends, and tokens that the pool locked to the
//! owner's key.

use std::collections::HashMap;

use bitcoin::hashes::{Hash, sha256};
use cdk::amount::SplitTarget;
use cdk::wallet::ReceiveOptions;
use cdk_common::mint_url::MintUrl;
use cdk_common::nuts::{
    CheckStateRequest, KeySetInfo, Proofs, ProofsMethods, PublicKey, State, Token,
};
use cdk_common::wallet::KeysetLoadPolicy;

use super::in_step::Patience;
use super::join::{AT_ONCE, too_many};
use super::recover::STATES_AT_ONCE;
use super::{NAMESPACE, Purse, Recovered, read_token};
use crate::error::WalletError;
use crate::key::OwnerKey;
use crate::text::plain;

/// Tokens of which a part is not taken in yet.
const RECEIVING: &str = "receiving";

/// What the mint says of a token's proofs.
struct Found {
    /// Nobody spent them.
    free: Proofs,
    /// Whether it holds others for a request that has not ended.
    is_held: bool,
}

impl Purse {
    /// The mint that a token is of.
    ///
    /// # Errors
    /// [`WalletError::Token`]
    pub fn mint_of(token: &str) -> Result<MintUrl, WalletError> {
        Ok(read_token(token)?.1)
    }

    /// Takes a token in: what it holds is swapped for ecash that only this wallet
    /// knows. Returns its satoshis. `keys` are tried on what is locked.
    ///
    /// A token of more proofs than the mint takes at once is taken in by parts. Cut off,
    /// the same call takes in the rest.
    ///
    /// # Errors
    /// [`WalletError::Token`] when it is of another mint, locked to another key or
    /// already taken; [`WalletError::TokenPart`] when only a part of it came; what the mint
    /// says.
    pub async fn receive(&self, token: &str, keys: &[OwnerKey]) -> Result<u64, WalletError> {
        let (token, mint) = read_token(token)?;
        if mint != self.mint {
            return Err(WalletError::Token(format!(
                "it is of the mint {mint}, not of {}",
                self.mint
            )));
        }
        // The rest of this very token is not left to `ready`, which has no keys.
        self.ready_for_outputs().await?;
        match self.take(&token, keys).await? {
            0 => Err(WalletError::Token("it has been taken already".to_owned())),
            sat => Ok(sat),
        }
    }

    /// Takes in a token that this mint itself gave out, whatever address of the mint is
    /// written in it. Zero when it was taken before.
    pub(crate) async fn receive_from_pool(
        &self,
        token: &str,
        key: &OwnerKey,
    ) -> Result<u64, WalletError> {
        let (token, _) = read_token(token)?;
        self.take(&token, std::slice::from_ref(key)).await
    }

    /// Those proofs of a token that nobody spent. Asking first keeps a token that was
    /// taken elsewhere from becoming an operation that has to be undone.
    async fn unspent(&self, token: &Token) -> Result<Found, WalletError> {
        // cdk-redb 0.18.3 does not tell keysets of a mint's second address.
        let keysets = self.wallet.keysets(KeysetLoadPolicy::default()).await;
        let keysets: Vec<KeySetInfo> = keysets
            .map_err(self.error())?
            .into_iter()
            .map(|keyset| KeySetInfo {
                id: keyset.id,
                unit: keyset.unit,
                active: keyset.active.unwrap_or(false),
                input_fee_ppk: keyset.input_fee_ppk,
                final_expiry: keyset.final_expiry,
            })
            .collect();
        let proofs = token
            .proofs(&keysets)
            .map_err(|error| WalletError::Token(plain(&error.to_string())))?;
        let ys = proofs
            .ys()
            .map_err(|error| WalletError::Token(plain(&error.to_string())))?;
        let states = self.states(&ys).await?;
        let free = |y| states.get(&y) == Some(&State::Unspent);
        let proofs = proofs.into_iter().zip(ys).filter(|(_, y)| free(*y));
        Ok(Found {
            free: proofs.map(|(proof, _)| proof).collect(),
            is_held: states.values().any(|state| *state == State::Pending),
        })
    }

    /// The states of proofs at the mint, asked for in requests that it takes.
    async fn states(&self, ys: &[PublicKey]) -> Result<HashMap<PublicKey, State>, WalletError> {
        let mut states = HashMap::with_capacity(ys.len());
        let (mut rest, mut at_once) = (ys, STATES_AT_ONCE);
        while !rest.is_empty() {
            let (some, others) = rest.split_at(rest.len().min(at_once));
            let request = CheckStateRequest { ys: some.to_vec() };
            match self.wallet.mint_connector().post_check_state(request).await {
                Ok(answer) => {
                    states.extend(answer.states.into_iter().map(|one| (one.y, one.state)));
                    rest = others;
                }
                Err(error) if too_many(&error) && some.len() > 1 => at_once = some.len() / 2,
                Err(error) => return Err(WalletError::of(&self.mint, error)),
            }
        }
        Ok(states)
    }

    /// Takes in those proofs of a token that nobody took yet, part by part: each part is
    /// an operation of its own. Returns the satoshis that came.
    pub(super) async fn take(&self, token: &Token, keys: &[OwnerKey]) -> Result<u64, WalletError> {
        let (mut received_sat, mut at_once) = (0_u64, AT_ONCE);
        let mut patience = Patience::default();
        let mut found = self.unspent(token).await?;
        while !found.free.is_empty() || found.is_held {
            let count = found.free.len().min(at_once);
            let error = if count > 0 {
                // Before each: cdk lets go of the proofs of a swap that was not made.
                self.note_token(token).await?;
                match self
                    .swap_in(found.free[..count].to_vec(), token, keys)
                    .await
                {
                    Ok(sat) => {
                        received_sat = received_sat.saturating_add(sat);
                        found.free.drain(..count);
                        continue;
                    }
                    Err(error) => error,
                }
            } else {
                cdk::Error::TokenPending
            };
            if too_many(&error) && count > 1 {
                at_once = count / 2;
            } else if self.may_ask_again(&error, &mut patience).await? {
                found = self.unspent(token).await?;
            } else {
                let error = self.not_taken(error, received_sat);
                if error.is_of_token() {
                    self.forget_token(token).await?;
                }
                return Err(error);
            }
        }
        self.forget_token(token).await?;
        Ok(received_sat)
    }

    /// Swaps some proofs for ecash that only this wallet knows.
    async fn swap_in(
        &self,
        proofs: Proofs,
        token: &Token,
        keys: &[OwnerKey],
    ) -> Result<u64, cdk::Error> {
        let options = ReceiveOptions {
            // As few proofs as can be: whole powers of two.
            amount_split_target: SplitTarget::Values(Vec::new()),
            p2pk_signing_keys: keys.iter().map(|key| key.secret().clone()).collect(),
            ..ReceiveOptions::default()
        };
        let memo = token.memo().clone();
        let received = self.wallet.receive_proofs(proofs, options, memo, None);
        Ok(received.await?.to_u64())
    }

    fn not_taken(&self, error: cdk::Error, received_sat: u64) -> WalletError {
        let error = match error {
            cdk::Error::NUT11(_) | cdk::Error::P2PKConditionsNotMet(_) => WalletError::Token(
                "it is locked to a key that is not here: name its file with --key".to_owned(),
            ),
            cdk::Error::DHKE(_)
            | cdk::Error::NUT12(_)
            | cdk::Error::UnknownKeySet
            | cdk::Error::KeysetUnknown(_) => {
                WalletError::Token("it holds proofs that are not of this mint".to_owned())
            }
            error => WalletError::of(&self.mint, error),
        };
        match received_sat {
            0 => error,
            received_sat => WalletError::TokenPart {
                received_sat,
                rest: Box::new(error),
            },
        }
    }

    /// Writes down a token before it is taken in: if its text is lost, any later
    /// command still takes in the rest. For one with a lock only the same command does: its
    /// key is in no store.
    async fn note_token(&self, token: &Token) -> Result<(), WalletError> {
        let (store, text) = (&self.wallet.localstore, token.to_string());
        let name = name(&text);
        let written = store.kv_write(NAMESPACE, RECEIVING, &name, text.as_bytes());
        written.await.map_err(|error| self.store_error(error))
    }

    async fn forget_token(&self, token: &Token) -> Result<(), WalletError> {
        let (store, name) = (&self.wallet.localstore, name(&token.to_string()));
        let removed = store.kv_remove(NAMESPACE, RECEIVING, &name).await;
        removed.map_err(|error| self.store_error(error))
    }

    /// Tokens of this mint of which a part is not taken in yet.
    async fn noted_tokens(&self) -> Result<Vec<Token>, WalletError> {
        let failed = |error| self.store_error(error);
        let store = &self.wallet.localstore;
        let mut tokens = Vec::new();
        for name in store.kv_list(NAMESPACE, RECEIVING).await.map_err(failed)? {
            let noted = store.kv_read(NAMESPACE, RECEIVING, &name).await;
            let text = String::from_utf8(noted.map_err(failed)?.unwrap_or_default());
            match text.map(|text| read_token(&text)) {
                Ok(Ok((token, mint))) if mint == self.mint => tokens.push(token),
                Ok(Ok(_)) => {}
                Ok(Err(_)) | Err(_) => {
                    return Err(WalletError::Store(format!(
                        "the note of the token {name} cannot be read"
                    )));
                }
            }
        }
        Ok(tokens)
    }

    /// Takes in the rest of tokens that an earlier process began with. A token that cannot
    /// be taken now stays open and keeps nothing else.
    pub(super) async fn resume_tokens(&self) -> Result<Recovered, WalletError> {
        let mut recovered = Recovered::default();
        for token in self.noted_tokens().await? {
            match self.take(&token, &[]).await {
                Ok(_) => recovered.completed += 1,
                Err(error @ WalletError::Store(_)) => return Err(error),
                // It is forgotten: to ask again would be in the way of every command.
                Err(error) if error.is_of_token() => {
                    tracing::warn!(%error, "the rest of a token is not taken in");
                    recovered.undone += 1;
                }
                Err(error) => {
                    tracing::info!(%error, "the rest of a token cannot be taken in yet");
                    recovered.open += 1;
                }
            }
        }
        Ok(recovered)
    }
}

/// The key of a token's note.
fn name(token: &str) -> String {
    sha256::Hash::hash(token.as_bytes()).to_string()
}
