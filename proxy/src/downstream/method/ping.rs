//! `mining.ping`.

use crate::downstream::session::{Session, Turn};
use crate::wire::{Id, reply};

/// Answers with a pong.
pub(super) fn handle(session: &mut Session, id: Id<'_>, turn: &mut Turn<'_>) {
    reply::pong(session.replies(turn.out), id);
}
