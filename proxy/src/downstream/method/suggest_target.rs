//! `mining.suggest_target`.

use ruint::aliases::U256;

use crate::Difficulty;
use crate::downstream::session::{Session, Turn};
use crate::wire::Id;

/// As `mining.suggest_difficulty`, told as a target, which is never 0 here.
pub(super) fn handle(session: &mut Session, id: Id<'_>, target: U256, turn: &mut Turn<'_>) {
    let difficulty = Difficulty::from_target(target).unwrap_or(Difficulty::ONE);
    super::suggest_difficulty::handle(session, id, difficulty, turn);
}
