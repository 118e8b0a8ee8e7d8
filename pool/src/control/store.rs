//! The store, for a command that opens it itself because nothing runs.

use std::path::Path;

use accounting::EpochTerms;
use anyhow::Result;
use basics::clock;
use ledger::{Ledger, LedgerOptions, OpenError, Reader};

use crate::data_dir;

/// Why a command opens the store itself, where that fails.
pub const NOTHING_RUNS: &str = "nothing runs, so the store itself was to be read";

/// The ledger in `data_dir`, which no process has open, for an order.
pub(super) fn open_to_write(data_dir: &Path, terms: Option<EpochTerms>) -> Result<Ledger> {
    let path = data_dir::ledger(data_dir);
    if !path.exists() {
        return Err(OpenError::NoLedger(path).into());
    }
    // The next epoch's terms are the config's; without one those of the open epoch stay.
    let terms = match terms {
        Some(terms) => terms,
        None => Reader::open(&path)?.open_epoch().terms,
    };
    let options = LedgerOptions::new(path, terms, clock::now_ms());
    Ok(Ledger::open(options, &prometheus::Registry::new())?)
}
