//! `mining.authorize`.

use std::borrow::Cow;
use std::fmt;

use super::Malformed;
use crate::wire::params::Params;

/// Who a miner says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorize<'a> {
    /// As given: for [`username::parse`](crate::username::parse).
    pub username: Username<'a>,
}

/// A username as it came. It may be a secret key pasted by mistake: it is not printed,
/// not logged and not sent back.
#[derive(Clone, PartialEq, Eq)]
pub struct Username<'a>(pub(super) Cow<'a, str>);

impl Username<'_> {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Username<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Username(..)")
    }
}

/// The password, if any, says nothing here.
pub(super) fn read(params: Params<'_>) -> Result<Authorize<'_>, Malformed> {
    let [username, ..] = params.0;
    let username = username.into_text().ok_or(Malformed::Param {
        method: "mining.authorize",
        param: "username",
        expected: "a string",
    })?;
    Ok(Authorize {
        username: Username(username),
    })
}
