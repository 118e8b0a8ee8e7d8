//! What the owner of a Bitaxe does: make a key, fetch what it earned, use it, be told, and
//! check the pool's payouts.
//!
//! The commands are here once. `axepool-wallet`, the binary of this room, has them at its top
//! level, so that an owner installs no pool; `axepool` has the same among its own, for the
//! operator who mines too. This room knows the owner's wallet and the rules of the accounting,
//! and nothing of the pool's inside: it asks the pool as everybody does, over HTTP.

mod audit;
mod cli;
mod http;
mod key;
mod notices;
mod ocean;
mod payouts;
mod place;
mod program;
mod reissue;
mod runtime;
mod sweep;
mod wallet_command;

pub use cli::{Cli, Command};
