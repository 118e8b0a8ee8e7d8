//! Incoming tokens: tokens that somebody sends, and tokens that the pool locked to the
//! owner's key.

use cdk::wallet::ReceiveOptions;
use cdk_common::mint_url::MintUrl;
use cdk_common::nuts::{CheckStateRequest, Proofs, ProofsMethods, State, Token};
use cdk_common::wallet::KeysetLoadPolicy;

use crate::error::WalletError;
use crate::key::OwnerKey;
use crate::purse::{Purse, read_token};
use crate::text::plain;

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
    /// # Errors
    /// [`WalletError::Token`] when it is of another mint, locked to another key or
    /// already taken; what the mint says.
    pub async fn receive(&self, token: &str, keys: &[OwnerKey]) -> Result<u64, WalletError> {
        let (token, mint) = read_token(token)?;
        if mint != self.mint {
            return Err(WalletError::Token(format!(
                "it is of the mint {mint}, not of {}",
                self.mint
            )));
        }
        self.ready().await?;
        let proofs = self.unspent(&token).await?;
        if proofs.is_empty() {
            return Err(WalletError::Token("it has been taken already".to_owned()));
        }
        self.take(proofs, &token, keys).await
    }

    /// Takes in a token that this mint itself gave out, whatever address of the mint is
    /// written in it. Zero when it was taken before.
    pub(crate) async fn receive_from_pool(
        &self,
        token: &str,
        key: &OwnerKey,
    ) -> Result<u64, WalletError> {
        let (token, _) = read_token(token)?;
        let proofs = self.unspent(&token).await?;
        if proofs.is_empty() {
            return Ok(0);
        }
        self.take(proofs, &token, std::slice::from_ref(key)).await
    }

    /// Those proofs of a token that nobody spent. Asking first keeps a token that was
    /// taken elsewhere from becoming an operation that has to be undone.
    async fn unspent(&self, token: &Token) -> Result<Proofs, WalletError> {
        let load = self.wallet.keysets(KeysetLoadPolicy::default()).await;
        load.map_err(self.error())?;
        let keysets = self
            .wallet
            .localstore
            .get_mint_keysets(self.mint.clone())
            .await
            .map_err(|error| self.store_error(error))?;
        let proofs = token
            .proofs(&keysets.unwrap_or_default())
            .map_err(|error| WalletError::Token(plain(&error.to_string())))?;
        let ys = proofs
            .ys()
            .map_err(|error| WalletError::Token(plain(&error.to_string())))?;
        let answer = self
            .wallet
            .mint_connector()
            .post_check_state(CheckStateRequest { ys: ys.clone() })
            .await
            .map_err(self.error())?;
        let free = |y| {
            let state = answer.states.iter().find(|state| state.y == y);
            state.is_some_and(|state| state.state == State::Unspent)
        };
        let proofs = proofs.into_iter().zip(ys);
        Ok(proofs
            .filter(|(_, y)| free(*y))
            .map(|(proof, _)| proof)
            .collect())
    }

    async fn take(
        &self,
        proofs: Proofs,
        token: &Token,
        keys: &[OwnerKey],
    ) -> Result<u64, WalletError> {
        let options = ReceiveOptions {
            p2pk_signing_keys: keys.iter().map(|key| key.secret().clone()).collect(),
            ..ReceiveOptions::default()
        };
        let (memo, text) = (token.memo(), token.to_string());
        let received = self.in_step(async || {
            let (proofs, options) = (proofs.clone(), options.clone());
            let received =
                self.wallet
                    .receive_proofs(proofs, options, memo.clone(), Some(text.clone()));
            received.await
        });
        match received.await? {
            Ok(amount) => Ok(amount.to_u64()),
            Err(cdk::Error::NUT11(_) | cdk::Error::P2PKConditionsNotMet(_)) => {
                Err(WalletError::Token(
                    "it is locked to a key that is not here: name its file with --key".to_owned(),
                ))
            }
            Err(error) => Err(WalletError::of(&self.mint, error)),
        }
    }
}
