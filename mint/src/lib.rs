//! The embedded Cashu mint: quotes for work, ecash for wallets.
//!
//! The ledger decides what is owed; this room makes it mintable. Rows of the ledger's
//! [`Outbox`] become mint quotes of the method [`METHOD`], locked to the miner's key
//! (NUT-20), and payments on them. The owner gets at the ecash with any wallet: by
//! look-up and NUT-29, or as a token locked to the same key (NUT-11).
//!
//! Nobody but the outbox makes or pays a quote, so a quote is paid only with money
//! that has arrived. The store is cdk's SQLite; our own records live in it, see
//! `index`. Melts need a [`Lightning`], which the binary provides.

mod announce;
mod apply;
mod backoff;
mod claim;
mod config;
mod copy;
mod decide;
mod epochs;
mod frames;
mod handle;
mod http;
mod index;
mod info;
mod issue;
mod keysets;
mod liabilities;
mod lightning;
mod lookup;
mod marks;
mod melt_method;
mod melts;
mod method;
mod metrics;
mod miner_quotes;
mod missing;
mod no_events;
mod open;
mod open_error;
mod outbox;
mod owed;
mod parked;
mod pause;
mod quote;
mod refused;
mod reissue;
mod restored;
mod retry;
mod seed;
mod signed;
mod store;
#[cfg(test)]
mod tests;
mod token;
mod typed;
mod version;
mod worker;

pub use crate::signed::{Purpose, Signed, message};
pub use cdk::Error as CdkError;
pub use cdk_common::database::Error as StoreError;
pub use claim::{Claim, ClaimError};
pub use config::MintConfig;
pub use copy::{CopyError, copy_store};
pub use decide::Refusal;
pub use epochs::EpochMark;
pub use frames::{FramesError, token_frames};
pub use handle::Mint;
pub use http::{RouterError, described};
pub use lightning::{Lightning, LightningError, PayId, PayQuote, PayRequest, PayState};
pub use marks::{LedgerMark, StoredMarks, Witness, stored_marks};
pub use metrics::MintMetrics;
pub use miner_quotes::QuoteView;
pub use open_error::OpenError;
pub use outbox::{Expected, Order, Outbox, OutboxError, PayoutId, PayoutIdError, Row};
pub use owed::Liabilities;
pub use parked::Parked;
pub use quote::{METHOD, QuoteKey, QuoteKeyError};
pub use restored::{OldClaims, Since};
pub use seed::{SeedError, fingerprint, make_words};
pub use token::{Token, TokenState};

/// What the fuzz targets drive: no part of the library as it is built.
#[cfg(fuzzing)]
pub mod fuzzing {
    pub use crate::http::run_messages;
}
