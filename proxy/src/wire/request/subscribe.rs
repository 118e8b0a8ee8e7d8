//! `mining.subscribe`.

use std::borrow::Cow;

use crate::wire::params::Params;

/// A device wants work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// What it says it is, `bitaxe/BM1370/v2.9.0` for example; `None` when it says nothing.
    pub user_agent: Option<Cow<'a, str>>,
    /// A subscription to resume, as an earlier reply named it.
    pub session: Option<Cow<'a, str>>,
}

/// What is no text is left out, and the device is served: neither is needed for work. The
/// host and port that some firmwares add are not looked at.
pub(super) fn read(params: Params<'_>) -> Subscribe<'_> {
    let [user_agent, session, ..] = params.0;
    Subscribe {
        user_agent: user_agent.into_text(),
        session: session.into_text(),
    }
}
