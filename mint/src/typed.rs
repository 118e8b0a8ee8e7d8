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
        let prefix = parse(stored.as_deref())?;
        Ok(MinerKey {
            miner: *miner,
            prefix,
        })
    }
}

/// The same inside `tx`.
pub(crate) async fn read(tx: Tx<'_>, miner: &MinerId) -> Result<KeyPrefix, Error> {
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
    let Some(typed) = typed.filter(|typed| *typed != before) else {
        return Ok(before);
    };
    let (key, text) = (index::miner_key(miner), typed.to_string());
    tx.kv_write(index::AXEPOOL, index::TYPED, &key, text.as_bytes())
        .await?;
    Ok(typed)
}

fn parse(stored: Option<&[u8]>) -> Result<KeyPrefix, Error> {
    match stored {
        None | Some(b"02") => Ok(KeyPrefix::Even),
        Some(b"03") => Ok(KeyPrefix::Odd),
        Some(_) => Err(Error::Internal(
            "the stored prefix of a miner's key is none".into(),
        )),
    }
}
