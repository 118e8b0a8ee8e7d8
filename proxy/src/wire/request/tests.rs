//! Lines as firmwares really send them, and lines that nobody should send.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::extranonce::Extranonce;
use crate::testing::cases;
use crate::wire::JobId;

#[track_caller]
fn asks(line: &str, expected: Method<'_>) {
    assert_eq!(
        parse(line.as_bytes()).map(|request| request.method),
        Ok(expected),
        "{line}"
    );
}

#[track_caller]
fn refused(line: &[u8], text: &str) {
    match parse(line) {
        Ok(request) => panic!("accepted: {request:?}"),
        Err(error) => assert_eq!(error.to_string(), text),
    }
}

fn username(text: &str) -> Username<'_> {
    Username(text.into())
}

fn share(version_bits: Option<u32>) -> Submit<'static> {
    Submit {
        username: Username("npub1x.bitaxe".into()),
        job: Some(JobId::shared(0x1b)),
        extranonce2: Extranonce::new(&[1, 0, 0, 0, 0]).expect("short"),
        ntime: 0x6720_c1f0,
        nonce: 0x0a2b_3c4d,
        version_bits,
    }
}

#[test]
fn submits_of_firmwares() {
    asks(
        r#"{"id": 7, "method": "mining.submit", "params": ["npub1x.bitaxe", "1b", "0100000000", "6720c1f0", "0a2b3c4d", "00a2e000"]}"#,
        Method::Submit(share(Some(0x00a2_e000))),
    );
    // cgminer's order of members, five params; NerdMiner does not pad its nonce.
    asks(
        r#"{"params":["npub1x.bitaxe","1b","0100000000","6720c1f0","a2b3c4d"],"id":7,"method":"mining.submit"}"#,
        Method::Submit(share(None)),
    );
    asks(
        r#"{"method":"mining.submit","params":["npub1x.bitaxe","1b","0100000000","6720C1F0","0A2B3C4D",null,"more",{}],"jsonrpc":"2.0"}"#,
        Method::Submit(share(None)),
    );
    let unknown = Submit {
        job: None,
        ..share(None)
    };
    asks(
        r#"{"id":1,"method":"mining.submit","params":["npub1x.bitaxe","upstream job","0100000000","6720c1f0","0a2b3c4d"]}"#,
        Method::Submit(unknown),
    );
}

