//! Our own eyes on the chain: OCEAN's blocks, and what comes to the payout address.

mod bitcoind;
mod client;
mod esplora;
pub(crate) mod http;
mod software;
mod tip;

pub use client::{ChainClient, ChainInfo, Unspent};
pub use http::ChainError;
pub use software::follows_another_chain;
pub use tip::Tip;
