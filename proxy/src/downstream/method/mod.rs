//! The requests of a device, one file per method.

mod authorize;
mod configure;
mod extranonce_subscribe;
mod get_version;
mod ping;
mod submit;
mod subscribe;
mod suggest_difficulty;
mod suggest_target;
mod unknown;

use super::close::CloseReason;
use super::session::{Session, Turn};
use crate::wire::{Method, Request};

/// Serves one request.
pub(crate) fn handle(
    session: &mut Session,
    Request { id, method }: Request<'_>,
    turn: &mut Turn<'_>,
) -> Result<(), CloseReason> {
    match &method {
        Method::Submit(_) => turn.metrics.submits.inc(),
        other => turn.metrics.message(other.label()),
    }
    match method {
        Method::Submit(submit) => submit::handle(session, id, &submit, turn),
        Method::Configure(configure) => configure::handle(session, id, &configure, turn),
        Method::Subscribe(subscribe) => subscribe::handle(session, id, &subscribe, turn),
        Method::Authorize(authorize) => authorize::handle(session, id, &authorize, turn),
        Method::SuggestDifficulty(difficulty) => {
            suggest_difficulty::handle(session, id, difficulty, turn);
            Ok(())
        }
        Method::SuggestTarget(target) => {
            suggest_target::handle(session, id, target, turn);
            Ok(())
        }
        Method::ExtranonceSubscribe => {
            extranonce_subscribe::handle(session, id, turn);
            Ok(())
        }
        Method::Ping => {
            ping::handle(session, id, turn);
            Ok(())
        }
        Method::GetVersion => {
            get_version::handle(session, id, turn);
            Ok(())
        }
        // A pong, or the answer to a client.* of ours: nothing waits for it.
        Method::Reply => Ok(()),
        Method::Unknown(_) => unknown::handle(session, id, turn),
    }
}
