//! The options of a ledger.

use std::path::PathBuf;
use std::time::Duration;

use accounting::EpochTerms;
use accounting::settle::Policy;

use crate::examine::Examiner;

/// How a ledger is run. [`LedgerOptions::new`] has what suits a household and a pool.
#[derive(Clone, Debug)]
pub struct LedgerOptions {
    /// The store's file. Its directory must be there.
    pub path: PathBuf,
    /// For epochs opened from now on; the open one keeps its own.
    pub terms: EpochTerms,
    /// The time, milliseconds since 1970: when the first epoch of a new ledger opens.
    pub now_ms: u64,
    /// How many entries may wait for the writer. When so many do,
    /// [`ShareSender::reserve`](crate::ShareSender::reserve) waits: the socket is not
    /// read, and nothing is dropped.
    pub channel_capacity: usize,
    /// How long a batch gathers, at least. It gathers longer where the disk is slow.
    pub window: Duration,
    /// How long a batch gathers, at most.
    pub max_window: Duration,
    /// How long a batch of few shares gathers: so many more of them cost no more of the
    /// disk, which writes whole blocks. A batch with anything but shares does not wait for
    /// it, and a block that is full neither.
    pub quiet_window: Duration,
    /// How many entries a batch has, at most.
    pub max_batch: usize,
    /// How long what is in the journal stays there alone, at most: a start replays it.
    pub checkpoint_interval: Duration,
    /// Past so many bytes in the journal a checkpoint comes early: a start reads them all.
    pub journal_bytes: u64,
    /// By so many blocks of 4,096 bytes the journal's file grows.
    pub journal_growth: u64,
    /// Past so many changed rows a checkpoint comes early, so that the memory that
    /// they take is bounded whatever keys strangers make up.
    pub checkpoint_rows: usize,
    /// How many old rows are packed at once. Shares wait for as long as that takes.
    pub pack_rows: usize,
    /// How long it is from one such time to the next, at least.
    pub pack_interval: Duration,
    /// What is known of OCEAN's ways, for the settlement.
    pub policy: Policy,
    /// Who compares it with other stores before anything is booked, if anybody does.
    pub examiner: Option<Examiner>,
    /// Memory for pages of the store.
    pub cache_bytes: usize,
}

impl LedgerOptions {
    /// The defaults.
    pub fn new(path: PathBuf, terms: EpochTerms, now_ms: u64) -> Self {
        LedgerOptions {
            path,
            terms,
            now_ms,
            channel_capacity: 8192,
            window: Duration::from_millis(20),
            max_window: Duration::from_millis(500),
            quiet_window: Duration::from_millis(100),
            max_batch: 4096,
            checkpoint_interval: Duration::from_secs(300),
            journal_bytes: 32 << 20,
            journal_growth: 256,
            checkpoint_rows: 50_000,
            pack_rows: 16_384,
            pack_interval: Duration::from_secs(1),
            policy: Policy::default(),
            examiner: None,
            cache_bytes: 32 << 20,
        }
    }
}
