//! The accounting of the pool.

mod miner;
mod money;
mod share;
mod work;

pub use miner::{MinerId, MinerKeyError, WorkerName};
pub use money::{MSAT_PER_SAT, Msat, Sat};
pub use share::{Identity, SessionId, ShareAck, ShareId, ShareRecord, UpstreamResult};
pub use work::Work;
