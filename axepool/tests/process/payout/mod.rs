//! The money's way through the pool as a process with its lightning node, with OCEAN's node
//! beside it, over a chain of our own.

mod breach;
mod closed;
mod commands;
mod doubted;
mod held;
mod kills;
pub mod listed;
mod lost;
mod older;
mod paid;
pub mod prepare;
mod property;
mod restored;
mod shared;
mod unknown_offer;
