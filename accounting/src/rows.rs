//! The ledger's rows about its miners.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use serde::{Deserialize, Serialize};

use crate::{EpochId, MinerId, ShareId, ShareRecord, UpstreamOdds, Work, WorkerName};

/// A miner's sums in one epoch. There is none before the first share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Credited work: what payouts are split by.
    pub work: Work,
    /// Credited shares.
    pub shares: u64,
    /// The lowest hash: luck, for display only.
    #[serde(with = "crate::as_text")]
    pub best: BlockHash,
    /// How many upstream-grade shares the work leads one to expect.
    pub upstream_expected: UpstreamOdds,
    /// How many there were.
    pub upstream_found: u64,
    /// The work, of the upstream's target, of those that the upstream took while the
    /// epoch was open.
    #[serde(default)]
    pub upstream_accepted_work: Work,
    /// The order to make the quote is in the outbox, or was.
    pub quote_requested: bool,
    /// The first share's time, milliseconds since 1970.
    pub first_ms: u64,
    /// The last share's time, milliseconds since 1970.
    pub last_ms: u64,
}

impl Tally {
    /// The tally after its first share.
    pub fn first(share: &ShareRecord) -> Self {
        Tally {
            work: share.work,
            shares: 1,
            best: share.hash,
            upstream_expected: UpstreamOdds::of(share.work, share.upstream_work),
            upstream_found: u64::from(share.meets_upstream),
            upstream_accepted_work: Work::ZERO,
            quote_requested: false,
            first_ms: share.time_ms,
            last_ms: share.time_ms,
        }
    }

    /// Adds a later share.
    pub fn add(&mut self, share: &ShareRecord) {
        let more = Tally::first(share);
        self.work = self.work.saturating_add(more.work);
        self.shares = self.shares.saturating_add(1);
        self.best = better(self.best, more.best);
        self.upstream_expected = self
            .upstream_expected
            .saturating_add(more.upstream_expected);
        self.upstream_found = self.upstream_found.saturating_add(more.upstream_found);
        self.first_ms = self.first_ms.min(more.first_ms);
        self.last_ms = self.last_ms.max(more.last_ms);
    }
}

/// The lower of two hashes, as numbers.
fn better(a: BlockHash, b: BlockHash) -> BlockHash {
    let lower = b
        .as_byte_array()
        .iter()
        .rev()
        .lt(a.as_byte_array().iter().rev());
    if lower { b } else { a }
}

/// A share that has a quote of its own ([`QuotePer::Share`](crate::QuotePer::Share)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotedShare {
    /// The share.
    pub share: ShareId,
    /// Its credited work: what the miner's sats are spread by.
    pub work: Work,
}

/// One device of a miner, over all epochs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// Its name.
    pub name: WorkerName,
    /// Credited work.
    pub work: Work,
    /// Credited shares.
    pub shares: u64,
    /// The lowest hash.
    #[serde(with = "crate::as_text")]
    pub best: BlockHash,
    /// The first share's time, milliseconds since 1970.
    pub first_ms: u64,
    /// The last share's time, milliseconds since 1970.
    pub last_ms: u64,
}

impl Worker {
    /// How many of a miner's workers have rows of their own.
    pub const MAX_NAMED: usize = 64;

    /// The name under which the further ones are summed up: names are the miner's to
    /// choose, so they must not fill the disk.
    pub const OTHERS: &'static str = "other";

    /// A worker not seen for so long is forgotten (its miner's tallies are not).
    pub const FORGOTTEN_AFTER_MS: u64 = 30 * 24 * 3600 * 1000;

    /// The worker `name` after its first share.
    pub fn first(name: WorkerName, share: &ShareRecord) -> Self {
        Worker {
            name,
            work: share.work,
            shares: 1,
            best: share.hash,
            first_ms: share.time_ms,
            last_ms: share.time_ms,
        }
    }

    /// Adds a later share.
    pub fn add(&mut self, share: &ShareRecord) {
        self.work = self.work.saturating_add(share.work);
        self.shares = self.shares.saturating_add(1);
        self.best = better(self.best, share.hash);
        self.first_ms = self.first_ms.min(share.time_ms);
        // That of the last share, also where the clock was ahead before.
        self.last_ms = share.time_ms;
    }
}

/// The span of a bucket of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// Ten minutes, kept for a day.
    TenMinutes,
    /// An hour, kept for a week.
    Hour,
}

impl Resolution {
    /// Both.
    pub const ALL: [Resolution; 2] = [Resolution::TenMinutes, Resolution::Hour];

    /// How long a bucket spans.
    pub const fn span_ms(self) -> u64 {
        match self {
            Resolution::TenMinutes => 600_000,
            Resolution::Hour => 3_600_000,
        }
    }

    /// How many whole buckets are kept; the one being filled is one more.
    pub const fn kept(self) -> u64 {
        match self {
            Resolution::TenMinutes => 144,
            Resolution::Hour => 168,
        }
    }
}

/// The work of a span of time. Hashrate is `work / span`; there is no bucket for a
/// span without work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Where the span begins, milliseconds since 1970.
    pub start_ms: u64,
    /// Credited work in it.
    pub work: Work,
}

/// A share that met the network's target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockFound {
    /// Its hash.
    #[serde(with = "crate::as_text")]
    pub hash: BlockHash,
    /// Who found it.
    pub miner: MinerId,
    /// With which device.
    pub worker: WorkerName,
    /// In which epoch.
    pub epoch: EpochId,
    /// When, milliseconds since 1970.
    pub time_ms: u64,
}
