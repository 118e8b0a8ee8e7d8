//! `mining.authorize`.

use std::sync::Arc;

use ledger::{Identity, SessionId};

use crate::downstream::close::CloseReason;
use crate::downstream::metrics::SESSIONS_USED_UP;
use crate::downstream::session::{Session, Turn};
use crate::username;
use crate::wire::{Authorize, Id, reply};

/// Stratum's code for a worker that is not authorized.
const UNAUTHORIZED: u8 = 24;

/// Begins the session. The username is never logged and never sent back: people paste
/// secret keys.
pub(super) fn handle(
    session: &mut Session,
    id: Id<'_>,
    authorize: &Authorize<'_>,
    turn: &mut Turn<'_>,
) -> Result<(), CloseReason> {
    let (miner, worker) = match username::parse(authorize.username.as_str()) {
        Ok(parsed) => parsed,
        Err(error) => {
            turn.metrics.authorization_refused(error.label());
            return Err(session.refuse(id, UNAUTHORIZED, error, CloseReason::BadUsername, turn));
        }
    };
    let who = Identity { miner, worker };
    if let Some(authorized) = session.authorized() {
        if *authorized.who == who {
            reply::accepted(turn.out, id);
        } else {
            // Crediting one with the other's shares would be worse than a clear no.
            reply::error(turn.out, id, UNAUTHORIZED, "one username per connection");
        }
        return Ok(());
    }
    if let Err(reason) = session.seat(id, turn) {
        turn.metrics.authorization_refused(reason.label());
        return Err(reason);
    }
    let Some(number) = turn.entered.next_session() else {
        turn.metrics.authorization_refused(SESSIONS_USED_UP);
        return Err(session.refuse(
            id,
            UNAUTHORIZED,
            "no more sessions",
            CloseReason::NoWork,
            turn,
        ));
    };
    let who = Arc::new(who);
    turn.metrics.authorizations.inc();
    // Without the worker: what follows the dot may be a secret typed by mistake, too.
    tracing::debug!(connection = turn.entered.connection().number(), miner = %who.miner, "authorized");
    // Set once: a second authorize does not come here.
    let _ = turn.entered.connection().who.set(who.clone());
    session.authorize(who, SessionId::new(turn.rules.boot, number), turn);
    reply::accepted(turn.out, id);
    session.tell_job(true, turn);
    Ok(())
}
