//! `mining.submit`.

use crate::downstream::close::CloseReason;
use crate::downstream::session::{Session, Turn};
use crate::wire::{Id, Submit};

/// The username in it says which of the session's workers is credited, and is else not
/// looked at: who authorized the session is credited.
pub(super) fn handle(
    session: &mut Session,
    id: Id<'_>,
    submit: &Submit<'_>,
    turn: &mut Turn<'_>,
) -> Result<(), CloseReason> {
    session.submit(id, submit, turn)
}