#[test]
fn subscribes_of_firmwares() {
    let subscribe = |user_agent: Option<&'static str>, session: Option<&'static str>| {
        Method::Subscribe(Subscribe {
            user_agent: user_agent.map(Into::into),
            session: session.map(Into::into),
        })
    };
    asks(
        r#"{"id":2,"method":"mining.subscribe","params":["bitaxe/BM1370/v2.9.0"]}"#,
        subscribe(Some("bitaxe/BM1370/v2.9.0"), None),
    );
    asks(
        r#"{"id":1,"method":"mining.subscribe","params":[]}"#,
        subscribe(None, None),
    );
    asks(
        r#"{"id":1,"method":"mining.subscribe"}"#,
        subscribe(None, None),
    );
    asks(
        r#"{"id":1,"method":"mining.subscribe","params":["a","1f",null,"host",3333]}"#,
        subscribe(Some("a"), Some("1f")),
    );
    asks(
        r#"{"id":1,"method":"mining.subscribe","params":["a\/b",null]}"#,
        subscribe(Some("a/b"), None),
    );
    // Of what is no text nothing is known, and the device is served.
    asks(
        r#"{"id":1,"method":"mining.subscribe","params":["host",6666,"ua","NULL"]}"#,
        subscribe(Some("host"), None),
    );
    asks(
        r#"{"id":1,"method":"mining.subscribe","params":["x",12345]}"#,
        subscribe(Some("x"), None),
    );
    for params in ["[1]", "[{}]", "[[]]", "[true,{}]", "[1.5,[\"x\"]]", "{}"] {
        let line = format!(r#"{{"id":1,"method":"mining.subscribe","params":{params}}}"#);
        asks(&line, subscribe(None, None));
    }
}

#[test]
fn configures_of_firmwares() {
    let rolling = |mask, min_bit_count| Configure {
        version_rolling: Some(VersionRolling {
            mask,
            min_bit_count,
        }),
        ..Configure::default()
    };
    asks(
        r#"{"id":1,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.mask":"ffffffff"}]}"#,
        Method::Configure(rolling(u32::MAX, 0)),
    );
    asks(
        r#"{"id":1,"method":"mining.configure","params":[["minimum-difficulty","version-rolling","subscribe-extranonce","info","other"],{"version-rolling.mask":"1fffe000","version-rolling.min-bit-count":16,"minimum-difficulty.value":2048,"info.hw-id":"x"}]}"#,
        Method::Configure(Configure {
            minimum_difficulty: Difficulty::new(2048.0).ok(),
            subscribe_extranonce: true,
            info: true,
            unknown: vec!["other".into()],
            ..rolling(0x1fff_e000, 16)
        }),
    );
    asks(
        r#"{"id":1,"method":"mining.configure","params":[["minimum-difficulty","a","a","","version-rolling.mask","\"","b_1"],{}]}"#,
        Method::Configure(Configure {
            unknown: vec!["a".into(), "b_1".into(), "minimum-difficulty".into()],
            ..Configure::default()
        }),
    );
    let many: Vec<String> = (0..100).map(|n| format!("\"x{n}\"")).collect();
    let line = format!(
        r#"{{"id":1,"method":"mining.configure","params":[[{}],{{}}]}}"#,
        many.join(",")
    );
    asks(
        &line,
        Method::Configure(Configure {
            unknown: (0..8).map(|n| format!("x{n}").into()).collect(),
            ..Configure::default()
        }),
    );
    asks(
        r#"{"id":1,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.min-bit-count":"2"}]}"#,
        Method::Configure(rolling(u32::MAX, 2)),
    );
    asks(
        r#"{"id":1,"method":"mining.configure","params":[["version-rolling"],null,1]}"#,
        Method::Configure(rolling(u32::MAX, 0)),
    );
    asks(
        r#"{"id":1,"method":"mining.configure","params":[["version-rolling"]]}"#,
        Method::Configure(rolling(u32::MAX, 0)),
    );
    asks(
        r#"{"id":1,"method":"mining.configure","params":[]}"#,
        Method::Configure(Configure::default()),
    );
    refused(
        br#"{"id":1,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.mask":"xyz"}]}"#,
        "mining.configure: version-rolling.mask must be a string of 1 to 8 hex digits",
    );
    refused(
        br#"{"id":1,"method":"mining.configure","params":{}}"#,
        "mining.configure: params must be a list of extensions and an object of their options",
    );
}

#[test]
fn authorize_and_suggestions() {
    asks(
        r#"{"id":3,"method":"mining.authorize","params":["npub1x.a","x"]}"#,
        Method::Authorize(Authorize {
            username: username("npub1x.a"),
        }),
    );
    asks(
        r#"{"id":3,"method":"mining.authorize","params":["u"]}"#,
        Method::Authorize(Authorize {
            username: username("u"),
        }),
    );
    asks(
        r#"{"id":3,"method":"mining.authorize","params":["\u00fc\"",1]}"#,
        Method::Authorize(Authorize {
            username: username("ü\""),
        }),
    );
    let difficulty =
        |number| Method::SuggestDifficulty(Difficulty::new(number).expect("a difficulty"));
    asks(
        r#"{"id":4,"method":"mining.suggest_difficulty","params":[1000]}"#,
        difficulty(1000.0),
    );
    asks(
        r#"{"id":4,"method":"mining.suggest_difficulty","params":[0.00015]}"#,
        difficulty(0.00015),
    );
    asks(
        r#"{"id":4,"method":"mining.suggest_difficulty","params":["1e-3"]}"#,
        difficulty(0.001),
    );
    asks(
        r#"{"id":4,"method":"mining.suggest_target","params":["ff00"]}"#,
        Method::SuggestTarget(U256::from(0xff00)),
    );
    for nothing in ["0", "-1", "\"x\"", "\"nan\"", "null", "[]", "1e999"] {
        let line =
            format!(r#"{{"id":4,"method":"mining.suggest_difficulty","params":[{nothing}]}}"#);
        assert!(parse(line.as_bytes()).is_err(), "{line}");
    }
    refused(
        br#"{"id":4,"method":"mining.suggest_target","params":["0000"]}"#,
        "mining.suggest_target: target must be up to 64 hex digits, above zero",
    );
}

#[test]
fn the_rest() {
    asks(
        r#"{"id":5,"method":"mining.extranonce.subscribe","params":[]}"#,
        Method::ExtranonceSubscribe,
    );
    asks(
        r#"{"id":5,"method":"mining.ping","params":null}"#,
        Method::Ping,
    );
    asks(
        r#"{"id":5,"method":"client.get_version"}"#,
        Method::GetVersion,
    );
    asks(
        r#"{"id":5,"method":"mining.get_transactions","params":["1"]}"#,
        Method::Unknown("mining.get_transactions".into()),
    );
    asks(r#"{"id":5,"result":"pong","error":null}"#, Method::Reply);
    asks(
        r#"{"id":5,"method":null,"result":null,"error":[20,"x",null]}"#,
        Method::Reply,
    );
}

#[track_caller]
fn echoes(id: &str, expected: &str) {
    let line = format!(r#"{{"id":{id},"method":"mining.ping"}}"#);
    let mut out = Vec::new();
    let request = parse(line.as_bytes()).expect("a request");
    crate::wire::reply::pong(&mut out, request.id.to_owned().as_id());
    assert_eq!(
        String::from_utf8(out).expect("text"),
        format!("{{\"id\":{expected},\"result\":\"pong\",\"error\":null}}\n")
    );
}

#[test]
fn ids_come_back_as_they_came() {
    for id in [
        "1",
        "0",
        "18446744073709551615",
        "18446744073709551616",
        "-1",
        "1.50",
        "1e3",
        "null",
        "\"abc\"",
        "\"\\u0041\"",
    ] {
        echoes(id, id);
    }
    for id in ["true", "[1]", "{}", &format!("\"{}\"", "x".repeat(63))] {
        let line = format!(r#"{{"id":{id},"method":"mining.ping"}}"#);
        refused(
            line.as_bytes(),
            "id must be a number, null or a string of at most 62 characters",
        );
    }
}

#[test]
fn what_is_no_request() {
    refused(b"\xff\xfe", "line is not UTF-8");
    refused(
        b"GET / HTTP/1.1",
        "line is not a JSON-RPC object (at character 1)",
    );
    refused(br#"{"id":1}"#, "no method given");
    refused(
        br#"{"id":1,"method":5}"#,
        "line is not a JSON-RPC object (at character 18)",
    );
    refused(
        br#"{"id":1,"method":"mining.authorize","params":[]}"#,
        "mining.authorize: username must be a string",
    );
    let submit =
        |params: &str| format!(r#"{{"id":1,"method":"mining.submit","params":[{params}]}}"#);
    for (params, text) in [
        ("", "username must be a string"),
        (r#""u",1"#, "job id must be a string"),
        (
            r#""u","1","0g""#,
            "extranonce2 must be a string of up to 32 bytes in hex",
        ),
        (
            r#""u","1","000""#,
            "extranonce2 must be a string of up to 32 bytes in hex",
        ),
        (
            r#""u","1","00","123456789""#,
            "ntime must be a string of 1 to 8 hex digits",
        ),
        (
            r#""u","1","00","1","""#,
            "nonce must be a string of 1 to 8 hex digits",
        ),
        (
            r#""u","1","00","1","1",7"#,
            "version bits must be a string of 1 to 8 hex digits",
        ),
    ] {
        refused(submit(params).as_bytes(), &format!("mining.submit: {text}"));
    }
    let deep = format!(
        r#"{{"id":1,"method":"mining.submit","params":{}"#,
        "[".repeat(3000)
    );
    assert!(parse(deep.as_bytes()).is_err());
}

#[test]
fn a_username_is_never_printed() {
    let line = br#"{"id":1,"method":"mining.authorize","params":["nsec1secret","x"]}"#;
    assert!(!format!("{:?}", parse(line)).contains("secret"));
    let line = br#"{"id":1,"method":"mining.submit","params":["nsec1secret","zz","00","0","0"]}"#;
    assert!(!format!("{:?}", parse(line)).contains("secret"));
    let line = br#"{"id":1,"method":"mining.submit","params":["nsec1secret","zz","00","x","0"]}"#;
    let error = parse(line).expect_err("bad ntime");
    assert!(!format!("{error:?} {error}").contains("secret"));
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn a_submit_survives_any_json_writer(
        user in "\\PC{0,80}",
        sequence: u64,
        extranonce2 in prop::collection::vec(any::<u8>(), 0..=32),
        ntime: u32, nonce: u32, bits: Option<u32>, id: u64,
    ) {
        let text: String = extranonce2.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut params = json!([user, JobId::shared(sequence).to_string(), text, format!("{ntime:08x}"), format!("{nonce:x}")]);
        if let (Some(bits), Some(params)) = (bits, params.as_array_mut()) {
            params.push(json!(format!("{bits:08x}")));
        }
        let line = json!({"id": id, "method": "mining.submit", "params": params}).to_string();
        let expected = Submit {
            username: Username(user.as_str().into()),
            job: Some(JobId::shared(sequence)),
            extranonce2: Extranonce::new(&extranonce2).expect("at most 32"),
            ntime, nonce, version_bits: bits,
        };
        prop_assert_eq!(parse(line.as_bytes()), Ok(Request { id: Id::Number(id), method: Method::Submit(expected) }));
    }

    /// Anything at all gives a request or an error, with an id that can be echoed as JSON.
    #[test]
    fn no_line_panics(line in prop_oneof![
        any::<Vec<u8>>(),
        "[\\[\\]{}\":,a-z0-9 .\\\\-]{0,120}".prop_map(String::into_bytes),
        ("(mining|client)\\.[a-z_.]{0,20}", "\\PC{0,40}", "\\PC{0,40}")
            .prop_map(|(method, a, b)| format!(r#"{{"id":{a},"method":"{method}","params":[{b}]}}"#).into_bytes()),
    ]) {
        let id = match parse(&line) {
            Ok(request) => request.id,
            Err(error) => error.id,
        };
        let mut out = Vec::new();
        crate::wire::reply::accepted(&mut out, id);
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
    }
}
