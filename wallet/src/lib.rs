//! The owner's side: a key to mine with, a sweep that fetches what it earned, and a
//! wallet to keep and spend the ecash.
//!
//! It imports no room of ours. It knows the pool only through the protocols (the NUTs,
//! the draft of the look-up by key, the pool's published HTTP interface), so that it
//! works with any pool that speaks them and tells when ours does not.
//!
//! - [`OwnerKey`]: the key whose public half is the stratum username. [`WordKey`]: one that
//!   follows from the wallet's words.
//! - [`Home`]: the wallet's directory: seed, store, and the lock of one process.
//! - [`Purse`]: the ecash of one mint in that wallet. [`Purse::sweep`] brings the key's
//!   money in; [`Purse::send`], [`Purse::receive`] and [`Purse::pay`] move it.
//!
//! Every operation can be cut off at any point. The wallet records each operation before
//! it asks the mint, and [`Purse::recover`], with which each operation begins, finishes
//! interrupted ones.

mod destination;
mod error;
mod foreign;
mod home;
mod key;
mod key_file;
mod melt;
mod mint_address;
mod pool;
mod purse;
mod qr;
mod readdress;
mod secret_file;
mod sweep;
mod swept;
#[cfg(test)]
mod tests;
mod text;
mod transport;
mod word_keys;

pub use cdk_common::mint_url::MintUrl;
pub use destination::{Destination, DestinationError};
pub use error::WalletError;
pub use home::{Home, HomeError, MintBalance};
pub use key::{KeyError, OwnerKey};
pub use key_file::{KeyFile, KeyFileError};
pub use melt::Paid;
pub use mint_address::{MintAddressError, mint_address};
pub use purse::{Purse, Recovered, Restored, SentToken};
pub use qr::terminal_qr;
pub use secret_file::SecretFileError;
pub use swept::{Left, Progress, Swept};
pub use text::plain;
pub use word_keys::WordKey;
