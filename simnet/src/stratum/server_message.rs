//! Messages from a pool to a miner, as a miner reads them.

use serde_json::Value;

use super::{BadNotify, Notify, bytes_of_hex, u32_of_hex};

/// A line from a pool.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ServerMessage {
    /// The reply to the request with this id. `error` is `Null` when there is none.
    Reply {
        id: u64,
        result: Value,
        error: Value,
    },
    /// The difficulty from the next job on.
    SetDifficulty(f64),
    /// A job, or what was meant to be one.
    Notify(Result<Box<Notify>, BadNotify>),
    /// Another extranonce1 and size of extranonce2.
    SetExtranonce {
        extranonce1: Vec<u8>,
        extranonce2_size: usize,
    },
    /// Another mask for version rolling.
    SetVersionMask(u32),
    /// The pool wants to be connected to anew.
    Reconnect,
    /// Text for the owner.
    ShowMessage(String),
    /// To be answered with pong under the same id.
    Ping { id: Value },
    /// Nothing that a miner reacts to.
    Unknown,
}

impl ServerMessage {
    /// Reads a line. Whatever is not understood is [`ServerMessage::Unknown`], as
    /// firmware has it.
    pub(crate) fn parse(line: &str) -> ServerMessage {
        let Ok(message) = serde_json::from_str::<Value>(line) else {
            return ServerMessage::Unknown;
        };
        match message["method"].as_str() {
            Some(method) => request(method, &message).unwrap_or(ServerMessage::Unknown),
            None => reply(&message).unwrap_or(ServerMessage::Unknown),
        }
    }
}

fn request(method: &str, message: &Value) -> Option<ServerMessage> {
    let params = message["params"].as_array().map_or(&[][..], Vec::as_slice);
    Some(match method {
        "mining.set_difficulty" => ServerMessage::SetDifficulty(params.first()?.as_f64()?),
        "mining.notify" => ServerMessage::Notify(Notify::from_params(params).map(Box::new)),
        "mining.set_extranonce" => ServerMessage::SetExtranonce {
            extranonce1: bytes_of_hex(params.first()?.as_str()?)?,
            extranonce2_size: usize::try_from(params.get(1)?.as_u64()?).ok()?,
        },
        "mining.set_version_mask" => {
            ServerMessage::SetVersionMask(u32_of_hex(params.first()?.as_str()?)?)
        }
        "client.reconnect" => ServerMessage::Reconnect,
        "client.show_message" => ServerMessage::ShowMessage(params.first()?.as_str()?.to_owned()),
        "mining.ping" => ServerMessage::Ping {
            id: message["id"].clone(),
        },
        _ => return None,
    })
}

/// Reply ids must be numbers: ESP-Miner understands no others.
fn reply(message: &Value) -> Option<ServerMessage> {
    Some(ServerMessage::Reply {
        id: message["id"].as_u64()?,
        result: message["result"].clone(),
        error: message["error"].clone(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lines_are_read_as_firmware_reads_them() {
        #[track_caller]
        fn case(line: &str, expected: ServerMessage) {
            assert_eq!(ServerMessage::parse(line), expected);
        }
        case(
            r#"{"id":3,"result":true,"error":null}"#,
            ServerMessage::Reply {
                id: 3,
                result: json!(true),
                error: Value::Null,
            },
        );
        case(
            r#"{"id":"3","result":true,"error":null}"#,
            ServerMessage::Unknown,
        );
        case(
            r#"{"id":null,"method":"mining.set_difficulty","params":[0.25]}"#,
            ServerMessage::SetDifficulty(0.25),
        );
        case(
            r#"{"id":null,"method":"mining.set_extranonce","params":["0a0b",6]}"#,
            ServerMessage::SetExtranonce {
                extranonce1: vec![10, 11],
                extranonce2_size: 6,
            },
        );
        case(
            r#"{"method":"mining.set_version_mask","params":["1fffe000"]}"#,
            ServerMessage::SetVersionMask(0x1fff_e000),
        );
        case(
            r#"{"method":"client.reconnect","params":[]}"#,
            ServerMessage::Reconnect,
        );
        case(
            r#"{"method":"mining.set_difficulty","params":[]}"#,
            ServerMessage::Unknown,
        );
        case("\u{0}garbage", ServerMessage::Unknown);
        case("", ServerMessage::Unknown);
        assert!(matches!(
            ServerMessage::parse(r#"{"method":"mining.notify","params":["1"]}"#),
            ServerMessage::Notify(Err(BadNotify {
                field: "prevhash",
                ..
            }))
        ));
    }
}
