//! The ecash of one mint: its balance, tokens out and in.

mod in_step;
mod join;
mod recover;
mod search;
mod store;
mod tokens;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cdk::cdk_database::WalletDatabase;
use cdk::wallet::{BaseHttpClient, SendOptions, Wallet, WalletBuilder};
use cdk_common::mint_url::MintUrl;
use cdk_common::nuts::{CurrencyUnit, MintInfo, Token};
use cdk_common::wallet::{OperationData, SendSagaState, WalletSagaState};
use cdk_common::{Amount, database};

use crate::error::WalletError;
use crate::foreign::OwnKeysets;
use crate::mint_address::mint_address;
use crate::pool::PoolClient;
use crate::text::plain;
use crate::transport::Bounded;

pub(crate) use in_step::{Patience, move_marks, note_new_words};
pub use recover::Recovered;
pub(crate) use search::Collided;
pub use search::Restored;
pub(crate) use store::open_store;

/// The namespace of the wallet's own keys in cdk's store.
pub(crate) const NAMESPACE: &str = "axepool";

/// cdk's store, whichever it is.
pub(crate) type Store = Arc<dyn WalletDatabase<database::Error> + Send + Sync>;

/// A payment over lightning is made or given up within a minute, as a rule.
const PATIENCE: Duration = Duration::from_secs(120);

/// The ecash of one mint.
pub struct Purse {
    pub(crate) mint: MintUrl,
    pub(crate) wallet: Wallet,
    pub(crate) pool: PoolClient,
    pub(crate) patience: Duration,
    /// The wallet's seed and directory: a search needs them.
    pub(crate) seed: [u8; 64],
    pub(crate) dir: PathBuf,
}

/// A token that was sent and, as far as is known, not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentToken {
    /// The operation's id.
    pub id: String,
    /// Satoshis in it.
    pub amount_sat: u64,
    /// The token; not there for a crash just before it was made.
    pub token: Option<String>,
}

impl Purse {
    pub(crate) fn open(
        mint: &MintUrl,
        seed: [u8; 64],
        store: Store,
        dir: &Path,
    ) -> Result<Purse, WalletError> {
        let keysets = OwnKeysets::new(mint.clone(), &store);
        Purse::open_with(mint, seed, store, dir, keysets)
    }

    /// A purse whose store is not the wallet's own.
    pub(crate) fn open_with(
        mint: &MintUrl,
        seed: [u8; 64],
        store: Store,
        dir: &Path,
        keysets: OwnKeysets,
    ) -> Result<Purse, WalletError> {
        let transport = Bounded::new(keysets).map_err(|error| WalletError::http(mint, error))?;
        let client = BaseHttpClient::with_transport(mint.clone(), transport.clone(), None);
        let wallet = WalletBuilder::new()
            .mint_url(mint.clone())
            .unit(CurrencyUnit::Sat)
            .localstore(store)
            .seed(seed)
            .client(client)
            .use_http_subscription()
            .build()
            .map_err(|error| WalletError::of(mint, error))?;
        Ok(Purse {
            mint: mint.clone(),
            wallet,
            pool: PoolClient::new(mint.clone(), transport),
            patience: PATIENCE,
            seed,
            dir: dir.to_owned(),
        })
    }

    /// The mint's address.
    pub fn mint(&self) -> &MintUrl {
        &self.mint
    }

