//! `mining.suggest_difficulty`.

use crate::Difficulty;
use crate::downstream::session::{Session, Turn};
use crate::wire::{Id, reply};

/// A hint where vardiff shall begin. It never lifts a job's difficulty above the
/// upstream's, and is pushed no more often than any other change.
pub(super) fn handle(
    session: &mut Session,
    id: Id<'_>,
    difficulty: Difficulty,
    turn: &mut Turn<'_>,
) {
    reply::accepted(session.replies(turn.out), id);
    session.control.suggest(difficulty, turn.now.ms());
    session.want_push(turn);
}
