//! The pool with a simulated world around it, to show, to try and to load.
//!
//! - `show`: the demonstration: the real pool, started in this process as `axepool run`
//!   starts it, between a simulated OCEAN and simulated Bitaxes.
//! - `sim`: the simulated sides by themselves, to be put beside a pool that runs.
//! - `load`: thousands of thin miners and viewers, to measure a pool.
//!
//! This room is what links `simnet`: the program that operators run has nothing of it.

mod cli;
mod load;
mod show;
mod sim;

pub use cli::Cli;
