//! The mint's settings, given once at start.

use std::path::PathBuf;
use std::sync::Arc;

use accounting::{Lineage, OutboxId, Sat};

use crate::marks::{LedgerMark, Witness};

/// The settings of a mint, and its view of the other stores.
#[derive(Clone, Debug)]
pub struct MintConfig {
    /// Where the mint's store lives: `mint.sqlite` in it.
    pub dir: PathBuf,
    /// The file with the mnemonic; made on first start.
    pub mnemonic_file: PathBuf,
    /// The ledger whose quotes these are, with what a restore made of it.
    pub lineage: Lineage,
    /// The progress of that ledger; `None` where nobody compares it.
    pub ledger: Option<LedgerMark>,
    /// Its last row of the outbox.
    pub outbox_end: OutboxId,
    /// The witness that remembers the store's mark.
    pub witness: Option<Arc<dyn Witness>>,
    /// There was a store, whether or not its file is there: no mnemonic is made.
    pub had_store: bool,
    /// The cause of the ledger's restore, in words that owners and wallets are told.
    pub restored_because: String,
    /// All melts in the node's own journal: the id of the melt quote, and its cost. Read when
    /// the ledger was restored, for melts that the store forgot.
    pub paid_melts: Vec<(String, Sat)>,
    /// The URL that wallets reach this mint under. It is written into every token.
    pub public_url: String,
    /// The reason for which claims get no tokens, if there is one, in words for owners: a token
    /// that names a URL which its owner cannot reach is worth nothing. Sweeps go on.
    pub no_tokens: Option<String>,
    /// The mint's name, as wallets show it.
    pub name: String,
    /// One line about it.
    pub description: String,
    /// A message that wallets shall show to their users, if any.
    pub motd: Option<String>,
    /// Quotes in one batch request (NUT-29). cashu-ts sends at most 100.
    pub max_batch: u64,
    /// Proofs in one request.
    pub max_inputs: usize,
    /// Blinded messages in one request.
    pub max_outputs: usize,
    /// Requests worked on at once; more are told to come back (503).
    pub max_requests: usize,
}

impl MintConfig {
    /// The settings with everything that has a default at its default.
    pub fn new(dir: PathBuf, lineage: impl Into<Lineage>, public_url: String) -> Self {
        MintConfig {
            mnemonic_file: dir.join("mint.mnemonic"),
            dir,
            lineage: lineage.into(),
            ledger: None,
            outbox_end: OutboxId::START,
            witness: None,
            had_store: false,
            restored_because: "the pool was restored from a backup".to_owned(),
            paid_melts: Vec::new(),
            public_url,
            no_tokens: None,
            name: "Axepool".to_owned(),
            description: "The mint of a Bitaxe pool: work becomes ecash".to_owned(),
            motd: None,
            max_batch: 100,
            max_inputs: 500,
            max_outputs: 500,
            max_requests: 128,
        }
    }
}
