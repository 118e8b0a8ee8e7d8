//! The node's store: ldk-node's SQLite file, opened by us and handed to it, so that we can
//! read what its interface does not tell, and see which addresses it gives out.

mod mark;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::{Address, BlockHash, OutPoint, ScriptBuf, Transaction, Txid};
use ldk_node::Node;
use ldk_node::io::sqlite_store::SqliteStore;
use lightning::ln::msgs::DecodeError;
use lightning::util::async_poll::AsyncResult;
use lightning::util::persist::{
    CHANNEL_MONITOR_PERSISTENCE_PRIMARY_NAMESPACE,
    CHANNEL_MONITOR_UPDATE_PERSISTENCE_PRIMARY_NAMESPACE, KVStore, KVStoreSync,
};
use lightning::util::ser::{BigSize, Readable, RequiredWrapper};
use lightning::{decode_tlv_stream, io};

use serde::{Deserialize, Serialize};

use super::balances::Swept;
use super::payments;
use crate::given::{Given, GivenFiles};
use crate::keys::{Keychain, WalletKeys};
use crate::marks::MarkKeeper;
use mark::{ChannelsMark, open_sqlite, read_ours, write_ours};

pub(super) use mark::{begin_anew, found, set_aside};

/// Where ldk-node keeps its on-chain wallet (BDK's change sets, by their parts).
const WALLET: &str = "bdk_wallet";

/// The part with the wallet's transactions.
const TRANSACTIONS: &str = "tx_graph";

/// The part with the last address of each of its two rows.
const INDEXER: &str = "indexer";

/// The part with the blocks that it knows.
const BLOCKS: &str = "local_chain";

/// The version of these parts that ldk-node writes, their first byte.
const CHANGE_SET_VERSION: u8 = 1;

/// Where LDK keeps the channels' states, whole and by their changes.
const CHANNELS: [&str; 2] = [
    CHANNEL_MONITOR_PERSISTENCE_PRIMARY_NAMESPACE,
    CHANNEL_MONITOR_UPDATE_PERSISTENCE_PRIMARY_NAMESPACE,
];

/// Outputs of closed channels that the wallet was seen to have.
const SWEPT: &str = "swept";

/// The node's store.
pub(crate) struct Store {
    sqlite: Arc<SqliteStore>,
    mark: Arc<ChannelsMark>,
    keys: WalletKeys,
    rows: Rows,
    given: GivenFiles,
    /// Outputs of closed channels that the wallet was seen to have, over restarts too.
    swept: Mutex<BTreeSet<SweptOutput>>,
}

/// An output of a closed channel, as LDK tells of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct SweptOutput {
    /// 64 hex digits.
    channel: Option<String>,
    sat: u64,
}

impl SweptOutput {
    fn of(swept: &Swept) -> SweptOutput {
        SweptOutput {
            channel: swept.channel.map(|channel| channel.to_string()),
            sat: swept.sat,
        }
    }
}

/// The names of the wallet's two rows of addresses in its store: the hash of the first
/// script of each (BDK's `DescriptorId`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows {
    external: sha256::Hash,
    internal: sha256::Hash,
}

impl Rows {
    /// Of the rows that begin with these addresses.
    pub(super) fn new(external: &Address, internal: &Address) -> Rows {
        let name = |first: &Address| sha256::Hash::hash(first.script_pubkey().as_bytes());
        Rows {
            external: name(external),
            internal: name(internal),
        }
    }

