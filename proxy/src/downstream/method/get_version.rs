//! `client.get_version`.

use crate::downstream::session::{Session, Turn};
use crate::wire::{Id, reply};

/// What we are.
const SOFTWARE: &str = concat!("axepool/", env!("CARGO_PKG_VERSION"));

/// Names the software and its version.
pub(super) fn handle(session: &mut Session, id: Id<'_>, turn: &mut Turn<'_>) {
    reply::version(session.replies(turn.out), id, SOFTWARE);
}
