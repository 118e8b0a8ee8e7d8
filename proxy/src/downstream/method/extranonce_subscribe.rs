//! `mining.extranonce.subscribe`.

use crate::downstream::session::{Session, Turn};
use crate::wire::{Id, reply};

/// From now on the session keeps its connection when the upstream's extranonce changes.
pub(super) fn handle(session: &mut Session, id: Id<'_>, turn: &mut Turn<'_>) {
    session.takes_extranonce = true;
    reply::accepted(session.replies(turn.out), id);
}
