//! OCEAN's API, and OCEAN's blocks as the chain and the API show them.

mod api;
mod compare;
pub mod deposits;
mod follow;
mod lenient;
mod task;
pub mod watch;

pub use api::{BlocksListed, ListedBlock, OceanApi, OceanEarnings, OceanError, OnChainPayout};
pub use compare::AskUpstream;
pub use deposits::Gone;
pub use task::{ASK_EVERY, OCEAN_TAG, OceanWatch, SourceHealth};
