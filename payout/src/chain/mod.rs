//! Our own chain source: OCEAN's blocks, and payments to the payout address.

mod bitcoind;
mod client;
mod electrum;
mod esplora;
mod health;
pub(crate) mod http;
mod software;
mod tip;

pub use client::{ChainClient, ChainInfo, Unspent};
pub use health::{NO_FEES, SourceCheck, SourceState};
pub use http::ChainError;
pub use software::follows_another_chain;
pub use tip::Tip;
