//! Rooms put together in one process: the config, and the payout room over real lightning
//! nodes and a chain of our own.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    missing_docs,
    reason = "a test's helpers may stop it, and its `pub` says what its modules share"
)]

#[path = "../common/esplora.rs"]
mod esplora;
#[path = "../common/nodes.rs"]
mod nodes;

mod bitcoind;
mod closings;
mod config;
mod lightning;
mod melts;
mod onchain;