    /// The last index of both in the wallet's part `bytes`: behind a row's name stand a
    /// field's number 2, its length 4, and the index.
    fn last(self, bytes: &[u8]) -> (Option<u32>, Option<u32>) {
        let last = |name: sha256::Hash| {
            let name = name.to_byte_array();
            let at = bytes.windows(name.len()).position(|part| part == name)?;
            let behind = bytes.get(at + name.len()..at + name.len() + 6)?;
            let index: [u8; 4] = behind.strip_prefix(&[2, 4])?.try_into().ok()?;
            Some(u32::from_be_bytes(index))
        };
        (last(self.external), last(self.internal))
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in `dir`, where ldk-node itself would.
    pub(super) fn open(
        dir: &Path,
        keys: WalletKeys,
        rows: Rows,
        given: GivenFiles,
        keeper: Arc<dyn MarkKeeper>,
    ) -> io::Result<Store> {
        std::fs::create_dir_all(dir)?;
        let sqlite = Arc::new(open_sqlite(dir)?);
        let mark = Arc::new(ChannelsMark::open(&sqlite, keeper)?);
        let swept = read_ours(&sqlite, SWEPT)?.unwrap_or_default();
        Ok(Store {
            sqlite,
            mark,
            keys,
            rows,
            given,
            swept: Mutex::new(swept),
        })
    }

    /// The wallet's keys.
    pub(super) fn keys(&self) -> &WalletKeys {
        &self.keys
    }

    /// The counter of addresses beside the store.
    pub(super) fn given(&self) -> &GivenFiles {
        &self.given
    }

    /// Whether OCEAN pays there: nobody else ever may.
    pub(crate) fn is_payout_address(&self, address: &Address) -> bool {
        let script = address.script_pubkey();
        sha256::Hash::hash(script.as_bytes()) == self.rows.external
    }

    /// The last address of the wallet that was given out; `None` for a wallet that has
    /// given out none.
    pub(super) fn last_address(&self) -> io::Result<Option<u32>> {
        Ok(self
            .wallet_part(INDEXER)?
            .and_then(|part| self.rows.last(&part).0))
    }

    /// The oldest block that the wallet knows beside the chain's first: where it began, if
    /// it reads blocks. 0 for one that knows none.
    pub(super) fn oldest_block(&self) -> io::Result<u32> {
        let Some(part) = self.wallet_part(BLOCKS)? else {
            return Ok(0);
        };
        let blocks = blocks(&part).map_err(|error| {
            let why = format!("the wallet's blocks: {error}");
            io::Error::new(io::ErrorKind::InvalidData, why)
        })?;
        // A wallet has the first block of the chain from the beginning, and then its own.
        let known = blocks.into_iter().filter(|(_, hash)| hash.is_some());
        let known = known.map(|(height, _)| height).find(|height| *height > 0);
        Ok(known.unwrap_or(0))
    }

    fn wallet_part(&self, key: &str) -> io::Result<Option<Vec<u8>>> {
        match KVStoreSync::read(&*self.sqlite, WALLET, "", key) {
            Ok(part) => Ok(Some(part)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps which addresses are given out before the wallet can give them.
    fn see(&self, first: &str, key: &str, value: &[u8]) -> io::Result<()> {
        if (first, key) != (WALLET, INDEXER) {
            return Ok(());
        }
        let (external, internal) = self.rows.last(value);
        let more = Given::counted(external.unwrap_or(0), internal.unwrap_or(0));
        self.given.raise(&more).map_err(io::Error::from)
    }

    /// The wallet's coins in satoshis, as far as it has seen transactions.
    pub(crate) fn coins(&self) -> io::Result<Vec<u64>> {
        let Some(part) = self.wallet_part(TRANSACTIONS)? else {
            return Ok(Vec::new());
        };
        let transactions = transactions(&part).map_err(|error| {
            let why = format!("the wallet's transactions: {error}");
            io::Error::new(io::ErrorKind::InvalidData, why)
        })?;
        let scripts = self.scripts()?;
        let spent = transactions
            .iter()
            .flat_map(|transaction| &transaction.input);
        let spent: HashSet<OutPoint> = spent.map(|input| input.previous_output).collect();
        let mut coins = Vec::new();
        for transaction in &transactions {
            let txid = transaction.compute_txid();
            for (output, vout) in transaction.output.iter().zip(0..) {
                let is_ours = scripts.contains(&output.script_pubkey);
                if is_ours && !spent.contains(&OutPoint::new(txid, vout)) {
                    coins.push(output.value.to_sat());
                }
            }
        }
        Ok(coins)
    }

    /// All addresses that the wallet has given out.
    fn scripts(&self) -> io::Result<HashSet<ScriptBuf>> {
        let given = self.given.known();
        let mut scripts = HashSet::new();
        for (keychain, last) in [
            (Keychain::External, given.external),
            (Keychain::Internal, given.internal),
        ] {
            for index in 0..=last {
                let key = self.keys.key(keychain, index);
                let key = key.map_err(|error| {
                    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
                })?;
                scripts.insert(key.address.script_pubkey());
            }
        }
        Ok(scripts)
    }

    /// Whether what was swept is a coin of the wallet. LDK makes another transaction for it
    /// from time to time, which the network does not take while it has the one before: so
    /// what the wallet once had of an output it has.
    pub(super) fn wallet_has(&self, node: &Node, swept: &Swept) -> bool {
        self.has(swept, |txid| payments::is_on_chain(node, txid))
    }

    /// The same. `is_on_chain`: whether the wallet has that transaction in a block.
    fn has(&self, swept: &Swept, is_on_chain: impl FnOnce(&Txid) -> bool) -> bool {
        let Some(txid) = swept.txid else {
            return false;
        };
        let output = SweptOutput::of(swept);
        let mut seen = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains(&output) {
            return true;
        }
        let has = is_on_chain(&txid) || self.wallet_knows(&txid);
        if has {
            seen.insert(output);
            // After a restart the wallet may know the transaction before, and LDK tells of the
            // next, until one of them is in a block.
            if let Err(error) = write_ours(&self.sqlite, SWEPT, &*seen) {
                tracing::warn!(%error, "that the wallet has what was swept cannot be kept");
            }
        }
        has
    }

    /// Whether the wallet has seen that transaction, in a block or not. Its payments tell of
    /// one that is in a block; what is not is in its graph of transactions alone. That has
    /// the id of each that was seen unconfirmed, as 32 bytes.
    fn wallet_knows(&self, txid: &Txid) -> bool {
        let Ok(graph) = KVStoreSync::read(&*self.sqlite, WALLET, "", TRANSACTIONS) else {
            return false;
        };
        let id = txid.to_byte_array();
        graph.windows(id.len()).any(|bytes| bytes == id)
    }
}

impl KVStoreSync for Store {
    fn read(&self, first: &str, second: &str, key: &str) -> io::Result<Vec<u8>> {
        KVStoreSync::read(&*self.sqlite, first, second, key)
    }

    fn write(&self, first: &str, second: &str, key: &str, value: Vec<u8>) -> io::Result<()> {
        self.see(first, key, &value)?;
        KVStoreSync::write(&*self.sqlite, first, second, key, value)?;
        if CHANNELS.contains(&first) {
            self.mark.advance();
        }
        Ok(())
    }

    fn remove(&self, first: &str, second: &str, key: &str, lazy: bool) -> io::Result<()> {
        KVStoreSync::remove(&*self.sqlite, first, second, key, lazy)
    }

    fn list(&self, first: &str, second: &str) -> io::Result<Vec<String>> {
        KVStoreSync::list(&*self.sqlite, first, second)
    }
}

impl KVStore for Store {
    fn read(
        &self,
        first: &str,
        second: &str,
        key: &str,
    ) -> AsyncResult<'static, Vec<u8>, io::Error> {
        KVStore::read(&*self.sqlite, first, second, key)
    }

    fn write(
        &self,
        first: &str,
        second: &str,
        key: &str,
        value: Vec<u8>,
    ) -> AsyncResult<'static, (), io::Error> {
        if let Err(error) = self.see(first, key, &value) {
            return Box::pin(std::future::ready(Err(error)));
        }
        let writing = KVStore::write(&*self.sqlite, first, second, key, value);
        if !CHANNELS.contains(&first) {
            return Box::pin(writing);
        }
        let mark = Arc::clone(&self.mark);
        Box::pin(async move {
            writing.await?;
            mark.advance();
            Ok(())
        })
    }

    fn remove(
        &self,
        first: &str,
        second: &str,
        key: &str,
        lazy: bool,
    ) -> AsyncResult<'static, (), io::Error> {
        KVStore::remove(&*self.sqlite, first, second, key, lazy)
    }

    fn list(&self, first: &str, second: &str) -> AsyncResult<'static, Vec<String>, io::Error> {
        KVStore::list(&*self.sqlite, first, second)
    }
}

