//! A simulated Bitaxe: hashes for real, at a hashrate of one's choice, and speaks as
//! its firmware does, with the habits that a pool has to live with.
//!
//! Written from what ESP-Miner, NerdQAxe+, NerdMiner and minerd are known to do; the
//! share search is its own (midstate and raw SHA-256), so that it and the pool's check
//! test each other too.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use simnet::bitaxe::{PoolAddress, SimBitaxe, SimBitaxeOptions};
//!
//! let primary = PoolAddress::new("127.0.0.1:3333", "npub1....garage");
//! let axe = SimBitaxe::start(SimBitaxeOptions::new(primary, 50_000.0));
//! axe.wait_for(|stats| stats.accepted >= 3, std::time::Duration::from_secs(10)).await?;
//! let stats = axe.drain(std::time::Duration::from_secs(5)).await?;
//! println!("{} shares", stats.accepted);
//! # Ok(()) }
//! ```

mod device;
mod handle;
mod miner;
mod misbehaviour;
mod options;
mod pace;
mod probe;
mod quota;
mod requests;
mod search;
mod session;
mod stats;

pub use handle::SimBitaxe;
pub use misbehaviour::Misbehaviour;
pub use options::{Firmware, MAX_POOLS, PoolAddress, SimBitaxeOptions, Timing};
pub use stats::{AcceptedShare, BitaxeStats, PoolSide};
