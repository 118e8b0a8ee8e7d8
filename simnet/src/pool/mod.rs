//! A pool like OCEAN's, as DATUM's sources show such pools: a Stratum V1 server with
//! templates, share check and books of its own.
//!
//! It exists to find us out. Its share check goes through the `bitcoin` crate's types
//! (the coinbase is read back as a transaction, the header is the crate's header), its
//! rules are the strictest that pools are known to have, and whatever a pool may do to
//! a miner it does on demand through the [`SimPoolHandle`].
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use simnet::pool::{SimPool, SimPoolOptions};
//!
//! let pool = SimPool::start(SimPoolOptions { difficulty: 0.001, ..Default::default() }).await?;
//! println!("listening on {}", pool.address());
//! pool.wait_for(|books| books.accepted() >= 3, std::time::Duration::from_secs(5)).await?;
//! # Ok(()) }
//! ```

mod books;
mod check;
mod coinbase;
mod connection;
mod faults;
mod handle;
mod job;
mod options;
mod outgoing;
mod request;
mod server;
mod session;
mod shared;
mod template;

pub use books::{BlockEntry, Books, ShareEntry, UserBooks};
pub use check::Reject;
pub use faults::{AuthorizeAnswer, Faults, Stall};
pub use handle::{ExtranonceAudience, SimPoolHandle};
pub use options::{JobAfter, PoolVardiff, SimPoolOptions, VersionReading};
pub use server::{SimPool, StartError};
pub use template::{FoundBlock, SyntheticChain, Template, TemplateSource};
