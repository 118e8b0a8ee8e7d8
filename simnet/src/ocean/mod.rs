//! The simulated OCEAN as one thing: a stratum server on a regtest chain, TIDES, the API,
//! and a payer.
//!
//! - Miners' shares are real hashes. The ones that meet the network's target are blocks
//!   of the chain, with OCEAN's tag and payouts in the coinbase. The target is as high as
//!   [`OceanOptions::network_difficulty`] says, until a block is asked for: then the next
//!   share is one ([`Ocean::find_block`]).
//! - Each block's reward is divided over the newest work ([`Tides`]) and credited to the
//!   addresses before the first dot of the usernames.
//! - Some blocks later what is due is paid: to the user's offer, with OCEAN's note, or
//!   over the chain. What cannot be paid is added to the next.
//! - The API tells of it all, and can be wrong on demand ([`ApiFault`]).
//! - [`Ocean::books`] are OCEAN's own view, in which no millisatoshi is lost: work, owed
//!   and paid, to compare others' books with.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use std::time::Duration;
//! use simnet::ocean::{Ocean, OceanLightning, OceanOptions};
//!
//! let mut options = OceanOptions::default().with_difficulty(1e-5, 250_000.0);
//! options.lightning = Some(OceanLightning::new("/tmp/ocean", "127.0.0.1:9735".parse()?));
//! let ocean = Ocean::start(options).await?;
//! println!(
//!     "stratum+tcp://{}, chain {}, API {}, node {:?}",
//!     ocean.stratum(), ocean.chain_rpc(), ocean.api_url(), ocean.node_id(),
//! );
//! # let (pool_node, pool_at): (bitcoin::secp256k1::PublicKey, _) = ("02".parse()?, "127.0.0.1:9736".parse()?);
//! # let (address, message, signature) = ("bcrt1q", "{}", "");
//! ocean.open_channel_to(pool_node, pool_at, 10_000_000).await?;
//! ocean.register_offer(address, message, signature)?;
//! let block = ocean.find_block(Duration::from_secs(60)).await?;
//! ocean.mine_blocks(3);
//! ocean.wait_for(|books| books.account(address).owed_msat() == 0, Duration::from_secs(60)).await?;
//! assert!(ocean.books().totals().is_balanced());
//! # drop(block);
//! ocean.stop().await
//! # }
//! ```

mod api;
mod books;
mod clerk;
mod handle;
mod office;
mod options;
mod registration;
mod start;
mod steering;
mod tides;

pub use api::ApiFault;
pub use books::{
    Account, BlockState, Earning, OceanBlock, OceanBooks, OnChain, Paid, Policy, Registered,
    Totals, Via,
};
pub use handle::Ocean;
pub use office::BlockOdds;
pub use options::{OceanLightning, OceanOptions};
pub use registration::RegistrationError;
pub use steering::Steer;
pub use tides::{Divided, Tides, Window};
