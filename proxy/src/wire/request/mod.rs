//! The messages of a miner, one file per method.
#![cfg_attr(
    not(test),
    deny(
        clippy::float_arithmetic,
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing
    )
)]

mod authorize;
mod configure;
mod error;
mod name;
mod submit;
mod subscribe;
mod suggest;

pub use authorize::{Authorize, Username};
pub use configure::{Configure, VersionRolling};
pub use error::{Malformed, WireError};
pub(crate) use name::labels as method_labels;
pub use submit::Submit;
pub use subscribe::Subscribe;

use name::Name;

use std::borrow::Cow;

use ruint::aliases::U256;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::id::Id;
use super::params::Params;
use crate::Difficulty;

/// A message of a miner, borrowed from its line.
#[derive(Clone, Debug, PartialEq)]
pub struct Request<'a> {
    /// To be echoed in the reply; [`Id::NULL`] when it has none.
    pub id: Id<'a>,
    /// What is asked.
    pub method: Method<'a>,
}

/// What a miner asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Method<'a> {
    /// `mining.configure` (BIP310).
    Configure(Configure),
    /// `mining.subscribe`.
    Subscribe(Subscribe<'a>),
    /// `mining.authorize`.
    Authorize(Authorize<'a>),
    /// `mining.submit`.
    Submit(Submit<'a>),
    /// `mining.suggest_difficulty`.
    SuggestDifficulty(Difficulty),
    /// `mining.suggest_target`: never 0.
    SuggestTarget(U256),
    /// `mining.extranonce.subscribe`.
    ExtranonceSubscribe,
    /// `mining.ping`.
    Ping,
    /// `client.get_version`.
    GetVersion,
    /// A reply to something of ours, such as a pong: it has no method.
    Reply,
    /// A method that we do not have.
    Unknown(Cow<'a, str>),
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Text<'a>>,
    #[serde(borrow, default)]
    params: Params<'a>,
    #[serde(default)]
    result: Option<IgnoredAny>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

/// Borrowed where it has no escapes, unlike a plain `Cow` in an `Option`.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads one line of a miner.
pub fn parse(line: &[u8]) -> Result<Request<'_>, WireError<'_>> {
    let fail = |id, malformed| Err(WireError { id, malformed });
    let Ok(text) = std::str::from_utf8(line) else {
        return fail(Id::NULL, Malformed::NotUtf8);
    };
    let envelope: Envelope<'_> = match serde_json::from_str(text) {
        Ok(envelope) => envelope,
        Err(error) => {
            return fail(
                Id::NULL,
                Malformed::Json {
                    column: error.column(),
                },
            );
        }
    };
    let Some(id) = Id::from_json(envelope.id) else {
        return fail(Id::NULL, Malformed::Id);
    };
    let Some(Text(name)) = envelope.method else {
        let reply = envelope.result.is_some() || envelope.error.is_some();
        return if reply {
            Ok(Request {
                id,
                method: Method::Reply,
            })
        } else {
            fail(id, Malformed::NoMethod)
        };
    };
    match method(name, envelope.params, text) {
        Ok(method) => Ok(Request { id, method }),
        Err(malformed) => fail(id, malformed),
    }
}

fn method<'a>(
    name: Cow<'a, str>,
    params: Params<'a>,
    line: &'a str,
) -> Result<Method<'a>, Malformed> {
    let Some(known) = Name::read(&name) else {
        return Ok(Method::Unknown(name));
    };
    Ok(match known {
        Name::Submit => Method::Submit(submit::read(params)?),
        Name::Subscribe => Method::Subscribe(subscribe::read(params)),
        Name::Authorize => Method::Authorize(authorize::read(params)?),
        Name::Configure => Method::Configure(configure::read(line)?),
        Name::SuggestDifficulty => Method::SuggestDifficulty(suggest::read_difficulty(&params)?),
        Name::SuggestTarget => Method::SuggestTarget(suggest::read_target(&params)?),
        Name::ExtranonceSubscribe => Method::ExtranonceSubscribe,
        Name::Ping => Method::Ping,
        Name::GetVersion => Method::GetVersion,
    })
}

#[cfg(test)]
mod tests;
