//! The interface of a pool's mint beside the NUTs: the look-up of quotes by key, and the
//! tokens that it made for a key.
//!
//! The look-up is an open draft (cashubtc/nuts #341): `POST
//! /v1/mint/quote/{method}/pubkey` with `pubkeys` and, in the same order,
//! `pubkey_signatures`; each is a BIP340 signature over the SHA256 of the text
//! `Cashu_MintQuoteLookup_v1`, the mint's public key and that public key, both in hex.

use cdk_common::mint_url::MintUrl;
use cdk_common::nuts::{MintQuoteCustomResponse, PublicKey};
use cdk_http_client::{HttpError, Transport};
use serde::{Deserialize, Serialize};

use crate::error::WalletError;
use crate::key::OwnerKey;
use crate::text::plain;
use crate::transport::Bounded;

/// The payment method of a pool's quotes.
pub(crate) const METHOD: &str = "axepool";

const LOOKUP_TAG: &str = "Cashu_MintQuoteLookup_v1";

/// A quote as the mint answers it.
pub(crate) type PoolQuote = MintQuoteCustomResponse<String>;

/// Asks one pool.
#[derive(Clone, Debug)]
pub(crate) struct PoolClient {
    mint: MintUrl,
    transport: Bounded,
}

#[derive(Serialize)]
struct LookupRequest {
    pubkeys: Vec<String>,
    pubkey_signatures: Vec<String>,
}

#[derive(Deserialize)]
struct LookupAnswer {
    quotes: Vec<PoolQuote>,
}

/// A token that the pool made for a key.
#[derive(Debug, Deserialize)]
pub(crate) struct Listed {
    /// `unspent`, `partly_spent`, or `spent`.
    pub(crate) state: String,
    /// Not there when it is spent.
    pub(crate) token: Option<String>,
}

#[derive(Deserialize)]
struct TokenList {
    tokens: Vec<Listed>,
}

impl PoolClient {
    pub(crate) fn new(mint: MintUrl, transport: Bounded) -> PoolClient {
        PoolClient { mint, transport }
    }

    /// The quotes of `keys`, 50 at most: those with something to mint first.
    pub(crate) async fn look_up(
        &self,
        mint_key: &PublicKey,
        keys: &[&OwnerKey],
    ) -> Result<Vec<PoolQuote>, WalletError> {
        let sign = |key: &&OwnerKey| {
            let text = format!("{LOOKUP_TAG}{}{}", mint_key.to_hex(), key.public_hex());
            key.sign(&text)
        };
        let request = LookupRequest {
            pubkeys: keys.iter().map(|key| key.public_hex()).collect(),
            pubkey_signatures: keys.iter().map(sign).collect(),
        };
        let url = self.url(&["v1", "mint", "quote", METHOD, "pubkey"])?;
        let answer = self.transport.http_post(url, None, &request).await;
        let answer: LookupAnswer = answer.map_err(|error| self.no_lookup(error))?;
        Ok(answer.quotes)
    }

    /// The tokens of `key`; none where nobody knows of such.
    pub(crate) async fn tokens(&self, key: &OwnerKey) -> Result<Vec<Listed>, WalletError> {
        let url = self.url(&["api", "miners", &key.public_hex(), "tokens"])?;
        match self.transport.http_get::<TokenList>(url, None).await {
            Ok(list) => Ok(list.tokens),
            Err(HttpError::Status {
                status: 404 | 405, ..
            }) => Ok(Vec::new()),
            Err(error) => Err(WalletError::http(&self.mint, error)),
        }
    }

    fn url(&self, path: &[&str]) -> Result<url::Url, WalletError> {
        self.mint
            .join_paths(path)
            .map_err(|error| WalletError::NoPool {
                mint: self.mint.to_string(),
                why: error.to_string(),
            })
    }

    fn no_lookup(&self, error: HttpError) -> WalletError {
        match error {
            HttpError::Status {
                status: 404 | 405, ..
            } => WalletError::NoPool {
                mint: self.mint.to_string(),
                why: format!("it has no look-up of {METHOD} quotes by key"),
            },
            HttpError::Serialization(why) => WalletError::NoPool {
                mint: self.mint.to_string(),
                why: format!("its look-up answers something else: {}", plain(&why)),
            },
            error => WalletError::http(&self.mint, error),
        }
    }
}
