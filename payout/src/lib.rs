//! The way in of OCEAN's money.
//!
//! - [`settings`]: the node's settings, a file of `ldk-node-config/`;
//! - [`node`]: the lightning node, kept up beside mining and never in its way;
//! - [`offer`]: the offer that OCEAN pays, and whether it still works;
//! - [`intake`]: what arrives, into the books, exactly once;
//! - [`ocean`]: OCEAN's API, and which blocks are OCEAN's;
//! - [`chain`]: our own eyes on the chain;
//! - [`outgoing`]: what leaves the node for burnt ecash, each payment once;
//! - [`witness`]: whether upstream, OCEAN's list and our chain source agree on the chain;
//! - [`marks`]: whether the node's directory is the last one;
//! - [`sign`]: the proof that OCEAN wants of the payout address;
//! - [`forgotten`]: the money of channels that a restored node does not know;
//! - [`own_coins`]: the wallet's coins that a restored wallet does not see;
//! - [`commands`], [`readiness`]: what the operator does with the node, and is told of it;
//! - [`booking`]: the door to the books, which the binary adapts to the ledger.
//!
//! It knows the ledger's types and nothing of the mint or the proxy.

#![deny(clippy::float_arithmetic)]

pub mod booking;
pub mod chain;
pub mod commands;
mod files;
pub mod forgotten;
mod given;
pub mod intake;
mod keys;
pub mod marks;
pub mod node;
mod node_state;
pub mod ocean;
pub mod offer;
mod offer_book;
pub mod outgoing;
pub mod own_coins;
mod payer;
pub mod readiness;
mod seed;
pub mod settings;
pub mod sign;
pub mod witness;

pub use booking::{BookError, Booked, Booking};
pub use chain::ChainClient;
pub use forgotten::Forgotten;
pub use intake::Intake;
pub use keys::{KeyError, payout_address};
pub use node::{Lightning, Parts};
pub use node_state::{NodeError, NodeState};
pub use own_coins::OwnCoins;
pub use payer::Payer;
pub use seed::{Seed, SeedError};
pub use settings::{ChainSource, Settings};
