//! Transactions that send money of this node to its wallet without the wallet's having made
//! them: what `axepool node recover` finds. The wallet sees what arrives and not what it
//! cost, so the cost is written down before such a transaction is handed to the network,
//! and counts once the wallet has it.

use std::io;
use std::path::{Path, PathBuf};

use accounting::Msat;
use bitcoin::Txid;
use serde::{Deserialize, Serialize};

use super::payments::OnChainFee;
use crate::files;

/// The file beside the node's store.
const NAME: &str = "fetched.json";

/// The shape of the file.
const VERSION: u64 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fetched {
    version: u64,
    transactions: Vec<One>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct One {
    txid: Txid,
    fee: Msat,
}

fn place(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

/// All that were ever written down in `dir`.
pub(super) fn all(dir: &Path) -> io::Result<Vec<OnChainFee>> {
    let fees = read(dir)?.into_iter();
    Ok(fees
        .map(|One { txid, fee }| OnChainFee { txid, fee })
        .collect())
}

/// Writes one down; on disk when it returns.
pub(super) fn add(dir: &Path, one: OnChainFee) -> io::Result<()> {
    let mut transactions = read(dir)?;
    let OnChainFee { txid, fee } = one;
    let one = One { txid, fee };
    if transactions.contains(&one) {
        return Ok(());
    }
    transactions.push(one);
    let fetched = Fetched {
        version: VERSION,
        transactions,
    };
    files::write_whole(&place(dir), &serde_json::to_string(&fetched)?)
}

fn read(dir: &Path) -> io::Result<Vec<One>> {
    let Some(text) = files::read_if_there(&place(dir))? else {
        return Ok(Vec::new());
    };
    files::check_version(&text, VERSION).map_err(io::Error::other)?;
    let fetched: Fetched = serde_json::from_str(&text)?;
    Ok(fetched.transactions)
}

#[cfg(test)]
mod tests {
    use bitcoin::hashes::Hash as _;

    use super::*;

    #[test]
    fn what_is_written_down_twice_is_there_once() {
        let dir = tempfile::tempdir().unwrap();
        let one = |n: u8| OnChainFee {
            txid: Txid::from_byte_array([n; 32]),
            fee: Msat::new(u64::from(n) * 1000),
        };
        assert_eq!(all(dir.path()).unwrap(), []);
        for n in [1, 2, 1] {
            add(dir.path(), one(n)).unwrap();
        }
        assert_eq!(all(dir.path()).unwrap(), [one(1), one(2)]);
        std::fs::write(place(dir.path()), "{").unwrap();
        assert!(add(dir.path(), one(3)).is_err());
    }
}
