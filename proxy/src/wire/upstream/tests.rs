//! What we write downstream is what a pool writes, and what we ask upstream is what a
//! miner asks: each side's writer is read by the other side's reader. Then the shapes
//! that pools really use.

use proptest::prelude::*;

use super::*;
use crate::extranonce::Extranonce;
use crate::testing::cases;
use crate::wire::{self, Id, JobId, Method, reply};
use crate::{Difficulty, job};

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    assert_eq!(out.pop(), Some(b'\n'));
    assert!(!out.contains(&b'\n'));
    out
}

#[track_caller]
fn reads(line: &str) -> PoolMessage<'_> {
    parse(line.as_bytes()).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[track_caller]
fn reply(line: &str) -> Reply<'_> {
    match reads(line) {
        PoolMessage::Reply(reply) => reply,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refused(line: &str, text: &str) {
    match parse(line.as_bytes()) {
        Ok(message) => panic!("accepted: {message:?}"),
        Err(error) => assert_eq!(error.to_string(), text),
    }
}

fn notify_strategy() -> impl Strategy<Value = Notify> {
    (
        any::<[u8; 32]>(),
        prop::collection::vec(any::<u8>(), 0..300),
        prop::collection::vec(any::<u8>(), 0..300),
        prop::collection::vec(any::<[u8; 32]>(), 0..=MAX_MERKLE_BRANCHES),
        any::<(u32, u32, u32, bool)>(),
        any::<u64>(),
    )
        .prop_map(
            |(
                prev_hash,
                coinb1,
                coinb2,
                branches,
                (version, nbits, ntime, clean_jobs),
                sequence,
            )| Notify {
                job_id: JobId::shared(sequence).to_string().into(),
                prev_hash,
                coinb1: coinb1.into(),
                coinb2: coinb2.into(),
                merkle_branch: branches.into(),
                version,
                nbits,
                ntime,
                clean_jobs,
            },
        )
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn a_notify_is_read_back(notify in notify_strategy()) {
        let id = notify.job_id.parse().expect("ours");
        let middle = job::notify_middle(&notify);
        let line = written(|out| reply::notify(out, id, &middle, notify.ntime, notify.clean_jobs));
        match parse(&line) {
            Ok(PoolMessage::Notify(read)) => prop_assert_eq!(*read, notify),
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn a_submit_is_read_back(
        username in "\\PC{0,60}", sequence: u64, extranonce2 in prop::collection::vec(any::<u8>(), 0..=32),
        ntime: u32, nonce: u32, version_bits: Option<u32>, id: u64,
    ) {
        let job_id = JobId::shared(sequence).to_string();
        let share = request::Submit { username: &username, job_id: &job_id, extranonce2: &extranonce2, ntime, nonce, version_bits };
        let line = written(|out| request::submit(out, id, &share));
        let read = wire::parse(&line).expect("a request");
        prop_assert_eq!(read.id, Id::Number(id));
        let Method::Submit(read) = read.method else { return Err(TestCaseError::fail("no submit")) };
        prop_assert_eq!(read.username.as_str(), username);
        prop_assert_eq!(read.job, Some(JobId::shared(sequence)));
        prop_assert_eq!(read.extranonce2.as_bytes(), &extranonce2[..]);
        prop_assert_eq!((read.ntime, read.nonce, read.version_bits), (ntime, nonce, version_bits));
    }

    #[test]
    fn small_messages_are_read_back(
        bits: u64, extranonce1 in prop::collection::vec(any::<u8>(), 0..=MAX_EXTRANONCE1_BYTES),
        extranonce2_size in 0usize..=32, mask: u32, text in "\\PC{0,60}", id: u64, session: u64, code: u8,
    ) {
        if let Ok(difficulty) = Difficulty::new(f64::from_bits(bits)) {
            let line = written(|out| reply::set_difficulty(out, difficulty));
            prop_assert!(matches!(parse(&line), Ok(PoolMessage::SetDifficulty(read)) if read == difficulty));
        }
        let subscribed = Subscribed { extranonce1: Extranonce::new(&extranonce1).expect("short"), extranonce2_size };
        let line = written(|out| reply::set_extranonce(out, &extranonce1, extranonce2_size));
        prop_assert!(matches!(parse(&line), Ok(PoolMessage::SetExtranonce(read)) if read == subscribed));
        let line = written(|out| reply::subscribed(out, Id::Number(id), session, &extranonce1, extranonce2_size));
        prop_assert!(matches!(parse(&line), Ok(PoolMessage::Reply(read)) if read.id == id && read.subscribed() == Ok(Ok(subscribed))));
        let line = written(|out| reply::set_version_mask(out, mask));
        prop_assert!(matches!(parse(&line), Ok(PoolMessage::SetVersionMask(read)) if read == mask));
        let line = written(|out| reply::show_message(out, &text));
        prop_assert!(matches!(parse(&line), Ok(PoolMessage::ShowMessage(read)) if read == text));
        let line = written(|out| reply::error(out, Id::Number(id), code, &text));
        let refusal = PoolError { code: Some(code.into()), text: text.replace(char::is_control, "").into() };
        prop_assert!(matches!(parse(&line), Ok(PoolMessage::Reply(read)) if read.accepted() == Err(refusal)));
    }

    #[test]
    fn a_grant_is_read_back(version_mask: Option<u32>, minimum_difficulty: Option<bool>, subscribe_extranonce: bool, info: bool) {
        let refused = ["\"x\\".into(), "y".into()];
        let granted = reply::Configured { version_mask, minimum_difficulty, subscribe_extranonce, info, refused: &refused };
        let line = written(|out| reply::configured(out, Id::Number(1), &granted));
        let read = match parse(&line) {
            Ok(PoolMessage::Reply(read)) => read.configured(),
            other => return Err(TestCaseError::fail(format!("{other:?}"))),
        };
        prop_assert_eq!(read, Ok(ConfigureResult { version_mask: version_mask.unwrap_or(0) }));
    }

    #[test]
    fn no_line_panics(line in prop_oneof![
        any::<Vec<u8>>(),
        ("(mining|client)\\.[a-z_]{0,20}", "\\PC{0,60}").prop_map(|(method, params)| format!(r#"{{"method":"{method}","params":[{params}]}}"#).into_bytes()),
        "[\\[\\]{}\":,a-z0-9 -]{0,60}".prop_map(|result| format!(r#"{{"id":1,"result":{result},"error":null}}"#).into_bytes()),
    ]) {
        if let Ok(PoolMessage::Reply(reply)) = parse(&line) {
            let _ = (reply.accepted(), reply.subscribed(), reply.configured());
        }
    }
}

#[test]
fn requests_are_read_by_our_own_side() {
    let line = written(|out| request::configure(out, 1, 0x1fff_e000));
    let Ok(Method::Configure(configure)) = wire::parse(&line).map(|request| request.method) else {
        panic!("no configure")
    };
    assert_eq!(
        configure
            .version_rolling
            .map(|rolling| (rolling.mask, rolling.min_bit_count)),
        Some((0x1fff_e000, 2))
    );
    let line = written(|out| request::subscribe(out, 2, "axepool/\"0\""));
    let Ok(Method::Subscribe(subscribe)) = wire::parse(&line).map(|request| request.method) else {
        panic!("no subscribe")
    };
    assert_eq!(subscribe.user_agent.as_deref(), Some("axepool/\"0\""));
    let line = written(|out| request::authorize(out, 3, "bc1q.x", "x"));
    let Ok(Method::Authorize(authorize)) = wire::parse(&line).map(|request| request.method) else {
        panic!("no authorize")
    };
    assert_eq!(authorize.username.as_str(), "bc1q.x");
    let half = Difficulty::new(0.5).expect("a difficulty");
    let line = written(|out| request::suggest_difficulty(out, 4, half));
    assert_eq!(
        wire::parse(&line).map(|request| request.method),
        Ok(Method::SuggestDifficulty(half))
    );
    let line = written(|out| request::extranonce_subscribe(out, 5));
    assert_eq!(
        wire::parse(&line).map(|request| request.method),
        Ok(Method::ExtranonceSubscribe)
    );
    let line = written(|out| request::version(out, Id::Number(6), "axepool"));
    assert_eq!(
        wire::parse(&line).map(|request| request.method),
        Ok(Method::Reply)
    );
}

#[test]
fn a_notify_of_a_real_pool() {
    // ckpool's documentation example, with its word-swapped prevhash.
    let line = r#"{"params":["58af8d8c","975b9717f7d18ec1f2ad55e2559b5997b8da0e3317c803780000000100000000","01000000","2f736c7573682f00",["57351e8569cb9d036187a79fd1844fd930c1309efcd16c46af9bb9713b6ee734","936ab9c33420f187acae660fcdb07ffdffa081273674f0f41e6ecc1347451d23"],"20000000","1700a2b1","58af8d8c",false,"extra"],"id":null,"method":"mining.notify"}"#;
    let PoolMessage::Notify(notify) = reads(line) else {
        panic!("no notify")
    };
    assert_eq!(&*notify.job_id, "58af8d8c");
    assert_eq!(
        notify.prev_hash[..8],
        [0x17, 0x97, 0x5b, 0x97, 0xc1, 0x8e, 0xd1, 0xf7]
    );
    assert_eq!(notify.merkle_branch.len(), 2);
    assert_eq!(
        (
            notify.version,
            notify.nbits,
            notify.ntime,
            notify.clean_jobs
        ),
        (0x2000_0000, 0x1700_a2b1, 0x58af_8d8c, false)
    );
    let middle = job::notify_middle(&notify);
    assert!(line.contains(&*middle), "{middle}");
}

fn notify_with(branches: usize, coinb1: usize, job_id: &str, clean: &str) -> String {
    let branches = vec![format!("\"{}\"", "00".repeat(32)); branches].join(",");
    format!(
        r#"{{"method":"mining.notify","params":[{job_id},"{}","{}","",[{branches}],"20000000","1d00ffff","1"{clean}]}}"#,
        "00".repeat(32),
        "00".repeat(coinb1)
    )
}

#[test]
fn a_notify_is_bounded() {
    let PoolMessage::Notify(notify) = reads(&notify_with(32, MAX_COINBASE_BYTES, "7", "")) else {
        panic!("no notify")
    };
    assert_eq!((&*notify.job_id, notify.clean_jobs), ("7", false));
    assert!(notify_with(32, MAX_COINBASE_BYTES, "7", "").len() < MAX_LINE_BYTES);
    let PoolMessage::Notify(notify) = reads(&notify_with(0, 0, "\"x\"", ",1")) else {
        panic!("no notify")
    };
    assert!(notify.clean_jobs);
    refused(
        &notify_with(33, 0, "\"x\"", ""),
        "mining.notify: merkle branches must be at most 32 of 64 hex digits",
    );
    refused(
        &notify_with(0, MAX_COINBASE_BYTES + 1, "\"x\"", ""),
        "mining.notify: coinb1 must be at most 64 KB in hex",
    );
    refused(
        &notify_with(0, 0, &format!("\"{}\"", "x".repeat(129)), ""),
        "mining.notify: job id must be a string of at most 128 bytes",
    );
    assert!(parse(br#"{"method":"mining.notify","params":[]}"#).is_err());
    assert!(parse(br#"{"method":"mining.notify","params":{}}"#).is_err());
}

/// Devices read the flag from the end; some pools have more params before it.
#[test]
fn the_flag_of_a_notify_is_its_last_param() {
    #[track_caller]
    fn case(more: &str, clean: bool) {
        let line = notify_with(0, 0, "\"x\"", more);
        let PoolMessage::Notify(notify) = reads(&line) else {
            panic!("no notify")
        };
        assert_eq!(notify.clean_jobs, clean, "{line}");
    }
    case(",true", true);
    case(",false,true", true);
    case(",true,false", false);
    case(",850000,\"more\",true", true);
    case(",850000,null,[[{}]],false", false);
    case(",\"00\",1", true);
    // What follows the flag and is none leaves it.
    case(",true,\"more\"", true);
    case(",true,{\"height\":850000}", true);
    case(",false,850000", false);
    case("", false);
}

#[test]
fn answers_to_authorize_and_to_submit() {
    #[track_caller]
    fn case(answer: &str, authorized: bool, accepted: bool) {
        let line = format!("{{\"id\":1,{answer}}}");
        let reply = reply(&line);
        let read = (reply.authorized().is_ok(), reply.accepted().is_ok());
        assert_eq!(read, (authorized, accepted), "{line}");
    }
    case(r#""result":true,"error":null"#, true, true);
    case(r#""result":1,"error":null"#, true, true);
    case(r#""result":"true""#, true, true);
    case(r#""result":null,"error":null"#, true, false);
    case(r#""result":{},"error":null"#, true, false);
    case(r#""result":false,"error":null"#, false, false);
    case(r#""result":0"#, false, false);
    case(
        r#""result":null,"error":[24,"no such address",null]"#,
        false,
        false,
    );
    case(r#""result":true,"error":"no""#, false, false);
}

#[test]
fn numbers_as_strings_and_other_freedoms() {
    assert!(
        matches!(reads(r#"{"method":"mining.set_difficulty","params":["131072"]}"#), PoolMessage::SetDifficulty(d) if d.get() == 131_072.0)
    );
    let e = Extranonce::new(&[0xab]).expect("short");
    assert!(matches!(
        reads(r#"{"id":null,"method":"mining.set_extranonce","params":["ab","8"]}"#),
        PoolMessage::SetExtranonce(Subscribed { extranonce1, extranonce2_size: 8 }) if extranonce1 == e
    ));
    assert!(matches!(
        reads(r#"{"id":9,"method":"mining.ping","params":[]}"#),
        PoolMessage::Ping(Id::Number(9))
    ));
    assert!(matches!(
        reads(r#"{"id":9,"method":"client.get_version"}"#),
        PoolMessage::GetVersion(Id::Number(9))
    ));
    assert!(
        matches!(reads(r#"{"method":"client.dance"}"#), PoolMessage::Unknown(name) if name == "client.dance")
    );
    refused(
        r#"{"method":"mining.set_difficulty","params":[0]}"#,
        "mining.set_difficulty: difficulty must be a number above zero",
    );
    refused(
        r#"{"method":"mining.set_extranonce","params":["ab",33]}"#,
        "mining.set_extranonce: extranonce2_size must be a number up to 32",
    );
    refused(
        r#"{"id":"abc","result":true}"#,
        "neither a method nor the id of a request",
    );
}

#[track_caller]
fn reconnects(params: &str, host: Option<&str>, port: Option<u16>, wait_secs: u32) {
    let line = format!(r#"{{"method":"client.reconnect","params":{params}}}"#);
    match reads(&line) {
        PoolMessage::Reconnect(to) => assert_eq!(
            (to.host.as_deref(), to.port, to.wait_secs),
            (host, port, wait_secs)
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn reconnects_of_pools() {
    reconnects("[]", None, None, 0);
    reconnects("null", None, None, 0);
    reconnects(
        r#"["pool.example",3333,5]"#,
        Some("pool.example"),
        Some(3333),
        5,
    );
    reconnects(
        r#"["pool.example","3334","1000000"]"#,
        Some("pool.example"),
        Some(3334),
        3600,
    );
    reconnects(r#"["",0,0]"#, None, None, 0);
    refused(
        r#"{"method":"client.reconnect","params":["h",70000]}"#,
        "client.reconnect: port must be a number from 0 to 65535",
    );
}

#[track_caller]
fn refusal(line: &str, code: Option<u64>, text: &str) {
    assert_eq!(
        reply(line).accepted(),
        Err(PoolError {
            code,
            text: text.into()
        }),
        "{line}"
    );
}

#[test]
fn refusals_of_pools() {
    assert_eq!(
        reply(r#"{"id":4,"result":true,"error":null}"#).accepted(),
        Ok(())
    );
    assert_eq!(
        reply(r#"{"id":"4","result":true,"error":false}"#).accepted(),
        Ok(())
    );
    refusal(
        r#"{"id":4,"result":null,"error":[21,"Job not found",null]}"#,
        Some(21),
        "Job not found",
    );
    refusal(
        r#"{"id":4,"result":false,"error":["21","stale"]}"#,
        Some(21),
        "stale",
    );
    refusal(
        r#"{"id":4,"error":{"code":23,"message":"low\u0007","data":[]}}"#,
        Some(23),
        "low",
    );
    refusal(r#"{"id":4,"result":true,"error":"no"}"#, None, "no");
    refusal(r#"{"id":4,"result":false,"error":null}"#, None, "refused");
    refusal(r#"{"id":4,"result":null}"#, None, "refused");
    refusal(r#"{"id":4,"result":true,"error":[]}"#, None, "refused");
    let long = format!(r#"{{"id":4,"error":"{}"}}"#, "é".repeat(999));
    assert_eq!(
        reply(&long)
            .accepted()
            .map_err(|error| error.text.chars().count()),
        Err(200)
    );
}

#[test]
fn grants_of_pools() {
    let mask = |line| reply(line).configured().map(|granted| granted.version_mask);
    assert_eq!(
        mask(
            r#"{"id":1,"result":{"version-rolling":true,"version-rolling.mask":"1fffe000"},"error":null}"#
        ),
        Ok(0x1fff_e000)
    );
    assert_eq!(
        mask(r#"{"id":1,"result":{"version-rolling":false},"error":null}"#),
        Ok(0)
    );
    assert_eq!(
        mask(r#"{"id":1,"result":{"version-rolling":"no such"},"error":null}"#),
        Ok(0)
    );
    assert_eq!(
        mask(r#"{"id":1,"result":null,"error":[20,"unknown method",null]}"#),
        Ok(0)
    );
    assert_eq!(mask(r#"{"id":1,"result":true}"#), Ok(0));
    assert!(mask(r#"{"id":1,"result":{"version-rolling":true}}"#).is_err());
}

#[test]
fn subscriptions_of_pools() {
    let subscribed = |line: &str| reply(line).subscribed();
    let expected = Subscribed {
        extranonce1: Extranonce::new(&[8, 0, 0, 2]).expect("short"),
        extranonce2_size: 4,
    };
    for result in [
        r#"[[["mining.set_difficulty","1"],["mining.notify","1"]],"08000002",4]"#,
        r#"[["mining.notify","ae68"],"08000002","4"]"#,
        r#"[null,"08000002",4,"more"]"#,
        r#"[[],"08000002",4]"#,
    ] {
        assert_eq!(
            subscribed(&format!(r#"{{"id":1,"result":{result},"error":null}}"#)),
            Ok(Ok(expected)),
            "{result}"
        );
    }
    assert!(matches!(
        subscribed(r#"{"id":1,"result":null,"error":[20,"full",null]}"#),
        Ok(Err(_))
    ));
    for result in [
        "true",
        "null",
        "[]",
        r#"[[],"0",4]"#,
        r#"[[],"00",33]"#,
        r#"[[],"00",-1]"#,
        r#"[[],"0000000000000000000000000000000000",4]"#,
    ] {
        assert!(
            subscribed(&format!(r#"{{"id":1,"result":{result},"error":null}}"#)).is_err(),
            "{result}"
        );
    }
}
