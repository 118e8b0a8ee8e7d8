//! What is asked and answered at the admin socket. Shared by both sides, and the JSON
//! that the commands print.
//!
//! Integers that may pass 2^53 (work) are decimal strings, as everywhere.

use std::net::SocketAddr;

use ledger::{Epoch, EpochId, MinerId, Tally, Work, Worker};
use serde::{Deserialize, Serialize};

/// A question or an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// How is it?
    Status,
    /// Which epochs are there?
    Epochs,
    /// Close the open epoch.
    CloseEpoch,
    /// Who worked in an epoch; the open one unless named.
    Miners {
        /// The epoch's number.
        epoch: Option<EpochId>,
        /// Their devices too.
        #[serde(default)]
        workers: bool,
    },
    /// Whose shares earn less upstream than they should?
    Suspects,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Epochs`], the newest last.
    Epochs {
        /// All of them.
        epochs: Vec<Epoch>,
    },
    /// To [`Request::CloseEpoch`].
    EpochClosed {
        /// The closed one.
        epoch: Epoch,
    },
    /// To [`Request::Miners`].
    Miners(Miners),
    /// To [`Request::Suspects`].
    Suspects {
        /// Everybody below their expectation, the least likely to be bad luck first.
        suspects: Vec<SuspectRow>,
    },
    /// It could not be done.
    Error {
        /// Why.
        why: String,
    },
}

/// The miners of an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Miners {
    /// The epoch.
    pub epoch: Epoch,
    /// Most work first.
    pub miners: Vec<MinerRow>,
}

/// A miner in an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MinerRow {
    /// Whose.
    pub miner: MinerId,
    /// Their sums in the epoch.
    pub tally: Tally,
    /// Hashes a second: of an open epoch an estimate of the last half hour or so, of a
    /// closed one the mean.
    pub hashrate: f64,
    /// Their devices, over all epochs; empty unless asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workers: Vec<Worker>,
}

/// The running process at a glance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// The pool's name.
    pub name: String,
    /// The network: `bitcoin`, `regtest`, ...
    pub network: String,
    /// When it started, milliseconds since 1970.
    pub started_ms: u64,
    /// When this was answered, milliseconds since 1970.
    pub now_ms: u64,
    /// Why miners would not be served; empty when they are.
    pub not_ready: Vec<String>,
    /// Where miners connect, as bound.
    pub stratum: Vec<SocketAddr>,
    /// Where they connect with TLS, as bound.
    pub stratum_tls: Vec<SocketAddr>,
    /// Where the metrics are, as bound.
    pub metrics: Vec<SocketAddr>,
    /// Open connections of miners.
    pub connections: usize,
    /// Devices with an accepted share in their session.
    pub workers: usize,
    /// The pool above.
    pub upstream: UpstreamStatus,
    /// The accounting.
    pub ledger: LedgerStatus,
}

/// The pool above.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpstreamStatus {
    /// True while it gives work.
    pub up: bool,
    /// The URL in use.
    pub url: String,
    /// For how long `up` has been what it is.
    pub since_secs: u64,
    /// What it asks of a share; `None` before its first job.
    pub difficulty: Option<f64>,
    /// The age of its last job; `None` before the first.
    pub last_job_secs: Option<u64>,
    /// Connections to it.
    pub lanes: usize,
    /// Connections with a job.
    pub lanes_up: usize,
    /// How many more miners it has room for.
    pub prefixes_free: usize,
    /// Why the last connection ended.
    pub last_error: Option<String>,
}

/// The accounting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LedgerStatus {
    /// Why shares cannot be stored; `None` while they can.
    pub failing: Option<String>,
    /// The epoch that takes the shares.
    pub epoch: Epoch,
}

/// A miner whose shares earn less upstream than their work leads one to expect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuspectRow {
    /// Whose.
    pub miner: MinerId,
    /// Their work over the newest epochs.
    pub work: Work,
    /// How many upstream-grade shares their work leads one to expect.
    pub expected: f64,
    /// How many there were.
    pub found: u64,
    /// The chance that an honest miner has so few.
    pub chance: f64,
}
