//! `mining.configure` (BIP310).

use crate::Difficulty;
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
            let granted = session.seat(id, turn)?.grant.version_mask();
            Some(session.grant_mask(rolling.mask, granted))
        }
        None => None,
    };
    let minimum_difficulty = match configure.minimum_difficulty {
        Some(minimum) => Some(keep_minimum(session, id, minimum, turn)?),
        None => None,
    };
    session.takes_extranonce |= configure.subscribe_extranonce;
    let granted = Configured {
        version_mask,
        minimum_difficulty,
        subscribe_extranonce: configure.subscribe_extranonce,
        info: configure.info,
        refused: &configure.unknown,
    };
    reply::configured(session.replies(turn.out), id, &granted);
    // Before the first job there is nothing to push.
    session.want_push(turn);
    Ok(())
}

/// Keeps to the least difficulty that the device wants, unless it is above what the
/// upstream asks now: then it could not be kept, and is refused.
fn keep_minimum(
    session: &mut Session,
    id: Id<'_>,
    minimum: Difficulty,
    turn: &mut Turn<'_>,
) -> Result<bool, CloseReason> {
    let view = &session.seat(id, turn)?.grant.view;
    let upstream = view.current().map(|job| job.upstream.difficulty);
    let is_kept = upstream.is_none_or(|most| minimum <= most);
    if is_kept {
        session.control.set_minimum(minimum);
    }
    Ok(is_kept)
}
