//! The accounting of the pool.

mod miner;
mod share;
mod work;

pub use miner::{MinerId, MinerKeyError, WorkerName};
pub use share::{Identity, SessionId, ShareAck, ShareId, ShareRecord, UpstreamResult};
pub use work::Work;
