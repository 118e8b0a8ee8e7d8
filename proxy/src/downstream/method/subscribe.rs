//! `mining.subscribe`.

use crate::downstream::close::CloseReason;
use crate::downstream::session::{Session, Turn};
use crate::wire::{Id, Subscribe, reply};

/// The most characters of a user agent that are kept.
const MAX_USER_AGENT_CHARS: usize = 64;

/// The beginnings of the user agents of firmwares that heed `mining.set_extranonce` without
/// having asked for it: ESP-Miner and its relatives. NerdMiner's does not.
const TAKE_EXTRANONCE: [&str; 9] = [
    "bitaxe",
    "nerdaxe",
    "nerdeko",
    "nerdhaxe",
    "nerdoctaxe",
    "nerdqaxe",
    "nerdqx",
    "q1370",
    "q1373",
];

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
        session.takes_extranonce |= takes_extranonce(user_agent);
        // Set once: asked again it stays what it was.
        let _ = turn.entered.connection().user_agent.set(clean(user_agent));
    }
    session.subscribe();
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

fn takes_extranonce(user_agent: &str) -> bool {
    TAKE_EXTRANONCE.iter().any(|name| {
        let head = user_agent.get(..name.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(name))
    })
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
