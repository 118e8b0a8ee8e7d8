//! The state of a ledger at its opening, before anything is booked. The owner of other
//! stores compares them with it, and may have the ledger begin a new incarnation.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use accounting::{EpochId, Incarnation, Lineage, OutboxId};

use crate::journal::JournalUnfit;

/// A ledger that is being opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsLeft {
    /// It was made just now: there was no file.
    pub is_new: bool,
    /// The incarnations that name its quotes.
    pub lineage: Lineage,
    /// How often it was started, this start included.
    pub boot: u32,
    /// How many bookings its books have had.
    pub bookings: u64,
    /// The last row of the outbox that there ever was.
    pub outbox_end: OutboxId,
    /// Every row up to this one is done.
    pub outbox_done: OutboxId,
    /// A quote was paid.
    pub has_paid: bool,
    /// The first epoch of which no quote was paid: where a new incarnation begins.
    pub first_unpaid: EpochId,
    /// What [`Ledger::note`](crate::Ledger::note) kept last.
    pub note: Option<Vec<u8>>,
    /// Why its journal does not fit: shares that the journal alone had are not in the ledger.
    pub journal_unfit: Option<JournalUnfit>,
}

/// How it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoOn {
    /// As it was left.
    AsLeft,
    /// As one that was restored: quotes from the first unpaid epoch on are named by this
    /// incarnation. What was noted is forgotten.
    Anew(Incarnation),
}

/// Why nobody can say how it goes on; it is not opened then.
pub type ExamineError = Box<dyn Error + Send + Sync>;

type Examine = dyn Fn(&AsLeft) -> Result<GoOn, ExamineError> + Send + Sync;

/// Who looks at it.
#[derive(Clone)]
pub struct Examiner(Arc<Examine>);

impl Examiner {
    /// Asks `examine` once, at the ledger's opening.
    pub fn new(
        examine: impl Fn(&AsLeft) -> Result<GoOn, ExamineError> + Send + Sync + 'static,
    ) -> Self {
        Examiner(Arc::new(examine))
    }

    pub(crate) fn ask(&self, left: &AsLeft) -> Result<GoOn, ExamineError> {
        (self.0)(left)
    }
}

impl fmt::Debug for Examiner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Examiner")
    }
}
