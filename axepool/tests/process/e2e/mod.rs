//! The product as its users meet it: `axepool run` as a process on free ports, between a
//! simulated OCEAN with faults and books of its own and devices that hash for real.
//!
//! One program for all of it, so that it is linked once; the runner starts each test in
//! a process of its own. Nothing here sleeps to wait for something: it waits for the
//! thing, with a deadline. `AXEPOOL_NIGHTLY`, set, makes the kills a thousand.

mod credit_once;
mod difficulty;
mod disk;
mod door;
mod epochs;
mod fallback;
mod hostile;
mod kills;
mod log;
mod orders;
mod prefixes;
mod restart;
mod strangers;
mod tls;
mod upstream_loss;
mod upstream_says;
mod wind_down;
