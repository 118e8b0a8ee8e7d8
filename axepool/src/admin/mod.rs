//! The operator's way into the running process: a unix socket in the data directory
//! that its owner alone can open. One JSON line asks, one JSON line answers.
//!
//! No TCP listener takes an order from anybody; this is the only door that does.

mod backup;
mod client;
mod line;
mod money;
mod node;
mod protocol;
mod server;
mod socket;
mod wind_down;

pub use backup::{BackupDone, BackupRequest, BackupState, RestoreRequest, RestoreStatus};
pub use client::{AskError, ask};
pub use money::{
    EpochPart, FeeStatus, MoneyReply, MoneyRequest, PayoutFate, PayoutRow, PayoutSplit, SplitRow,
    Way, WithdrawalOutcome, WithdrawalRow,
};
pub use node::{Afterwards, NodeLook, NodeReply, NodeRequest, NodeStatus, OfferAnswer};
pub use protocol::{
    LedgerStatus, MinerRow, Miners, MintState, MintStatus, Reply, Request, Status, SuspectRow,
    UpstreamLeft, UpstreamStatus,
};
pub use server::{Answers, serve};
pub use socket::{AdminSocket, bind};
pub use wind_down::WindDownRequest;
