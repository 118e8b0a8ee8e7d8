//! Replies of a pool. The meaning of a result depends on the request, so the caller
//! decodes it.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::MAX_EXTRANONCE1_BYTES;
use super::message::{Envelope, UpstreamWireError, json};
use crate::extranonce::{Extranonce, MAX_EXTRANONCE_BYTES};
use crate::hex;
use crate::wire::params::{Params, Scalar};

/// A reply to one of our requests.
#[derive(Clone, Debug)]
pub struct Reply<'a> {
    /// The id that we gave.
    pub id: u64,
    result: Option<&'a RawValue>,
    error: Option<PoolError>,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolError {
    /// Stratum's code: 20 other, 21 stale, 22 duplicate, 23 low difficulty, 24
    /// unauthorized, 25 not subscribed. `None` when the pool gave none.
    pub code: Option<u64>,
    /// What it says, cut to 200 characters, without control characters.
    pub text: Box<str>,
}

impl PoolError {
    fn without_text() -> Self {
        PoolError {
            code: None,
            text: "refused".into(),
        }
    }
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "{} ({code})", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// Where our part of the coinbase is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// The upstream's extranonce1, up to [`MAX_EXTRANONCE1_BYTES`].
    pub extranonce1: Extranonce,
    /// The size of its extranonce2, up to [`MAX_EXTRANONCE_BYTES`].
    pub extranonce2_size: usize,
}

/// What a pool granted of our `mining.configure`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConfigureResult {
    /// The bits that may be rolled; 0 when none.
    pub version_mask: u32,
}

impl Reply<'_> {
    /// For `mining.submit`: whether it was answered by `true` (or by `1` or `"true"`,
    /// which mean it), else why not. A result that is neither that nor an error is a
    /// refusal without a text.
    pub fn accepted(&self) -> Result<(), PoolError> {
        self.refusal()?;
        match self.result.map(RawValue::get) {
            Some("true" | "1" | "\"true\"") => Ok(()),
            _ => Err(PoolError::without_text()),
        }
    }

    /// For `mining.authorize`: an error or a `false` refuses, as cgminer reads it. Pools
    /// answer with null and others, too, and give work.
    pub fn authorized(&self) -> Result<(), PoolError> {
        self.refusal()?;
        match self.result.map(RawValue::get) {
            Some("false" | "0" | "\"false\"") => Err(PoolError::without_text()),
            _ => Ok(()),
        }
    }

    /// For `mining.subscribe`: `[anything, extranonce1, extranonce2_size, ..]`.
    pub fn subscribed(&self) -> Result<Result<Subscribed, PoolError>, UpstreamWireError> {
        if let Err(refusal) = self.refusal() {
            return Ok(Err(refusal));
        }
        let Params([_, extranonce1, size, ..]) = json(self.result.map_or("null", RawValue::get))?;
        extranonce("mining.subscribe", &extranonce1, &size).map(Ok)
    }

    /// For `mining.configure`. A refusal, or a result that says nothing of version
    /// rolling, grants nothing.
    pub fn configured(&self) -> Result<ConfigureResult, UpstreamWireError> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Granted<'a> {
            #[serde(borrow, rename = "version-rolling")]
            rolling: Option<Scalar<'a>>,
            #[serde(borrow, rename = "version-rolling.mask")]
            mask: Option<Scalar<'a>>,
        }
        let Some(result) = self.result.filter(|_| self.error.is_none()) else {
            return Ok(ConfigureResult::default());
        };
        let Ok(granted) = serde_json::from_str::<Granted<'_>>(result.get()) else {
            return Ok(ConfigureResult::default());
        };
        if granted.rolling != Some(Scalar::Bool(true)) {
            return Ok(ConfigureResult::default());
        }
        let mask = granted
            .mask
            .as_ref()
            .and_then(Scalar::text)
            .and_then(|text| hex::decode_u32(text).ok());
        let version_mask = mask.ok_or(UpstreamWireError::Param {
            method: "mining.configure",
            param: "version-rolling.mask",
            expected: "a string of 1 to 8 hex digits",
        })?;
        Ok(ConfigureResult { version_mask })
    }

    fn refusal(&self) -> Result<(), PoolError> {
        self.error.clone().map_or(Ok(()), Err)
    }
}