    /// How long [`Purse::pay`] waits for an outcome before it says that it is not known
    /// yet; two minutes otherwise.
    pub fn wait_at_most(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Satoshis that can be spent.
    ///
    /// # Errors
    /// [`WalletError::Store`]
    pub async fn balance_sat(&self) -> Result<u64, WalletError> {
        let balance = self.wallet.total_balance().await.map_err(self.error())?;
        Ok(balance.to_u64())
    }

    /// What the mint says of itself, asked now.
    pub(crate) async fn info(&self) -> Result<MintInfo, WalletError> {
        let info = self.wallet.fetch_mint_info().await.map_err(self.error())?;
        info.ok_or_else(|| WalletError::NoPool {
            mint: self.mint.to_string(),
            why: "it does not say what it is".to_owned(),
        })
    }

    /// Makes a token of `amount_sat` for somebody else. It can be taken back with
    /// [`Purse::take_back`] for as long as nobody took it.
    ///
    /// # Errors
    /// [`WalletError::Insufficient`], and what the mint says.
    pub async fn send(&self, amount_sat: u64) -> Result<String, WalletError> {
        self.ready_to_give().await?;
        self.join().await?;
        let sent = self.in_step(async || {
            let amount = Amount::from(amount_sat);
            let prepared = self.wallet.prepare_send(amount, SendOptions::default());
            prepared.await?.confirm(None).await
        });
        match sent.await? {
            Ok(token) => Ok(token.to_string()),
            Err(cdk::Error::InsufficientFunds) => Err(WalletError::Insufficient {
                mint: self.mint.to_string(),
                need: amount_sat,
                have: self.balance_sat().await?,
                fee: false,
            }),
            Err(error) => Err(WalletError::of(&self.mint, error)),
        }
    }

    /// Tokens that were sent and not yet taken.
    ///
    /// # Errors
    /// [`WalletError::Store`]
    pub async fn sent(&self) -> Result<Vec<SentToken>, WalletError> {
        let mut sent = Vec::new();
        for saga in self.sagas().await? {
            let WalletSagaState::Send(SendSagaState::TokenCreated) = saga.state else {
                continue;
            };
            let OperationData::Send(data) = saga.data else {
                continue;
            };
            sent.push(SentToken {
                id: saga.id.to_string(),
                amount_sat: data.amount.to_u64(),
                token: data.token,
            });
        }
        Ok(sent)
    }

    /// Takes back the sent token `id`, unless somebody took it. Returns its satoshis.
    ///
    /// # Errors
    /// What the mint says; [`WalletError::Token`] for an id that is none.
    pub async fn take_back(&self, id: &str) -> Result<u64, WalletError> {
        let id = uuid::Uuid::parse_str(id)
            .map_err(|_| WalletError::Token(format!("no sent token is called {}", plain(id))))?;
        self.ready().await?;
        if !self
            .sent()
            .await?
            .iter()
            .any(|sent| sent.id == id.to_string())
        {
            return Err(WalletError::Token(
                "it is not waiting: it was taken, or taken back".to_owned(),
            ));
        }
        let back = self.in_step(async || self.wallet.revoke_send(id).await);
        let amount = back.await?.map_err(self.error())?;
        Ok(amount.to_u64())
    }

    /// What is written down as under way with this mint.
    pub(crate) async fn sagas(&self) -> Result<Vec<cdk_common::wallet::WalletSaga>, WalletError> {
        let mut sagas = self
            .wallet
            .localstore
            .get_incomplete_sagas()
            .await
            .map_err(|error| self.store_error(error))?;
        sagas.retain(|saga| saga.mint_url == self.mint && saga.unit == CurrencyUnit::Sat);
        Ok(sagas)
    }

    pub(crate) fn error(&self) -> impl Fn(cdk::Error) -> WalletError + '_ {
        |error| WalletError::of(&self.mint, error)
    }

    pub(crate) fn store_error(&self, error: database::Error) -> WalletError {
        WalletError::Store(plain(&error.to_string()))
    }
}

/// The mint and the satoshis that a token's text names.
///
/// # Errors
/// [`WalletError::Token`] when it is no token, of several mints, or not in satoshis.
pub(crate) fn read_token(text: &str) -> Result<(Token, MintUrl), WalletError> {
    let wrong = |error: &dyn std::fmt::Display| WalletError::Token(plain(&error.to_string()));
    let text = text.trim();
    let text = text.strip_prefix("cashu:").unwrap_or(text);
    let token: Token = text.parse().map_err(|error| wrong(&error))?;
    if token.unit().unwrap_or_default() != CurrencyUnit::Sat {
        return Err(WalletError::Token("it is not in satoshis".to_owned()));
    }
    let mint = token.mint_url().map_err(|error| wrong(&error))?;
    let mint = mint_address(&mint.to_string()).map_err(|error| wrong(&error))?;
    Ok((token, mint))
}
