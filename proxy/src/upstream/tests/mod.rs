//! The upstream against pools that are scripted, on real sockets.

mod failover;
pub(crate) mod fixtures;
mod harness;
mod lanes;
mod oddities;
mod pool;
mod sessions;
mod shares;
mod tls;
