//! A job as `mining.notify` tells it, and the header that a miner makes of it.

use serde_json::Value;

use super::{Hash, bytes_of_hex, sha256d, u32_of_hex};

/// A header commits to at most that many levels of transactions.
const MAX_BRANCHES: usize = 32;

/// The params of a `mining.notify` cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("mining.notify: {field} cannot be read: {given}")]
pub struct BadNotify {
    /// Which of its params.
    pub field: &'static str,
    /// What stood there.
    pub given: String,
}

/// The params of a `mining.notify`, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// The pool's name for the job.
    pub job_id: String,
    /// The previous block's hash in the header's byte order.
    pub prev_hash: Hash,
    /// The coinbase before extranonce1.
    pub coinb1: Vec<u8>,
    /// The coinbase after extranonce2.
    pub coinb2: Vec<u8>,
    /// The merkle branches in the order in which they are hashed in.
    pub branches: Vec<Hash>,
    /// The header's version before rolling.
    pub version: u32,
    /// The network's target, compact.
    pub nbits: u32,
    /// The header's time.
    pub ntime: u32,
    /// The older jobs are to be discarded.
    pub clean_jobs: bool,
}

impl Notify {
    /// Reads the nine params.
    ///
    /// # Errors
    /// [`BadNotify`] names the first param that is missing or malformed.
    pub fn from_params(params: &[Value]) -> Result<Notify, BadNotify> {
        Ok(Notify {
            job_id: read(params, 0, "job id", |v| v.as_str().map(str::to_owned))?,
            prev_hash: read(params, 1, "prevhash", |v| Some(swap_words(&hash(v)?)))?,
            coinb1: read(params, 2, "coinb1", |v| bytes_of_hex(v.as_str()?))?,
            coinb2: read(params, 3, "coinb2", |v| bytes_of_hex(v.as_str()?))?,
            branches: read(params, 4, "merkle branches", branches)?,
            version: read(params, 5, "version", number)?,
            nbits: read(params, 6, "nbits", number)?,
            ntime: read(params, 7, "ntime", number)?,
            clean_jobs: read(params, 8, "clean_jobs", Value::as_bool)?,
        })
    }

    /// The root of the merkle tree with the coinbase of these extranonces.
    pub fn merkle_root(&self, extranonce1: &[u8], extranonce2: &[u8]) -> Hash {
        let coinbase = sha256d(&[&self.coinb1, extranonce1, extranonce2, &self.coinb2]);
        self.branches
            .iter()
            .fold(coinbase, |root, branch| sha256d(&[&root, branch]))
    }

    /// The 80 bytes that are hashed.
    pub fn header(&self, merkle_root: &Hash, version: u32, ntime: u32, nonce: u32) -> [u8; 80] {
        let mut header = [0; 80];
        header[..4].copy_from_slice(&version.to_le_bytes());
        header[4..36].copy_from_slice(&self.prev_hash);
        header[36..68].copy_from_slice(merkle_root);
        header[68..72].copy_from_slice(&ntime.to_le_bytes());
        header[72..76].copy_from_slice(&self.nbits.to_le_bytes());
        header[76..].copy_from_slice(&nonce.to_le_bytes());
        header
    }
}

/// Turns the wire's prevhash (each four bytes reversed) into the header's, or back.
pub(crate) fn swap_words(hash: &Hash) -> Hash {
    let mut swapped = *hash;
    swapped.chunks_exact_mut(4).for_each(<[u8]>::reverse);
    swapped
}

fn read<T>(
    params: &[Value],
    index: usize,
    field: &'static str,
    parse: impl FnOnce(&Value) -> Option<T>,
) -> Result<T, BadNotify> {
    let value = params.get(index).unwrap_or(&Value::Null);
    parse(value).ok_or_else(|| {
        let given = value.to_string().chars().take(100).collect();
        BadNotify { field, given }
    })
}

fn hash(value: &Value) -> Option<Hash> {
    bytes_of_hex(value.as_str()?)?.try_into().ok()
}

fn number(value: &Value) -> Option<u32> {
    u32_of_hex(value.as_str()?)
}

fn branches(value: &Value) -> Option<Vec<Hash>> {
    let branches = value.as_array()?;
    if branches.len() > MAX_BRANCHES {
        return None;
    }
    branches.iter().map(hash).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Block 125552 of the main chain, in one coinbase without branches: its header is
    /// given by the merkle root alone.
    #[test]
    fn the_header_of_block_125552() {
        let prev = "00000000000008a3a41b85b8b29ad444def299fee21793cd8b9e567eab02cd81";
        let mut prev_hash: Hash = bytes_of_hex(prev).unwrap().try_into().unwrap();
        prev_hash.reverse();
        let root = "2b12fcf1b09288fcaff797d71e950e71ae42b91e8bdb2304758dfcffc2b620e3";
        let mut merkle_root: Hash = bytes_of_hex(root).unwrap().try_into().unwrap();
        merkle_root.reverse();
        let job = Notify {
            job_id: String::new(),
            prev_hash,
            coinb1: vec![],
            coinb2: vec![],
            branches: vec![],
            version: 1,
            nbits: 0x1a44_b9f2,
            ntime: 0x4dd7_f5c7,
            clean_jobs: true,
        };
        let hash = sha256d(&[&job.header(&merkle_root, 1, job.ntime, 0x9546_a142)]);
        assert_eq!(
            super::super::hash_hex(&hash),
            "00000000000000001e8d6829a8a21adc5d38d0a473b144b6765798e61f98bd1d"
        );
    }

    #[test]
    fn params_are_read_or_named() {
        let good = json!([
            "1f",
            "0100000002000000030000000400000005000000060000000700000008000000",
            "aa",
            "bb",
            ["00".repeat(32)],
            "20000000",
            "1d00ffff",
            "655f0000",
            true
        ]);
        let good = good.as_array().unwrap();
        let job = Notify::from_params(good).unwrap();
        assert_eq!(job.prev_hash[..8], [0, 0, 0, 1, 0, 0, 0, 2]);
        assert_eq!((job.version, job.ntime), (0x2000_0000, 0x655f_0000));
        assert_eq!(job.branches, [[0; 32]]);

        let fields = [
            "job id",
            "prevhash",
            "coinb1",
            "coinb2",
            "merkle branches",
            "version",
            "nbits",
        ];
        for (index, field) in fields.into_iter().enumerate() {
            for bad in [
                json!(17),
                json!("zz"),
                json!(["00"]),
                json!(vec!["00".repeat(32); 33]),
            ] {
                if index == 0 && bad.is_string() {
                    continue;
                }
                let mut params = good.clone();
                params[index] = bad;
                assert_eq!(Notify::from_params(&params).unwrap_err().field, field);
            }
            assert_eq!(
                Notify::from_params(&good[..index]).unwrap_err().field,
                field
            );
        }
    }
}
