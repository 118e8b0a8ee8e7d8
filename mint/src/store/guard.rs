//! A hook before each write of the mint's store.

use cdk_common::database::Error;

/// The store tells a guard of each write before it makes it, and the guard may refuse it.
/// The mint's own guard counts the writes for its metrics.
pub(crate) trait WriteGuard: Send + Sync + 'static {
    /// `operation` is the store's name for the write; an error is the write's error.
    /// A commit is announced twice: `commit` before it, `committed` after it, when it
    /// is durable but its caller does not know yet.
    fn before(&self, operation: &'static str) -> Result<(), Error>;
}
