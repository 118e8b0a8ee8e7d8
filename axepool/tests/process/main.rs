//! The program as its users meet it: the `axepool` binary as a process, with real sockets,
//! simulated devices and a simulated OCEAN, real lightning nodes, a real browser and a
//! real Prometheus.
//!
//! One test binary, so that everything that the program stands on is linked once; the
//! runner starts each test in a process of its own. Nothing here sleeps to wait for
//! something: it waits for the thing, with a deadline. `AXEPOOL_NIGHTLY`, set, makes some
//! of them long.

#![allow(
    unreachable_pub,
    missing_docs,
    reason = "a test binary has no users: pub says what its modules share"
)]

#[path = "../common/client.rs"]
mod client;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/earned.rs"]
mod earned;
#[path = "../common/electrum.rs"]
mod electrum_server;
#[path = "../common/loaded.rs"]
mod loaded;
#[path = "../common/ocean.rs"]
mod ocean;
#[path = "../common/schema.rs"]
mod schema;
#[path = "../common/world.rs"]
mod world;
#[path = "../common/yaml.rs"]
mod yaml;

mod chain_source;
mod cli;
mod e2e;
mod e2e_mint;
mod electrum;
mod first_run;
mod grafana;
mod home_server;
mod init;
mod money;
mod notices;
mod owner;
mod package;
mod pages;
mod payout;
mod public_url;
mod run;
mod tour;
mod wallet;
