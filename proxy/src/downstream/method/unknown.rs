//! Methods that we do not have.

use crate::downstream::close::CloseReason;
use crate::downstream::session::{Session, Turn};
use crate::wire::{Id, WireError, reply};

/// The standard error. The method's name is not repeated: it is the device's text.
pub(super) fn handle(
    session: &mut Session,
    id: Id<'_>,
    turn: &mut Turn<'_>,
) -> Result<(), CloseReason> {
    reply::error(
        session.replies(turn.out),
        id,
        WireError::CODE,
        "unknown method",
    );
    Ok(())
}
