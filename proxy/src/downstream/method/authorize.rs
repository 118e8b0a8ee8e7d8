//! `mining.authorize`.

use std::sync::Arc;

use accounting::{Identity, SessionId};

use crate::downstream::close::CloseReason;
use crate::downstream::metrics::SESSIONS_USED_UP;
use crate::downstream::session::{Session, Turn};
use crate::username;
use crate::wire::{Authorize, Id, reply};

/// Stratum's code for a worker that is not authorized.
const UNAUTHORIZED: u8 = 24;

/// What a client is told that comes back after a storm of rejects.
const AFTER_STORM: &str = "too many shares were rejected, try again in some minutes";

/// Begins the session. The username is never logged and never sent back: people paste
/// secret keys.
pub(super) fn handle(
    session: &mut Session,
    id: Id<'_>,
    authorize: &Authorize<'_>,
    turn: &mut Turn<'_>,
) -> Result<(), CloseReason> {
    let (key, worker) = match username::parse(authorize.username.as_str()) {
        Ok(parsed) => parsed,
        Err(error) => {
            turn.metrics.authorization_refused(error.label());
            return Err(session.refuse(id, UNAUTHORIZED, error, CloseReason::BadUsername, turn));
        }
    };
    let who = Identity {
        miner: key.miner,
        worker,
    };
    if let Some(authorized) = session.authorized() {
        // Crediting one with the other's shares would be worse than a clear no.
        if authorized.who.miner != who.miner {
            reply::error(turn.out, id, UNAUTHORIZED, "one key per connection");
        } else if session.add_worker(authorize.username.as_str(), who) {
            reply::accepted(turn.out, id);
        } else {
            reply::error(
                turn.out,
                id,
                UNAUTHORIZED,
                "too many workers on one connection",
            );
        }
        return Ok(());
    }
    let now_ms = turn.now.ms();
    if turn.storms.refuses(turn.address, &who, now_ms) {
        let reason = CloseReason::AfterRejectStorm;
        turn.metrics.authorization_refused(reason.label());
        return Err(session.refuse(id, UNAUTHORIZED, AFTER_STORM, reason, turn));
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
    turn.entered.replace_earlier(turn.address, &who);
    session.authorize(
        id,
        who,
        key.prefix,
        SessionId::new(turn.rules.boot, number),
        turn,
    );
    session.tell_job(true, turn);
    Ok(())
}
