//! The error of an opening that failed.

use std::path::PathBuf;

use cdk_common::database::Error as StoreError;
use thiserror::Error;

use crate::copy::CopyError;
use crate::seed::SeedError;

/// The reasons for which a mint does not open.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The directory cannot be made.
    #[error("{}: {error}", path.display())]
    Dir {
        /// The directory.
        path: PathBuf,
        /// The system's error.
        error: std::io::Error,
    },
    /// There is no usable mnemonic.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// The mnemonic is not the one that the store's keys came from.
    #[error("{} holds another mnemonic than the one that the store was made with", path.display())]
    OtherMnemonic {
        /// The file.
        path: PathBuf,
    },
    /// The store cannot be opened or written.
    #[error("the mint's store: {0}")]
    Store(#[from] StoreError),
    /// A newer program wrote the store.
    #[error(
        "{} was written by a newer version of this program: it has {found}, the newest known \
         here is {known}. Start the newer version again",
        path.display()
    )]
    Newer {
        /// The store.
        path: PathBuf,
        /// The version that the store has.
        found: String,
        /// The newest that this program knows.
        known: String,
    },
    /// SQLite cannot read the store directly.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// cdk refuses to start.
    #[error("the mint: {0}")]
    Cdk(#[from] cdk::Error),
    /// The public URL is none.
    #[error("public_url {url:?} is not a URL that wallets can use: {error}")]
    PublicUrl {
        /// The text in the config.
        url: String,
        /// The parser's error.
        error: cdk_common::mint_url::Error,
    },
    /// A metric's name is taken.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}
