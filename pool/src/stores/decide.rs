//! The verdict whether the stores of a data directory are the latest ones. Pure: the
//! marks that each store keeps of itself and of the others in, a verdict out.

use accounting::{EpochId, OutboxId, StoreMark};
use ledger::{AsLeft, JournalUnfit};
use mint::{LedgerMark, StoredMarks};

use super::file::Kept;
use crate::backup::Cause;

/// The stores at a start, before anything is written to them.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// The ledger.
    pub(super) ledger: AsLeft,
    /// The mint's mark, as the ledger was told of it last.
    pub(super) noted: Option<StoreMark>,
    /// The mint's store; `None` when there is none.
    pub(super) mint: Option<StoredMarks>,
    /// The mint's store is this pool's affair: the mint is not switched off, and the store
    /// is not of another mnemonic, with which it will not open.
    pub(super) minds_mint: bool,
    /// The file of marks; `None` when there is none.
    pub(super) kept: Option<Kept>,
    /// That file is a copy.
    pub(super) is_copy: bool,
    /// A restore of this very ledger waits for the operator: all is closed anyhow.
    pub(super) is_closed: bool,
}

/// What is wrong with them, if anything is.
///
/// Last comes what fits together. A file of marks that is no copy knows the mint's last
/// commit, and what fits it is the last one. Where it is a copy or gone, all of it may be a
/// copy, and nothing tells how old it is: then no cause is named that holds no payment,
/// since the ledger may lack bookings whatever else is wrong.
pub(super) fn decide(seen: &Seen) -> Option<Cause> {
    if seen.is_closed {
        return None;
    }
    let found = ledger(seen)
        .or_else(|| journal(seen))
        .or_else(|| seen.minds_mint.then(|| mint(seen)).flatten());
    match found {
        Some(cause) if cause.holds_payments() => Some(cause),
        _ if is_unvouched(seen) => Some(Cause::Copied),
        found => found,
    }
}

/// The other cause beside `cause`, for which the pool waits for its operator from now on or
/// since an earlier start: a journal that was lost meanwhile, or a mint's store that was lost
/// together with the journal.
pub(super) fn beside(seen: &Seen, cause: Cause) -> Option<Cause> {
    let found = match seen.is_closed {
        true => journal(seen),
        false if cause == Cause::JournalLost && seen.minds_mint => mint(seen),
        false => None,
    };
    found.filter(|found| *found != cause)
}

/// The ledger against what the others know of it. It is ahead of them as a rule: they are
/// told when it has written.
fn ledger(seen: &Seen) -> Option<Cause> {
    let left = &seen.ledger;
    let of_mint = seen.mint.as_ref().filter(|_| seen.minds_mint);
    if left.is_new {
        let of_kept = seen.kept.as_ref().and_then(|kept| kept.ledger);
        // A journal whose ledger is gone tells of it as well.
        let is_told = of_mint.is_some() || of_kept.is_some() || left.journal_unfit.is_some();
        return is_told.then_some(Cause::LedgerLost);
    }
    let of_kept = seen.kept.as_ref().and_then(|kept| kept.ledger);
    let known = of_mint.and_then(|mint| mint.ledger).into_iter();
    let is_older = known.chain(of_kept).any(|known| is_behind(left, known));
    let applied = of_mint.and_then(|mint| mint.applied);
    let is_older = is_older || applied.is_some_and(|applied| applied > left.outbox_end);
    is_older.then_some(Cause::LedgerOlder)
}

/// What its journal tells of the ledger.
fn journal(seen: &Seen) -> Option<Cause> {
    Some(match seen.ledger.journal_unfit? {
        JournalUnfit::OfAnother | JournalUnfit::Newer => Cause::LedgerOlder,
        // The ledger would have all its bookings and lack shares, if it is the last one.
        // Every program that begins a journal makes the file of marks as well, so where it
        // is gone nobody knows that, with a mint or without one.
        JournalUnfit::Missing | JournalUnfit::Older => {
            match is_unvouched(seen) || seen.kept.is_none() {
                true => Cause::Copied,
                false => Cause::JournalLost,
            }
        }
    })
}

/// True for a ledger that is not the one that was `known`, or is not that far.
fn is_behind(left: &AsLeft, known: LedgerMark) -> bool {
    let is_ours = left
        .lineage
        .incarnations()
        .any(|one| one == known.incarnation);
    // This start is counted in one and not in the other.
    !is_ours || known.boot >= left.boot || known.bookings > left.bookings
}

/// The mint's store against what the others know of it.
fn mint(seen: &Seen) -> Option<Cause> {
    let left = &seen.ledger;
    let Some(mint) = &seen.mint else {
        // Rows were done, so that there was one; without any payment it had no money.
        let had_money = left.has_paid && left.outbox_done > OutboxId::START;
        return had_money.then_some(Cause::MintLost);
    };
    let of_kept = seen.kept.as_ref().and_then(|kept| kept.mint);
    let known = of_kept.into_iter().chain(seen.noted);
    let is_older = known.into_iter().any(|known| match mint.mark {
        Some(mark) => mark.store != known.store || mark.counter < known.counter,
        None => true,
    });
    // It follows the ledger that is there, from before its last restore or not.
    let follows = mint
        .ledger
        .is_none_or(|of| of.incarnation == left.lineage.current());
    let lacks_rows = mint
        .applied
        .is_some_and(|applied| applied < left.outbox_done);
    (is_older || !follows || lacks_rows || mint.is_behind).then_some(Cause::MintOlder)
}

/// True when no file of marks tells that what fits together is the last of it. Stores that
/// an older program left know nothing of such a file.
fn is_unvouched(seen: &Seen) -> bool {
    let of_mint = seen.mint.as_ref().filter(|_| seen.minds_mint);
    let had_file = of_mint.is_some_and(|mint| mint.mark.is_some()) || seen.noted.is_some();
    seen.is_copy || (seen.kept.is_none() && had_file)
}

/// From which epoch on quotes get new names when a ledger begins anew.
pub(super) fn begins_at(left: &AsLeft) -> EpochId {
    left.first_unpaid
}
