//! `mining.subscribe`.

use crate::downstream::close::CloseReason;
use crate::downstream::session::{Session, Turn};
use crate::wire::{Id, Subscribe, reply};

/// The most characters of a user agent that are kept.
const MAX_USER_AGENT_CHARS: usize = 64;

/// ESP-Miner heeds `mining.set_extranonce` without having asked for it.
const TAKES_EXTRANONCE: &str = "bitaxe";

/// Gives the device its extranonce1. The reply names `mining.notify`, which a Bitaxe
/// that probes us from its fallback looks for in its first read. Asked again, the
/// answer is the same.
pub(super) fn handle(
    session: &mut Session,
    id: Id<'_>,
    subscribe: &Subscribe<'_>,
    turn: &mut Turn<'_>,
) -> Result<(), CloseReason> {
    let grant = session.seat(id, turn)?.grant.clone();
    if let Some(user_agent) = &subscribe.user_agent {
        let begins = user_agent.get(..TAKES_EXTRANONCE.len());
        session.takes_extranonce |=
            begins.is_some_and(|head| head.eq_ignore_ascii_case(TAKES_EXTRANONCE));
        // Set once: asked again it stays what it was.
        let _ = turn.entered.connection().user_agent.set(clean(user_agent));
    }
    session.subscribed = true;
    let name = turn.entered.connection().number();
    let size = grant.extranonce2_size();
    reply::subscribed(
        session.replies(turn.out),
        id,
        name,
        grant.extranonce1.as_bytes(),
        size,
    );
    session.tell_job(true, turn);
    Ok(())
}

/// Printable ASCII without what means something in HTML; the rest is left out.
fn clean(user_agent: &str) -> Box<str> {
    let keep = |c: &char| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '&' | '"' | '\'' | '`');
    user_agent
        .chars()
        .filter(|c| *c == ' ' || keep(c))
        .take(MAX_USER_AGENT_CHARS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_agents_are_cleaned() {
        assert_eq!(&*clean("bitaxe/BM1370/v2.9.0"), "bitaxe/BM1370/v2.9.0");
        assert_eq!(&*clean("<b>x</b>\u{7}\né y"), "bx/b y");
        assert_eq!(clean(&"z".repeat(500)).len(), MAX_USER_AGENT_CHARS);
    }
}
