//! A mint whose ledger was restored from a backup, or which was itself found to be lost or
//! an older copy: the ledger begins a new incarnation for both.
//!
//! What was spent and issued since is not known. So it comes up with a keyset that no lost
//! ledger had, and issues, swaps and melts nothing, until the operator accepts the bound of
//! what may be claimed for ecash and quotes from before. From then on each such claim is
//! counted, and never are there more (docs/decisions/0010-backup-and-restore.md, and 0017
//! for a store that is not the last one).

mod claims;
mod opening;
mod record;

pub use claims::{OldClaims, Since};
pub(crate) use opening::Opening;
pub(crate) use record::forgotten;
