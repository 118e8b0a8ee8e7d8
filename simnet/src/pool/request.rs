//! Messages from a miner to a pool, as the pool reads them.

use serde_json::Value;

use crate::stratum::{bytes_of_hex, u32_of_hex};

/// A request with its id, to be echoed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    pub(crate) id: Value,
    pub(crate) call: Call,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Call {
    Configure {
        mask: Option<u32>,
    },
    Subscribe {
        user_agent: String,
    },
    Authorize {
        username: String,
    },
    SuggestDifficulty(f64),
    ExtranonceSubscribe,
    Ping,
    /// Params that no submit has are `Err` with the username, if there was one.
    Submit(Result<Submit, String>),
    /// A reply of the miner's, to a ping.
    Reply,
    Unknown(String),
}

/// The params of a `mining.submit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Submit {
    pub(crate) username: String,
    pub(crate) job_id: String,
    pub(crate) extranonce2: Vec<u8>,
    pub(crate) ntime: u32,
    pub(crate) nonce: u32,
    /// The sixth param, if there were six.
    pub(crate) version_bits: Option<u32>,
}

impl Request {
    /// `None` for a line that is no JSON object of the protocol.
    pub(crate) fn parse(line: &str) -> Option<Request> {
        let message: Value = serde_json::from_str(line).ok()?;
        let id = message
            .as_object()?
            .get("id")
            .cloned()
            .unwrap_or(Value::Null);
        let Some(method) = message["method"].as_str() else {
            let is_reply = message.get("result").is_some();
            return is_reply.then_some(Request {
                id,
                call: Call::Reply,
            });
        };
        let params = message["params"].as_array().map_or(&[][..], Vec::as_slice);
        let text = |index: usize| {
            params
                .get(index)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let call = match method {
            "mining.configure" => Call::Configure {
                mask: asked_mask(params),
            },
            "mining.subscribe" => Call::Subscribe {
                user_agent: text(0).to_owned(),
            },
            "mining.authorize" => Call::Authorize {
                username: text(0).to_owned(),
            },
            "mining.suggest_difficulty" => Call::SuggestDifficulty(params.first()?.as_f64()?),
            "mining.extranonce.subscribe" => Call::ExtranonceSubscribe,
            "mining.ping" => Call::Ping,
            "mining.submit" => Call::Submit(submit(params).ok_or_else(|| text(0).to_owned())),
            unknown => Call::Unknown(unknown.to_owned()),
        };
        Some(Request { id, call })
    }
}

fn asked_mask(params: &[Value]) -> Option<u32> {
    let extensions = params.first()?.as_array()?;
    extensions
        .iter()
        .find(|name| name.as_str() == Some("version-rolling"))?;
    // BIP310: the mask is "ffffffff" if it is not given.
    let mask = params
        .get(1)
        .and_then(|options| options.get("version-rolling.mask"));
    mask.map_or(Some(u32::MAX), |mask| u32_of_hex(mask.as_str()?))
}

fn submit(params: &[Value]) -> Option<Submit> {
    let text = |index: usize| params.get(index)?.as_str();
    if !(5..=6).contains(&params.len()) {
        return None;
    }
    let version_bits = match params.get(5) {
        Some(bits) => Some(u32_of_hex(bits.as_str()?)?),
        None => None,
    };
    Some(Submit {
        username: text(0)?.to_owned(),
        job_id: text(1)?.to_owned(),
        extranonce2: bytes_of_hex(text(2)?)?,
        ntime: u32_of_hex(text(3)?)?,
        nonce: u32_of_hex(text(4)?)?,
        version_bits,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn calls_are_told_apart() {
        #[track_caller]
        fn case(method: &str, params: Value, expected: Call) {
            let line = json!({ "id": 4, "method": method, "params": params }).to_string();
            let request = Request::parse(&line).unwrap();
            assert_eq!((request.id, request.call), (json!(4), expected));
        }
        let all = Call::Configure {
            mask: Some(u32::MAX),
        };
        case("mining.configure", json!([["version-rolling"], {}]), all);
        let some = json!([["x", "version-rolling"], { "version-rolling.mask": "00ff0000" }]);
        case(
            "mining.configure",
            some,
            Call::Configure {
                mask: Some(0x00ff_0000),
            },
        );
        case(
            "mining.configure",
            json!([["x"]]),
            Call::Configure { mask: None },
        );
        let submit = json!(["u.w", "1f", "0a0b", "655f0000", "7", "00002000"]);
        let expected = Submit {
            username: "u.w".to_owned(),
            job_id: "1f".to_owned(),
            extranonce2: vec![10, 11],
            ntime: 0x655f_0000,
            nonce: 7,
            version_bits: Some(0x2000),
        };
        case("mining.submit", submit, Call::Submit(Ok(expected)));
        case(
            "mining.submit",
            json!(["u.w", 5]),
            Call::Submit(Err("u.w".to_owned())),
        );
        case(
            "mining.else",
            json!([]),
            Call::Unknown("mining.else".to_owned()),
        );
    }

    proptest! {
        #[test]
        fn no_line_is_too_much(line in ".{0,200}", method in "mining\\.[a-z_.]{0,20}") {
            let _ = Request::parse(&line);
            let text = Value::from(line);
            let params = json!([text, [text], { "version-rolling.mask": text }, -1, 1e300]);
            let message = json!({ "id": text, "method": method, "params": params });
            prop_assert!(
                Request::parse(&message.to_string()).is_some()
                    || method == "mining.suggest_difficulty"
            );
        }
    }
}
