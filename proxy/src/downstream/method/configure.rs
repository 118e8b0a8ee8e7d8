//! `mining.configure` (BIP310).

use crate::downstream::close::CloseReason;
use crate::downstream::session::{Session, Turn};
use crate::wire::reply::{self, Configured};
use crate::wire::{Configure, Id};

/// Grants the version bits that the upstream granted, and what else we have.
pub(super) fn handle(
    session: &mut Session,
    id: Id<'_>,
    configure: &Configure,
    turn: &mut Turn<'_>,
) -> Result<(), CloseReason> {
    let version_mask = match configure.version_rolling {
        Some(rolling) => {
            let granted = session.seat(id, turn)?.grant.view.version_mask;
            Some(session.grant_mask(rolling.mask, granted))
        }
        None => None,
    };
    if let Some(minimum) = configure.minimum_difficulty {
        session.control.set_minimum(minimum);
    }
    session.takes_extranonce |= configure.subscribe_extranonce;
    let granted = Configured {
        version_mask,
        minimum_difficulty: configure.minimum_difficulty.is_some(),
        subscribe_extranonce: configure.subscribe_extranonce,
        info: configure.info,
    };
    reply::configured(session.replies(turn.out), id, &granted);
    // Before the first job there is nothing to push.
    session.want_push(turn);
    Ok(())
}