/// Reads ldk-node's `local_chain`: heights and the blocks there.
// The macro's expansion drops its reader.
#[allow(clippy::drop_non_drop)]
fn blocks(mut part: &[u8]) -> Result<BTreeMap<u32, Option<BlockHash>>, DecodeError> {
    let reader = &mut part;
    let version: u8 = Readable::read(reader)?;
    if version != CHANGE_SET_VERSION {
        return Err(DecodeError::UnknownVersion);
    }
    let mut blocks: RequiredWrapper<BTreeMap<u32, Option<BlockHash>>> = RequiredWrapper(None);
    decode_tlv_stream!(reader, {
        (0, blocks, required),
    });
    blocks.0.ok_or(DecodeError::InvalidValue)
}

/// Reads the transactions of ldk-node's `tx_graph`: the first of its fields has their
/// number and each of them, which is a stream of one field with its length before it.
fn transactions(mut part: &[u8]) -> Result<Vec<Transaction>, DecodeError> {
    let reader = &mut part;
    let version: u8 = Readable::read(reader)?;
    if version != CHANGE_SET_VERSION {
        return Err(DecodeError::UnknownVersion);
    }
    let size = |reader: &mut &[u8]| <BigSize as Readable>::read(reader).map(|size| size.0);
    let (field, _length) = (size(reader)?, size(reader)?);
    if field != 0 {
        return Err(DecodeError::InvalidValue);
    }
    let mut transactions = Vec::new();
    for _ in 0..size(reader)? {
        let (_one, field, _length) = (size(reader)?, size(reader)?, size(reader)?);
        if field != 0 {
            return Err(DecodeError::InvalidValue);
        }
        transactions.push(Readable::read(reader)?);
    }
    Ok(transactions)
}

