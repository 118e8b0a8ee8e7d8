//! The spelling in which a miner's key was typed last.
//!
//! An order for a quote says how the key was typed in the session whose share made the
//! order. A stranger who mines with somebody's key in its other spelling works for the
//! owner, and changes the spelling only if that stranger's share makes the epoch's order,
//! and only until the order of the next epoch.

use accounting::{KeyPrefix, MinerId, MinerKey};
use cdk_common::database::Error;

use crate::handle::Mint;
use crate::index::{self, Tx};

impl Mint {
    /// The key of a miner in the spelling that was typed last; with `02` where none is
    /// known, as everything was locked before spellings were kept.
    pub async fn typed(&self, miner: &MinerId) -> Result<MinerKey, Error> {
        let key = index::miner_key(miner);
        let stored = self
            .store()
            .kv_read(index::AXEPOOL, index::TYPED, &key)
            .await?;
        Ok(MinerKey {
            miner: *miner,
            prefix: parse(stored.as_deref())?.unwrap_or(KeyPrefix::Even),
        })
    }
}

/// The spelling that was typed last, inside `tx`; none where only an npub was ever typed.
pub(crate) async fn read(tx: Tx<'_>, miner: &MinerId) -> Result<Option<KeyPrefix>, Error> {
    let key = index::miner_key(miner);
    let stored = tx.kv_read(index::AXEPOOL, index::TYPED, &key).await?;
    parse(stored.as_deref())
}

/// The spelling for a quote that is made in `tx`: that of its order, which is kept as the
/// miner's last one, or the last one.
pub(crate) async fn note(
    tx: Tx<'_>,
    miner: &MinerId,
    typed: Option<KeyPrefix>,
) -> Result<KeyPrefix, Error> {
    let before = read(&mut *tx, miner).await?;
    if let Some(typed) = typed
        && before != Some(typed)
    {
        let (key, text) = (index::miner_key(miner), typed.to_string());
        tx.kv_write(index::AXEPOOL, index::TYPED, &key, text.as_bytes())
            .await?;
    }
    Ok(typed.or(before).unwrap_or(KeyPrefix::Even))
}

fn parse(stored: Option<&[u8]>) -> Result<Option<KeyPrefix>, Error> {
    match stored {
        None => Ok(None),
        Some(b"02") => Ok(Some(KeyPrefix::Even)),
        Some(b"03") => Ok(Some(KeyPrefix::Odd)),
        Some(_) => Err(Error::Internal(
            "the stored prefix of a miner's key is none".into(),
        )),
    }
}
