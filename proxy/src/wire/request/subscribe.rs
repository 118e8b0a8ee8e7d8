//! `mining.subscribe`.

use std::borrow::Cow;

use super::Malformed;
use crate::wire::params::{Params, Scalar};

/// A device wants work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// What it says it is, `bitaxe/BM1370/v2.9.0` for example; `None` when it says nothing.
    pub user_agent: Option<Cow<'a, str>>,
    /// A subscription to resume, as an earlier reply named it.
    pub session: Option<Cow<'a, str>>,
}

/// The host and port that some firmwares add are not looked at.
pub(super) fn read(params: Params<'_>) -> Result<Subscribe<'_>, Malformed> {
    let [user_agent, session, ..] = params.0;
    let optional = |param, name| match param {
        Scalar::Text(text) => Ok(Some(text)),
        Scalar::Null => Ok(None),
        _ => Err(Malformed::Param {
            method: "mining.subscribe",
            param: name,
            expected: "a string or null",
        }),
    };
    Ok(Subscribe {
        user_agent: optional(user_agent, "user agent")?,
        session: optional(session, "session")?,
    })
}
