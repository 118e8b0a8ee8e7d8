//! The protocol of the admin socket: requests and answers, shared by both sides, and the
//! JSON that the commands print.
//!
//! Integers that may pass 2^53 (work) are decimal strings, as everywhere.

use std::net::SocketAddr;

use accounting::{Epoch, EpochId, MinerId, Sat, Tally, Work, Worker};
use mint::Parked;
use serde::{Deserialize, Serialize};

use super::backup::{BackupRequest, BackupState, RestoreRequest, RestoreStatus};
use super::money::{MoneyReply, MoneyRequest};
use super::node::{NodeReply, NodeRequest};
use super::wind_down::WindDownRequest;
use crate::wind_down::{WindDown, WindDownStatus};

/// A question or an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// How is it?
    Status,
    /// Can it go on, and are miners served?
    Health,
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
    /// What does the mint refuse for good?
    MintParked {
        /// Try it again first.
        #[serde(default)]
        retry: bool,
    },
    /// What is logged, and what is to be logged from now on?
    Log {
        /// Levels, `info,proxy=debug`; none: they stay as they are.
        levels: Option<String>,
    },
    /// About the lightning node.
    Node(NodeRequest),
    /// About the money.
    Money(MoneyRequest),
    /// About backups.
    Backup(BackupRequest),
    /// About the restore that it came from.
    Restore(RestoreRequest),
    /// About winding down.
    WindDown(WindDownRequest),
}

/// An epoch whose block was orphaned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrphanedEpoch {
    /// Which.
    pub epoch: EpochId,
    /// The epoch that its work counts in now; `None` when it stays, since at least half of
    /// its money had come.
    pub merged_into: Option<EpochId>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Health`].
    Health(Health),
    /// To [`Request::Epochs`], the newest last.
    Epochs(Epochs),
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
    /// To [`Request::MintParked`].
    MintParked(MintParked),
    /// To [`Request::Log`].
    Log {
        /// What is logged now.
        levels: String,
    },
    /// To [`Request::Node`].
    Node(NodeReply),
    /// To [`Request::Money`].
    Money(MoneyReply),
    /// To [`Request::Backup`].
    Backup(BackupState),
    /// To [`Request::Restore`].
    Restore(Box<RestoreStatus>),
    /// To [`Request::WindDown`].
    WindDown(WindDownStatus),
    /// It could not be done.
    Error {
        /// Why.
        why: String,
    },
}

/// The state of the process for a service manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// A fault that a restart would mend; `None` when there is none.
    pub broken: Option<String>,
    /// Why miners would not be served; empty when they are.
    pub not_ready: Vec<String>,
    /// Faults beside mining; miners are served all the same.
    pub beside: Vec<String>,
}

/// The epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epochs {
    /// All of them.
    pub epochs: Vec<Epoch>,
    /// Those of them whose block was orphaned.
    #[serde(default)]
    pub orphaned: Vec<OrphanedEpoch>,
}

/// The orders that the mint refuses for good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MintParked {
    /// How many were done by trying again.
    pub done: usize,
    /// The orders that are left, the oldest first.
    pub parked: Vec<Parked>,
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
    /// Where the pages and the mint are, as bound.
    pub http: Vec<SocketAddr>,
    /// Where the tor process brings visitors of the onion service.
    #[serde(default)]
    pub onion: Vec<SocketAddr>,
    /// The operator's page, with what opens it: for the operator alone; `None` while it
    /// is nowhere.
    #[serde(default)]
    pub operator: Option<String>,
    /// Open connections of miners.
    pub connections: usize,
    /// Devices with an accepted share in their session.
    pub workers: usize,
    /// The pool above.
    pub upstream: UpstreamStatus,
    /// The accounting.
    pub ledger: LedgerStatus,
    /// The mint.
    pub mint: MintStatus,
    /// What the lightning node is doing, in words; `None` when the pool has none.
    pub node: Option<String>,
    /// What is wrong beside mining: miners are served all the same.
    pub beside: Vec<String>,
    /// When the last backup was begun, milliseconds since 1970; `None`: there is none.
    #[serde(default)]
    pub backup_ms: Option<u64>,
    /// It winds down, if it does.
    #[serde(default)]
    pub winding_down: Option<WindDown>,
}

/// Whether the mint works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MintState {
    /// Switched off by the config.
    Off,
    /// Not open yet; it is tried again and again.
    Opening,
    /// Open.
    Open,
}

/// The mint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MintStatus {
    /// Whether it works.
    pub state: MintState,
    /// What is wrong with it; it is tried again by itself.
    pub failing: Option<String>,
    /// The URL that wallets are told.
    pub public_url: String,
    /// Rows of the outbox that it has still to do; 10,000 stands for more.
    pub outbox_waiting: usize,
    /// Rows that it refuses for good; `None` before it was open.
    pub parked: Option<usize>,
    /// Ecash that is out there; `None` before it was open.
    pub outstanding_sat: Option<Sat>,
    /// Paid to quotes and not issued yet; `None` before it was open.
    pub paid_unissued_sat: Option<Sat>,
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
    /// The URLs that are preferred to the one in use, and why they were left.
    pub left: Vec<UpstreamLeft>,
}

/// An upstream that is not used, though it stands before the one that is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpstreamLeft {
    /// Its URL.
    pub url: String,
    /// How long ago it was left, seconds.
    pub since_secs: u64,
    /// Why.
    pub why: String,
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
