//! The admin socket: a unix socket `data_dir/admin.sock` through which the commands talk to
//! the running process. Only its owner can open it.
//!
//! The client sends one JSON line and gets one JSON line back, both of bounded length
//! (`protocol.rs`). `axepool epochs`, `miners` and others ask here; if no process runs, they
//! open the store themselves and answer with the same code.
//!
//! No TCP listener accepts orders; this socket is the only interface that does.

mod backup;
pub mod call;
mod client;
mod line;
mod money;
mod node;
mod protocol;
mod server;
mod socket;
mod wind_down;

pub use backup::{BackupDone, BackupRequest, BackupState, RestoreRequest, RestoreStatus};
pub use call::Call;
pub use client::{AskError, ask, call_at};
pub use money::{
    EpochPart, FeeStatus, MORE_COUNTED, MoneyReply, MoneyRequest, PayoutFate, PayoutRow,
    PayoutSplit, Payouts, SplitRow, Way, WithdrawalOutcome, WithdrawalRow,
};
pub use node::{
    Afterwards, NodeLook, NodeReply, NodeRequest, NodeStatus, OfferAnswer, Opening, Payment, Sent,
    WalletView,
};
pub use protocol::{
    Epochs, Health, LedgerStatus, MinerRow, Miners, MintParked, MintState, MintStatus,
    OrphanedEpoch, Reply, Request, Status, SuspectRow, UpstreamLeft, UpstreamStatus,
};
pub use server::{Answers, serve};
pub use socket::{AdminSocket, bind};
pub use wind_down::WindDownRequest;
