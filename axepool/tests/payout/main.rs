//! The money's way through the pool as a process with its lightning node, with OCEAN's node
//! beside it, over a chain of our own.

#![allow(unreachable_pub)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/ocean.rs"]
mod ocean;
#[path = "../common/world.rs"]
#[allow(dead_code)]
mod world;

mod breach;
mod closed;
mod commands;
mod held;
mod kills;
mod lost;
mod paid;
mod prepare;
mod restored;
