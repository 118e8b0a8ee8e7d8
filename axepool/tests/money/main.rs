//! The money as the operator and the auditor see it: the real binary over a ledger that
//! holds payments, with and without a process that has it open; and over HTTP.

// What two test binaries share, each uses a part of.
#![allow(dead_code, unreachable_pub)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/ocean.rs"]
mod ocean;
#[path = "../common/schema.rs"]
mod schema;
#[path = "../common/world.rs"]
mod world;

mod audit;
mod books;
mod fetch;
mod kills;
mod openapi;
mod operator;
mod pages;
mod prepare;
mod stops;
mod wind_down;
mod withdraw;
