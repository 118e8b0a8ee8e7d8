//! What is asked of the books and of the money, and what is ordered: the answers of the
//! running process, which is asked at its admin socket, and of a command that opens the
//! store itself. Both come from one code.

mod books;
mod money;
mod store;

use std::path::Path;

use accounting::EpochTerms;
use anyhow::Result;

use crate::admin::{Reply, Request};
pub(crate) use books::{HASHRATE_BUCKETS, SUSPECT_EPOCHS, answer};
pub(crate) use money::undecided;
pub use money::{AuditIndex, Coffer, Desk, Sending, booked_out_id, rows, suspense, withdrawal_id};
pub use store::NOTHING_RUNS;

/// The answer from the store in `data_dir`, which no process has open.
///
/// # Errors
/// The store cannot be read or written, or what is asked needs a running process.
pub async fn ask_the_store(
    data_dir: &Path,
    terms: Option<EpochTerms>,
    request: Request,
) -> Result<Reply> {
    match request {
        Request::Money(request) => {
            let reply = money::ask_the_store(data_dir, terms, request).await?;
            Ok(Reply::Money(reply))
        }
        other => books::ask_the_store(data_dir, terms, other).await,
    }
}