pub(super) fn extranonce(
    method: &'static str,
    extranonce1: &Scalar<'_>,
    size: &Scalar<'_>,
) -> Result<Subscribed, UpstreamWireError> {
    let wrong = |param, expected| UpstreamWireError::Param {
        method,
        param,
        expected,
    };
    let extranonce1 = extranonce1
        .text()
        .and_then(|text| Extranonce::from_hex(text).ok())
        .filter(|bytes| bytes.len() <= MAX_EXTRANONCE1_BYTES)
        .ok_or(wrong("extranonce1", "a string of up to 16 bytes in hex"))?;
    let extranonce2_size = size
        .unsigned()
        .and_then(|size| usize::try_from(size).ok())
        .filter(|&size| size <= MAX_EXTRANONCE_BYTES)
        .ok_or(wrong("extranonce2_size", "a number up to 32"))?;
    Ok(Subscribed {
        extranonce1,
        extranonce2_size,
    })
}

pub(super) fn read<'a>(envelope: &Envelope<'a>) -> Result<Reply<'a>, UpstreamWireError> {
    let id = envelope
        .id
        .and_then(|id| json::<Scalar<'_>>(id.get()).ok()?.unsigned());
    let id = id.ok_or(UpstreamWireError::NoMethod)?;
    let error = envelope
        .error
        .map(|error| json::<ErrorShape>(error.get()))
        .transpose()?;
    Ok(Reply {
        id,
        result: envelope.result,
        error: error.and_then(|shape| shape.0),
    })
}

/// `[code, "text", ..]`, `{"code":.., "message":..}` or a text; null and false are none.
struct ErrorShape(Option<PoolError>);

impl<'de> Deserialize<'de> for ErrorShape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ErrorVisitor)
    }
}

fn pool_error(code: Option<u64>, text: &str) -> ErrorShape {
    const LONGEST_TEXT: usize = 200;
    let text: String = text
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_TEXT)
        .collect();
    ErrorShape(Some(PoolError {
        code,
        text: text.into(),
    }))
}

struct ErrorVisitor;

impl<'de> Visitor<'de> for ErrorVisitor {
    type Value = ErrorShape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an error")
    }

    fn visit_unit<E>(self) -> Result<ErrorShape, E> {
        Ok(ErrorShape(None))
    }

    fn visit_bool<E>(self, value: bool) -> Result<ErrorShape, E> {
        Ok(if value {
            pool_error(None, "refused")
        } else {
            ErrorShape(None)
        })
    }

    fn visit_u64<E>(self, code: u64) -> Result<ErrorShape, E> {
        Ok(pool_error(Some(code), "refused"))
    }

    fn visit_str<E>(self, text: &str) -> Result<ErrorShape, E> {
        Ok(pool_error(None, text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ErrorShape, A::Error> {
        let code = seq
            .next_element::<Scalar<'de>>()?
            .and_then(|code| code.unsigned());
        let text = seq.next_element::<Scalar<'de>>()?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(pool_error(
            code,
            text.as_ref().and_then(Scalar::text).unwrap_or("refused"),
        ))
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<ErrorShape, A::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Members<'a> {
            #[serde(borrow)]
            code: Option<Scalar<'a>>,
            #[serde(borrow)]
            message: Option<Scalar<'a>>,
        }
        let members = Members::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
        let text = members
            .message
            .as_ref()
            .and_then(Scalar::text)
            .unwrap_or("refused");
        Ok(pool_error(
            members.code.and_then(|code| code.unsigned()),
            text,
        ))
    }
}
