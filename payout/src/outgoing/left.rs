//! What the journal says that left the node, for who keeps books of his own that may be
//! older than it.

use std::path::Path;
use std::sync::Arc;

use accounting::{MSAT_PER_SAT, Msat, Sat};

use super::journal::{Journal, JournalError};
use super::record::{Record, State};
use crate::marks::NoKeeper;

/// The journal's name in the node's directory.
pub(crate) const JOURNAL: &str = "outgoing.jsonl";

/// The ids of all payments that were made or may be made yet, by the journal in the node's
/// directory `dir`, with what each took at most, rounded up. For a node that does not run.
///
/// # Errors
/// The journal does not read.
pub fn left(dir: &Path) -> Result<Vec<(String, Sat)>, JournalError> {
    let journal = Journal::open(&dir.join(JOURNAL), Arc::new(NoKeeper))?;
    let left = journal.all().filter_map(|record| {
        let msat = most(record)?.get();
        Some((record.id.clone(), Sat::new(msat.div_ceil(MSAT_PER_SAT))))
    });
    Ok(left.collect())
}

/// `None` for one that certainly was not made.
fn most(record: &Record) -> Option<Msat> {
    match (&record.state, &record.order) {
        (State::Paid { spent, .. }, _) => Some(*spent),
        (State::NotPaid { .. }, _) => None,
        (State::Recorded | State::Sent(_), order) => {
            let order = order.as_ref()?;
            let most = order.amount.get().saturating_add(order.fee_limit.get());
            Some(Msat::new(most))
        }
    }
}
