//! Closing the pool in good order (`axepool wind-down`): the proxy refuses miners, further
//! payouts are still settled, the mint tells its owners, and mint and melts stay up until a
//! stated time. `/api/wind-down` reports the remaining liabilities.
//!
//! The order is kept in `data_dir/wind-down.json`, so it survives restarts.

use std::io;
use std::path::Path;

use accounting::Sat;
use basics::{files, humane, json_file};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data_dir;

/// The operator's order to wind down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "WindDownOrder")]
pub struct WindDown {
    /// Since when nobody mines, milliseconds since 1970.
    pub since_ms: u64,
    /// Until when mint and melts stay up at least.
    pub until_ms: u64,
}

/// Whether the pool winds down, and the remaining liabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "WindDown")]
pub struct WindDownStatus {
    /// The operator's word; `null`: the pool does not wind down.
    pub winding_down: Option<WindDown>,
    /// Connections of miners that are still open.
    pub connections: usize,
    /// Closed epochs that OCEAN has not paid for yet.
    pub unpaid_epochs: usize,
    /// All miners' remainders below a satoshi, in msat.
    #[serde(with = "accounting::as_text")]
    #[schemars(with = "accounting::schema::BigMsat")]
    pub carry_msat: u128,
    /// What is nobody's yet, in msat.
    #[serde(with = "accounting::as_text")]
    #[schemars(with = "accounting::schema::BigMsat")]
    pub suspense_msat: u128,
    /// Paid to quotes and not fetched; `null` while the mint is not open.
    pub unclaimed_sat: Option<Sat>,
    /// Ecash that is out there; `null` while the mint is not open.
    pub outstanding_sat: Option<Sat>,
}

impl WindDown {
    /// What owners are told, by the mint too.
    pub(crate) fn notice(&self) -> String {
        format!(
            "this pool is winding down: nobody mines any more. Fetch your sats and spend your \
             ecash before {}",
            humane::utc(self.until_ms)
        )
    }
}

/// The operator's word, if it winds down.
pub(crate) fn read(data_dir: &Path) -> io::Result<Option<WindDown>> {
    json_file::read(&data_dir::wind_down(data_dir))
}

/// Keeps the operator's word, or takes it back.
pub(crate) fn write(data_dir: &Path, wind_down: Option<&WindDown>) -> io::Result<()> {
    let path = data_dir::wind_down(data_dir);
    match wind_down {
        Some(wind_down) => json_file::write(&path, wind_down),
        None => match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => files::sync_directory(data_dir),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept_until_it_is_taken_back() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(read(dir.path()).expect("reads"), None);
        let word = WindDown {
            since_ms: 1_700_000_000_000,
            until_ms: 1_800_000_000_000,
        };
        write(dir.path(), Some(&word)).expect("writes");
        assert_eq!(read(dir.path()).expect("reads"), Some(word));
        assert!(word.notice().contains("2027-01-15"), "{}", word.notice());
        for _ in 0..2 {
            write(dir.path(), None).expect("takes back");
            assert_eq!(read(dir.path()).expect("reads"), None);
        }
    }
}
