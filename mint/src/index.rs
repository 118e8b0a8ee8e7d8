//! Our own records in the mint's store, in cdk's key-value table: written in the same
//! transactions as the quotes and tokens that they are about, so that the two never
//! disagree.
//!
//! | namespaces | key | value |
//! |---|---|---|
//! | `axepool_quotes`, the miner | epoch in hex `_` quote id | empty |
//! | `axepool_tokens`, the miner | the token's number in hex | the token, JSON |
//! | `axepool`, `epochs` | epoch in hex | what became of it, JSON |
//! | `axepool`, `parked` | hash of what was asked | row and reason, JSON |
//! | `axepool`, `sweep_only` | the miner | since when, ms since 1970 |
//! | `axepool`, `typed` | the miner | the prefix of the key as it was typed last, `02` or `03` |
//! | `axepool`, `signed` | the miner | time of the last signed request, ms since 1970 |
//! | `axepool`, `melts` | `paused` | why melts are paused |
//! | `axepool`, `totals` | `paid_sat`, `issued_sat` | decimal |
//! | `axepool`, `format` | `records` | the version of these records, decimal |
//! | `axepool`, `restored` | `record` | what was restored and whether it is open, JSON |
//! | `axepool`, `restored` | `bound_sat`, `claimed_sat` | decimal |
//! | `axepool`, `restored` | `repaired` | the last restore whose repair is through |
//! | `axepool`, `marks` | `store`, `counter`, `applied`, `ledger`, `behind` | see `marks` |
//! | `axepool`, `seed` | `fingerprint` | hex, tells another mnemonic |
//!
//! A miner is written as the 64 hex digits of the x coordinate, numbers in hex have 16
//! digits, so that the order of the keys is the order of the numbers.

use accounting::{EpochId, MinerId};
use cdk_common::database::mint::Transaction;
use cdk_common::database::{DynMintDatabase, Error};
use cdk_common::quote_id::QuoteId;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A transaction on the mint's store.
pub(crate) type Tx<'a> = &'a mut (dyn Transaction<Error> + Send + Sync);

/// The namespace of everything that is not a miner's.
pub(crate) const AXEPOOL: &str = "axepool";
/// Under [`AXEPOOL`]: what became of an epoch.
pub(crate) const EPOCHS: &str = "epochs";
/// Under [`AXEPOOL`]: rows that can never be done.
pub(crate) const PARKED: &str = "parked";
/// Under [`AXEPOOL`]: miners that want no tokens.
pub(crate) const SWEEP_ONLY: &str = "sweep_only";
/// Under [`AXEPOOL`]: how a miner's key was typed last.
pub(crate) const TYPED: &str = "typed";
/// Under [`AXEPOOL`]: when a miner's last signed request was made.
pub(crate) const SIGNED: &str = "signed";
/// Under [`AXEPOOL`]: what is known of the seed.
pub(crate) const SEED: &str = "seed";
/// A miner's tokens.
pub(crate) const TOKENS: &str = "axepool_tokens";
const QUOTES: &str = "axepool_quotes";

/// A miner as a namespace or key.
pub(crate) fn miner_key(miner: &MinerId) -> String {
    bitcoin::hex::DisplayHex::to_lower_hex_string(&miner.x_only_bytes()[..])
}

/// A number as a key.
pub(crate) fn number_key(number: u64) -> String {
    format!("{number:016x}")
}

/// The number of a key.
pub(crate) fn key_number(key: &str) -> Result<u64, Error> {
    u64::from_str_radix(key, 16)
        .map_err(|_| Error::Internal(format!("the stored key {key:?} is not a number")))
}

/// Enters a quote under its miner. Entering it twice is harmless.
pub(crate) async fn enter(
    tx: Tx<'_>,
    miner: &MinerId,
    epoch: EpochId,
    quote: &QuoteId,
) -> Result<(), Error> {
    let key = format!("{}_{quote}", number_key(epoch.get()));
    tx.kv_write_if_absent(QUOTES, &miner_key(miner), &key, &[])
        .await
        .map(|_| ())
}

/// All quotes of a miner, by epoch.
pub(crate) async fn quotes_of(
    store: &DynMintDatabase,
    miner: &MinerId,
) -> Result<Vec<(EpochId, QuoteId)>, Error> {
    let keys = store.kv_list(QUOTES, &miner_key(miner)).await?;
    keys.iter().map(|key| read_entry(key)).collect()
}

fn read_entry(key: &str) -> Result<(EpochId, QuoteId), Error> {
    let (epoch, quote) = key
        .split_once('_')
        .ok_or_else(|| Error::Internal(format!("the stored key {key:?} names no quote")))?;
    Ok((EpochId::new(key_number(epoch)?), quote.parse()?))
}

/// Writes a value as JSON.
pub(crate) async fn write_json<T: Serialize + Sync>(
    tx: Tx<'_>,
    primary: &str,
    secondary: &str,
    key: &str,
    value: &T,
) -> Result<(), Error> {
    tx.kv_write(primary, secondary, key, &serde_json::to_vec(value)?)
        .await
}

/// A value that was written as JSON.
pub(crate) async fn read_json<T: DeserializeOwned>(
    store: &DynMintDatabase,
    primary: &str,
    secondary: &str,
    key: &str,
) -> Result<Option<T>, Error> {
    let bytes = store.kv_read(primary, secondary, key).await?;
    Ok(bytes
        .map(|bytes| serde_json::from_slice(&bytes))
        .transpose()?)
}

/// A number of the pool's own records as of the last commit; 0 when it is not there.
pub(crate) async fn stored_number(
    store: &DynMintDatabase,
    secondary: &str,
    key: &str,
) -> Result<u64, Error> {
    parse(key, store.kv_read(AXEPOOL, secondary, key).await?)
}

/// The same inside `tx`.
pub(crate) async fn read_number(tx: Tx<'_>, secondary: &str, key: &str) -> Result<u64, Error> {
    parse(key, tx.kv_read(AXEPOOL, secondary, key).await?)
}

/// Writes one, in decimal, inside `tx`.
pub(crate) async fn write_number(
    tx: Tx<'_>,
    secondary: &str,
    key: &str,
    number: u64,
) -> Result<(), Error> {
    tx.kv_write(AXEPOOL, secondary, key, number.to_string().as_bytes())
        .await
}

fn parse(key: &str, stored: Option<Vec<u8>>) -> Result<u64, Error> {
    let Some(bytes) = stored else { return Ok(0) };
    std::str::from_utf8(&bytes)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Error::Internal(format!("the stored number {key} is none")))
}
