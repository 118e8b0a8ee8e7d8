//! `mining.submit`.

use crate::downstream::close::CloseReason;
use crate::downstream::session::{Session, Turn};
use crate::wire::{Id, Submit};

/// The username in it is not looked at: the session is credited, whoever authorized it.
pub(super) fn handle(
    session: &mut Session,
    id: Id<'_>,
    submit: &Submit<'_>,
    turn: &mut Turn<'_>,
) -> Result<(), CloseReason> {
    session.submit(id, submit, turn)
}
