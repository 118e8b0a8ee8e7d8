//! What every room may build on, because it knows nothing of mining or of money: the
//! wall clock, text for people, small files that are whole or not there, secrets in files
//! of their own, and what commands print.
//!
//! It imports no room. A type of the accounting has no place here: amounts of work and of
//! money get their words where the ledger is known.

pub mod backoff;
pub mod clock;
pub mod files;
pub mod humane;
pub mod json_file;
pub mod mask;
pub mod output;
pub mod secret_file;
pub mod version;