#[cfg(test)]
mod tests {
    use bitcoin::Network;
    use bitcoin::consensus::encode::serialize;
    use bitcoin::constants::genesis_block;
    use lightning::ln::types::ChannelId;

    use super::*;
    use crate::marks::NoKeeper;
    use crate::seed::Seed;

    fn open(dir: &Path) -> Store {
        let words = "abandon abandon abandon abandon abandon abandon abandon abandon abandon \
                     abandon abandon about";
        let keys = WalletKeys::new(&Seed::for_tests(words), Network::Regtest).unwrap();
        let first = keys.key(Keychain::External, 0).unwrap().address;
        let given = GivenFiles::open(dir, &dir.join("words"), &first.to_string()).unwrap();
        let rows = Rows::new(&first, &first);
        Store::open(dir, keys, rows, given, Arc::new(NoKeeper)).unwrap()
    }

    /// LDK makes another transaction for what it sweeps in each block that passes, and the
    /// network keeps the first, which the wallet has as a coin. As it was, a restart between
    /// counted that money as closing beside the coin.
    #[test]
    fn a_sweep_that_was_replaced_is_there_once_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let first = Txid::from_byte_array([7; 32]);
        let sweep = |n: u8, txid| Swept {
            channel: Some(ChannelId([n; 32])),
            sat: 904_799,
            txid,
        };
        let store = open(dir.path());
        let graph = [&[CHANGE_SET_VERSION], &first.to_byte_array()[..]].concat();
        KVStoreSync::write(&store, WALLET, "", TRANSACTIONS, graph).unwrap();
        assert!(!store.has(&sweep(1, None), |_| false), "none was made");
        assert!(store.has(&sweep(1, Some(first)), |_| false));
        drop(store);

        let store = open(dir.path());
        let second = Some(Txid::from_byte_array([8; 32]));
        assert!(store.has(&sweep(1, second), |_| false));
        // That of another channel is not the wallet's because one of its sum is.
        assert!(!store.has(&sweep(2, second), |_| false));
        assert!(store.has(&sweep(2, second), |_| true));
    }

    /// As ldk-node writes it: fields by number and length, a list by its number of entries,
    /// each with its length before it.
    #[test]
    fn the_wallets_transactions_are_read_and_a_cut_part_is_refused() {
        let coinbase = genesis_block(bitcoin::Network::Regtest).txdata[0].clone();
        let bytes = serialize(&coinbase);
        let length = u8::try_from(bytes.len()).unwrap();
        assert!(length < 0xf0, "a length of one byte");
        let one = [&[length + 2, 0, length], &bytes[..]].concat();
        let two = [&[2], &one[..], &one[..]].concat();
        let size = u16::try_from(two.len()).unwrap().to_be_bytes();
        let part = [
            &[CHANGE_SET_VERSION, 0, 0xfd],
            &size[..],
            &two[..],
            &[2, 1, 0],
        ]
        .concat();
        assert_eq!(transactions(&part).unwrap(), [coinbase.clone(), coinbase]);
        for end in 0..part.len() - 3 {
            assert!(transactions(&part[..end]).is_err(), "{end}");
        }
        assert!(transactions(&[2, 0, 1, 0]).is_err(), "of another version");
    }
}
