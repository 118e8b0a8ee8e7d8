//! A simulation of the world: the other side of the wire.
//!
//! Written from the protocols and from what devices and pools are known to do, never
//! from our own rooms: it imports none of them, so that it can tell when they are wrong.
//!
//! - [`pool`]: a pool like OCEAN's, with faults on demand and books of its own;
//! - [`bitaxe`]: devices that hash for real and speak as their firmware does;
//! - [`chain`]: a regtest chain with the calls that a lightning node makes;
//! - [`lightning`]: OCEAN's node, which pays offers;
//! - [`ocean`]: all of these as one OCEAN, with its accounting, its API and its payouts;
//! - [`load`]: many thin miners at once, to measure a server;
//! - [`keys`]: deterministic miner keys, as usernames;
//! - [`stratum`]: the few things that both sides of the wire agree upon.

pub mod bitaxe;
pub mod chain;
mod grind;
pub mod keys;
pub mod lightning;
pub mod load;
mod net;
pub mod ocean;
pub mod pool;
pub mod stratum;
pub mod watched;
