//! One line of a pool.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use super::notify::{self, Notify};
use super::reply::{self, Reply, Subscribed};
use crate::wire::id::Id;
use crate::wire::params::{Params, Scalar};
use crate::{Difficulty, InvalidNbits, hex};

/// What a pool sends.
#[derive(Clone, Debug)]
pub enum PoolMessage<'a> {
    /// A reply to one of our requests.
    Reply(Reply<'a>),
    /// `mining.notify`: a job.
    Notify(Box<Notify>),
    /// `mining.set_difficulty`: for the jobs after it.
    SetDifficulty(Difficulty),
    /// `mining.set_extranonce`: for the jobs after it.
    SetExtranonce(Subscribed),
    /// `mining.set_version_mask` (BIP310).
    SetVersionMask(u32),
    /// `client.reconnect`.
    Reconnect(Reconnect<'a>),
    /// `client.show_message`.
    ShowMessage(Cow<'a, str>),
    /// `mining.ping` or `client.ping`: answer with [`pong`](super::request::pong).
    Ping(Id<'a>),
    /// `client.get_version`: answer with [`version`](super::request::version).
    GetVersion(Id<'a>),
    /// A method that we do not have, with its name.
    Unknown(Cow<'a, str>),
}

/// Where a pool sends us; what it leaves out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconnect<'a> {
    /// The host, without scheme and port.
    pub host: Option<Cow<'a, str>>,
    /// The port, not 0.
    pub port: Option<u16>,
    /// How long to wait before, at most an hour.
    pub wait_secs: u32,
}

/// A line that no pool should send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UpstreamWireError {
    /// Bytes that are no text.
    #[error("line is not UTF-8")]
    NotUtf8,
    /// No JSON object, or one with a member of the wrong type.
    #[error("line is not a JSON-RPC object (at character {column})")]
    Json {
        /// Where, in characters from 1.
        column: usize,
    },
    /// Neither a method nor an id that we could have sent.
    #[error("neither a method nor the id of a request")]
    NoMethod,
    /// A param or a result that is not what it should be.
    #[error("{method}: {param} must be {expected}")]
    Param {
        /// The method that it belongs to.
        method: &'static str,
        /// Its name.
        param: &'static str,
        /// What is accepted.
        expected: &'static str,
    },
    /// A job without a network target.
    #[error("mining.notify: {0}")]
    Nbits(#[from] InvalidNbits),
}

impl UpstreamWireError {
    /// True when the line was a job.
    pub fn is_of_a_job(&self) -> bool {
        match self {
            UpstreamWireError::Nbits(_) => true,
            UpstreamWireError::Param { method, .. } => *method == "mining.notify",
            _ => false,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(borrow, default)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Text<'a>>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads one line of a pool.
pub fn parse(line: &[u8]) -> Result<PoolMessage<'_>, UpstreamWireError> {
    let text = std::str::from_utf8(line).map_err(|_| UpstreamWireError::NotUtf8)?;
    let envelope: Envelope<'_> = json(text)?;
    let Some(Text(method)) = envelope.method else {
        return Ok(PoolMessage::Reply(reply::read(&envelope)?));
    };
    let params = envelope.params.map_or("null", RawValue::get);
    let id = Id::from_json(envelope.id).unwrap_or(Id::NULL);
    Ok(match &*method {
        "mining.notify" => PoolMessage::Notify(Box::new(notify::read(params)?)),
        "mining.set_difficulty" => PoolMessage::SetDifficulty(set_difficulty(&json(params)?)?),
        "mining.set_extranonce" => PoolMessage::SetExtranonce(set_extranonce(&json(params)?)?),
        "mining.set_version_mask" => PoolMessage::SetVersionMask(set_version_mask(&json(params)?)?),
        "client.reconnect" => PoolMessage::Reconnect(reconnect(json(params)?)?),
        "client.show_message" => PoolMessage::ShowMessage(show_message(json(params)?)?),
        "mining.ping" | "client.ping" => PoolMessage::Ping(id),
        "client.get_version" => PoolMessage::GetVersion(id),
        _ => PoolMessage::Unknown(method),
    })
}

pub(super) fn json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, UpstreamWireError> {
    serde_json::from_str(text).map_err(|error| UpstreamWireError::Json {
        column: error.column(),
    })
}

fn set_difficulty(Params([difficulty, ..]): &Params<'_>) -> Result<Difficulty, UpstreamWireError> {
    difficulty.difficulty().ok_or(UpstreamWireError::Param {
        method: "mining.set_difficulty",
        param: "difficulty",
        expected: "a number above zero",
    })
}

fn set_extranonce(
    Params([extranonce1, size, ..]): &Params<'_>,
) -> Result<Subscribed, UpstreamWireError> {
    reply::extranonce("mining.set_extranonce", extranonce1, size)
}

fn set_version_mask(Params([mask, ..]): &Params<'_>) -> Result<u32, UpstreamWireError> {
    mask.text()
        .and_then(|text| hex::decode_u32(text).ok())
        .ok_or(UpstreamWireError::Param {
            method: "mining.set_version_mask",
            param: "mask",
            expected: "a string of 1 to 8 hex digits",
        })
}

/// The port may be a string, host and port may be empty or null.
fn reconnect(
    Params([host, port, wait, ..]): Params<'_>,
) -> Result<Reconnect<'_>, UpstreamWireError> {
    const LONGEST_WAIT_SECS: u32 = 3600;
    let wrong = |param, expected| UpstreamWireError::Param {
        method: "client.reconnect",
        param,
        expected,
    };
    let host = match host {
        Scalar::Null => None,
        Scalar::Text(host) if host.is_empty() => None,
        Scalar::Text(host) if host.len() <= 253 => Some(host),
        _ => return Err(wrong("host", "a string of at most 253 characters")),
    };
    let port = match &port {
        Scalar::Null => None,
        Scalar::Text(text) if text.is_empty() => None,
        port => match port.unsigned().map(u16::try_from) {
            Some(Ok(0)) => None,
            Some(Ok(port)) => Some(port),
            _ => return Err(wrong("port", "a number from 0 to 65535")),
        },
    };
    let wait = wait
        .unsigned()
        .and_then(|wait| u32::try_from(wait).ok())
        .unwrap_or(0);
    Ok(Reconnect {
        host,
        port,
        wait_secs: wait.min(LONGEST_WAIT_SECS),
    })
}

fn show_message(Params([text, ..]): Params<'_>) -> Result<Cow<'_, str>, UpstreamWireError> {
    text.into_text().ok_or(UpstreamWireError::Param {
        method: "client.show_message",
        param: "message",
        expected: "a string",
    })
}
