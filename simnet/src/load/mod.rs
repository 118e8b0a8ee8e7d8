//! A load generator: thousands of thin miners, each with a key of its own, and their
//! measurements of a server.
//!
//! It is told where to connect, how many miners, for how long, and stops by itself. It
//! measures what a miner would: whether shares are answered with `true`, how long that
//! takes, how far apart the first and the last are told of a job; and, given the
//! server's process, what that costs.
//!
//! ```no_run
//! # async fn example() -> Result<(), simnet::load::LoadError> {
//! use simnet::load::{LoadMode, LoadOptions, run};
//!
//! let options = LoadOptions::new("127.0.0.1:3333", LoadMode::Shares, 1_000);
//! println!("{}", run(options).await?);
//! # Ok(()) }
//! ```

mod connection;
mod fan_out;
mod generator;
mod histogram;
mod options;
mod process;
mod report;
mod thin_miner;
mod tls;
mod views;

pub use generator::{LoadError, run, run_with_trigger};
pub use options::{KeyForm, LoadMode, LoadOptions};
pub use report::{FanOutReport, LatencyReport, LoadReport, ServerReport};
pub use views::{ViewError, ViewOptions, ViewReport, look};
