//! Purses of an earlier version, which kept each spelling of a mint's address for a mint of
//! its own: they are found under the one spelling of today.

use std::collections::BTreeSet;

use cdk_common::database::Error;
use cdk_common::mint_url::MintUrl;

use crate::mint_address::of_earlier_version;
use crate::purse::{Store, move_marks};

/// Brings everything that is kept under another spelling under today's. Cut off, it is done
/// again from the start by the next opening: the old spelling goes last.
pub(crate) async fn readdress(store: &Store) -> Result<(), Error> {
    let mut known: BTreeSet<MintUrl> = store.get_mints().await?.into_keys().collect();
    let sagas = store.get_incomplete_sagas().await?;
    known.extend(sagas.into_iter().map(|saga| saga.mint_url));
    for old in known {
        // One that cannot be read was never reached, and stays as it is.
        let Ok(new) = of_earlier_version(&old.to_string()) else {
            continue;
        };
        if new != old {
            move_all(store, &old, &new).await?;
            tracing::info!(%old, %new, "the mint has one spelling now");
        }
    }
    Ok(())
}

async fn move_all(store: &Store, old: &MintUrl, new: &MintUrl) -> Result<(), Error> {
    if store.get_mint(new.clone()).await?.is_none() {
        let info = store.get_mint(old.clone()).await?;
        store.add_mint(new.clone(), info).await?;
    }
    if let Some(keysets) = store.get_mint_keysets(old.clone()).await? {
        store.add_mint_keysets(new.clone(), keysets).await?;
    }
    move_marks(store, old, new).await?;
    for mut quote in store.get_mint_quotes().await? {
        if quote.mint_url == *old {
            quote.mint_url = new.clone();
            store.add_mint_quote(quote).await?;
        }
    }
    for mut quote in store.get_melt_quotes().await? {
        if quote.mint_url.as_ref() == Some(old) {
            quote.mint_url = Some(new.clone());
            store.add_melt_quote(quote).await?;
        }
    }
    for mut saga in store.get_incomplete_sagas().await? {
        if saga.mint_url == *old {
            saga.mint_url = new.clone();
            store.add_saga(saga).await?;
        }
    }
    store.update_mint_url(old.clone(), new.clone()).await?;
    store.remove_mint(old.clone()).await
}
