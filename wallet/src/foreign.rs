//! Keysets of one mint alone. The number of the next output is kept by keyset id (NUT-13), for
//! all mints of a wallet: a mint that publishes the keys of another one could move the other's
//! numbers, and a later search for the ecash of the words would end in the gap. cdk checks that
//! an id follows from its keys; whose they are it does not ask.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Weak};

use cdk::cdk_database::WalletDatabase;
use cdk_common::database::Error;
use cdk_common::mint_url::MintUrl;
use cdk_http_client::HttpError;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::mint_address::of_earlier_version;
use crate::text::plain;

/// The beginning of what is told instead of a mint's keys.
pub(crate) const FOREIGN: &str = "the keys of another mint: ";

/// The mint that is asked, and the store that knows the others. It does not keep the store
/// open: tasks of cdk that ask the mint may outlive the wallet.
#[derive(Clone)]
pub(crate) struct OwnKeysets {
    mint: MintUrl,
    store: Weak<dyn WalletDatabase<Error> + Send + Sync>,
}

impl fmt::Debug for OwnKeysets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnKeysets")
            .field("mint", &self.mint)
            .finish_non_exhaustive()
    }
}

/// What `/v1/keys` and `/v1/keysets` have in common.
#[derive(Deserialize)]
struct Listed {
    /// cdk passes over an entry that it cannot read, and takes the others.
    keysets: Vec<Value>,
}

impl OwnKeysets {
    pub(crate) fn new(
        mint: MintUrl,
        store: &Arc<dyn WalletDatabase<Error> + Send + Sync>,
    ) -> OwnKeysets {
        let store = Arc::downgrade(store);
        OwnKeysets { mint, store }
    }

    /// Refuses the answer to `asked` if it lists a keyset that the store has of another mint:
    /// before cdk writes anything of it down.
    pub(crate) async fn check(&self, asked: &Url, body: &[u8]) -> Result<(), HttpError> {
        if !lists_keysets(asked) {
            return Ok(());
        }
        // An answer of another form is none to cdk either.
        let Ok(Listed { keysets }) = serde_json::from_slice(body) else {
            return Ok(());
        };
        let listed: BTreeSet<String> = keysets
            .into_iter()
            .filter_map(|keyset| Some(keyset.get("id")?.as_str()?.to_ascii_lowercase()))
            .collect();
        let owner = self.other_owner(&listed).await;
        let owner = owner.map_err(|error| HttpError::Other(plain(&error.to_string())))?;
        match owner {
            Some(owner) => Err(HttpError::Other(format!("{FOREIGN}{owner}"))),
            None => Ok(()),
        }
    }

    /// Another mint to which one of these keysets belongs.
    async fn other_owner(&self, listed: &BTreeSet<String>) -> Result<Option<MintUrl>, Error> {
        let own = one_spelling(&self.mint);
        // Nobody writes into a store that is closed.
        let Some(store) = self.store.upgrade() else {
            return Ok(None);
        };
        for other in store.get_mints().await?.into_keys() {
            if one_spelling(&other) == own {
                continue;
            }
            let theirs = store.get_mint_keysets(other.clone()).await?;
            let mut theirs = theirs.into_iter().flatten();
            if theirs.any(|keyset| listed.contains(&keyset.id.to_string())) {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }
}

/// The spelling of an address that all its spellings have in common.
fn one_spelling(mint: &MintUrl) -> MintUrl {
    of_earlier_version(&mint.to_string()).unwrap_or_else(|_| mint.clone())
}

/// `/v1/keysets`, `/v1/keys` and `/v1/keys/{id}`, below whatever path the mint has.
fn lists_keysets(asked: &Url) -> bool {
    let parts: Vec<&str> = asked
        .path_segments()
        .map(Iterator::collect)
        .unwrap_or_default();
    matches!(
        parts[..],
        [.., "v1", "keysets" | "keys"] | [.., "v1", "keys", _]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_with_keysets_are_looked_at() {
        let lists = |path: &str| {
            let url = format!("https://mint.example{path}");
            lists_keysets(&url.parse().unwrap())
        };
        assert!(lists("/v1/keysets") && lists("/v1/keys") && lists("/v1/keys/00ff"));
        assert!(lists("/below/v1/keysets") && lists("/v1/keys?x=1"));
        assert!(!lists("/v1/info") && !lists("/v1/keys/x/y") && !lists("/"));
    }
}
