use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::submits::{ANSWER_TIMEOUT_MS, MAX_PENDING};
use super::*;
use crate::upstream::UpstreamSubmit;
use crate::upstream::tests::fixtures::{job_of, submit_of};

const CONFIGURED: &str =
    r#"{"id":1,"result":{"version-rolling":true,"version-rolling.mask":"1fffe000"},"error":null}"#;
const SUBSCRIBED: &str = r#"{"id":2,"result":[[["mining.notify","a"]],"0102030a",8],"error":null}"#;
const AUTHORIZED: &str = r#"{"id":3,"result":true,"error":null}"#;
const DIFFICULTY: &str = r#"{"id":null,"method":"mining.set_difficulty","params":[1000]}"#;
const EXTRANONCE: &str = r#"{"id":null,"method":"mining.set_extranonce","params":["0b0c",6]}"#;
const MASK: &str = r#"{"id":null,"method":"mining.set_version_mask","params":["00ff0000"]}"#;

fn notify(id: &str) -> String {
    let hash = "0".repeat(64);
    format!(
        r#"{{"id":null,"method":"mining.notify","params":["{id}","{hash}","01","02",[],"20000000","1d00ffff","66000000",false]}}"#
    )
}

fn options(configure: bool) -> Options {
    Options {
        username: "bc1qpool.axepool".to_owned(),
        password: "x".to_owned(),
        user_agent: "axepool/1".to_owned(),
        suggest_difficulty: Some(Difficulty::ONE),
        configure,
        extranonce_subscribe: true,
        first_job_timeout_ms: 10_000,
        no_job_timeout_ms: 120_000,
    }
}

fn client() -> Client<u32> {
    Client::new(options(true), 0)
}

/// A client with a first job, and nothing left to read of it.
fn working() -> Client<u32> {
    let mut client = client();
    for line in [
        CONFIGURED,
        SUBSCRIBED,
        AUTHORIZED,
        DIFFICULTY,
        &notify("first"),
    ] {
        client.receive(line.as_bytes(), 0);
    }
    client.take_events();
    client.out().clear();
    client
}

fn sent(client: &mut Client<u32>) -> Vec<Value> {
    let out = std::mem::take(client.out());
    assert!(out.is_empty() || out.ends_with(b"\n"));
    out.split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("we write JSON"))
        .collect()
}

fn jobs(client: &mut Client<u32>) -> Vec<NewJob> {
    client
        .take_events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Job(job) => Some(*job),
            _ => None,
        })
        .collect()
}

fn submit() -> UpstreamSubmit {
    submit_of(&Arc::new(job_of("j7")))
}

#[test]
fn it_greets_in_one_breath() {
    let lines = sent(&mut client());
    let methods: Vec<_> = lines
        .iter()
        .map(|line| line["method"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(
        methods,
        ["mining.configure", "mining.subscribe", "mining.authorize"]
    );
    assert_eq!(lines[1]["params"], json!(["axepool/1"]));
    assert_eq!(lines[2]["params"], json!(["bc1qpool.axepool", "x"]));
    let mut without = Client::<u32>::new(options(false), 0);
    assert_eq!(sent(&mut without).len(), 2);
    for line in [
        r#"{"id":1,"result":[[],"0a",4]}"#,
        r#"{"id":2,"result":true}"#,
        DIFFICULTY,
    ] {
        without.receive(line.as_bytes(), 0);
    }
    without.receive(notify("n").as_bytes(), 0);
    assert_eq!(jobs(&mut without)[0].version_mask, 0);
}

proptest! {
    #[test]
    fn the_first_job_is_the_same_in_whatever_order_it_comes(
        order in Just(vec![0_usize, 1, 2, 3, 4]).prop_shuffle(),
    ) {
        let lines = [CONFIGURED.to_owned(), SUBSCRIBED.to_owned(), AUTHORIZED.to_owned(), DIFFICULTY.to_owned(), notify("n")];
        let mut client = client();
        for (at, &index) in order.iter().enumerate() {
            prop_assert!(jobs(&mut client).is_empty(), "a job after {at} lines");
            client.receive(lines[index].as_bytes(), 0);
        }
        let jobs = jobs(&mut client);
        prop_assert_eq!(jobs.len(), 1);
        prop_assert_eq!(&*jobs[0].extranonce1, &[1, 2, 3, 10]);
        prop_assert_eq!(jobs[0].extranonce2_size, 8);
        prop_assert_eq!(jobs[0].difficulty.get(), 1000.0);
        prop_assert_eq!(jobs[0].version_mask, 0x1fff_e000);
    }
}

#[test]
fn what_a_pool_never_says_is_waited_for_only_shortly() {
    // No reply to configure, no difficulty.
    let mut client = client();
    for line in [SUBSCRIBED, AUTHORIZED, &notify("n")] {
        client.receive(line.as_bytes(), 100);
    }
    assert_eq!(client.next_tick_ms(), 2_100);
    client.tick(2_099);
    assert!(jobs(&mut client).is_empty());
    client.tick(2_100);
    let job = jobs(&mut client).remove(0);
    assert_eq!((job.difficulty, job.version_mask), (Difficulty::ONE, 0));
    // A grant that comes after all holds from the next job on.
    client.receive(CONFIGURED.as_bytes(), 3_000);
    client.receive(notify("m").as_bytes(), 3_000);
    let job = jobs(&mut client).remove(0);
    assert_eq!(job.version_mask, 0x1fff_e000);
}

#[track_caller]
fn no_mask(reply: &str) {
    let mut client = client();
    for line in [reply, SUBSCRIBED, AUTHORIZED, DIFFICULTY, &notify("n")] {
        client.receive(line.as_bytes(), 0);
    }
    assert_eq!(jobs(&mut client)[0].version_mask, 0, "{reply}");
}

#[test]
fn a_pool_may_not_know_configure() {
    no_mask(r#"{"id":1,"result":null,"error":[20,"Unknown method",null]}"#);
    no_mask(r#"{"id":1,"result":false,"error":null}"#);
    no_mask(r#"{"id":1,"result":{"version-rolling":false},"error":null}"#);
    no_mask(r#"{"id":1,"result":{"version-rolling":true},"error":null}"#);
    no_mask(r#"{"id":1,"result":{"version-rolling":true,"version-rolling.mask":"zz"}}"#);
}

#[track_caller]
fn ends(lines: &[&str], expected: fn(&Event<u32>) -> bool) {
    let mut client = client();
    for line in lines {
        client.receive(line.as_bytes(), 0);
    }
    let events = client.take_events();
    assert!(events.iter().any(expected), "{events:?}");
}

#[test]
fn what_cannot_work_is_said() {
    ends(&[r#"{"id":3,"result":false,"error":null}"#], |e| {
        matches!(e, Event::Unauthorized(_))
    });
    ends(
        &[r#"{"id":3,"result":null,"error":[24,"bad address",null]}"#],
        |e| matches!(e, Event::Unauthorized(why) if why.contains("bad address")),
    );
    ends(
        &[r#"{"id":2,"result":null,"error":[20,"full",null]}"#],
        |e| matches!(e, Event::SubscribeRefused(_)),
    );
    ends(&[r#"{"id":2,"result":[],"error":null}"#], |e| {
        matches!(e, Event::SubscribeRefused(_))
    });
    ends(&[r#"{"id":2,"result":[[],"00",1],"error":null}"#], |e| {
        matches!(
            e,
            Event::BadExtranonce {
                extranonce2_size: 1,
                ..
            }
        )
    });
    let changed = r#"{"id":null,"method":"mining.set_extranonce","params":["00",0]}"#;
    ends(&[SUBSCRIBED, changed], |e| {
        matches!(e, Event::BadExtranonce { .. })
    });
}

#[test]
fn difficulty_extranonce_and_mask_hold_from_the_next_job_on() {
    let mut client = working();
    for line in [
        &notify("a"),
        r#"{"method":"mining.set_difficulty","params":[5]}"#,
        EXTRANONCE,
        MASK,
        &notify("b"),
    ] {
        client.receive(line.as_bytes(), 1);
    }
    let jobs = jobs(&mut client);
    let told: Vec<_> = jobs
        .iter()
        .map(|job| {
            (
                &*job.notify.job_id,
                job.difficulty.get(),
                job.extranonce2_size,
                job.version_mask,
            )
        })
        .collect();
    assert_eq!(
        told,
        [("a", 1000.0, 8, 0x1fff_e000), ("b", 5.0, 6, 0x00ff_0000)]
    );
}

#[test]
fn a_job_without_a_network_target_is_dropped() {
    let mut client = working();
    client.receive(notify("a").replace("1d00ffff", "00000000").as_bytes(), 1);
    assert!(matches!(client.take_events()[..], [Event::Ignored(_)]));
}

#[test]
fn shares_go_under_our_name_with_six_params_once_a_mask_was_granted() {
    let mut client = working();
    client.submit(&submit(), 1, 0);
    let params = json!([
        "bc1qpool.axepool",
        "j7",
        "0000000000000001",
        "66000001",
        "0000002a",
        "00002000"
    ]);
    assert_eq!(sent(&mut client)[0]["params"], params);
    let mut without = self::client();
    without.out().clear();
    for line in [SUBSCRIBED, AUTHORIZED, DIFFICULTY] {
        without.receive(line.as_bytes(), 0);
    }
    without.out().clear();
    without.submit(&submit(), 1, 0);
    assert_eq!(
        sent(&mut without)[0]["params"].as_array().map(Vec::len),
        Some(5)
    );
}

#[test]
fn answers_find_their_shares_in_any_order() {
    let mut client = working();
    let ids: Vec<u64> = (0..3)
        .map(|token| {
            client.submit(&submit(), token, 1_000);
            sent(&mut client)[0]["id"].as_u64().expect("a number")
        })
        .collect();
    client.receive(
        format!(
            r#"{{"id":{},"result":null,"error":[21,"Stale",null]}}"#,
            ids[2]
        )
        .as_bytes(),
        1_250,
    );
    client.receive(
        format!(r#"{{"id":{},"result":true,"error":null}}"#, ids[0]).as_bytes(),
        1_500,
    );
    client.receive(
        format!(r#"{{"id":{},"result":true,"error":null}}"#, ids[0]).as_bytes(),
        1_500,
    );
    let told: Vec<_> = client
        .take_events()
        .into_iter()
        .map(|event| match event {
            Event::Answered {
                token,
                outcome: Outcome::Taken,
                round_trip,
            } => (token, None, round_trip.as_millis()),
            Event::Answered {
                token,
                outcome: Outcome::Refused { reason, .. },
                round_trip,
            } => (token, Some(reason), round_trip.as_millis()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, [(2, Some(Reason::Stale), 250), (0, None, 500)]);
    client.tick(1_000 + ANSWER_TIMEOUT_MS);
    assert!(matches!(client.take_events()[..], [Event::Unanswered(1)]));
}

#[test]
fn the_pool_is_answered() {
    let mut client = working();
    client.receive(br#"{"id":77,"method":"mining.ping","params":[]}"#, 0);
    client.receive(
        br#"{"id":"v","method":"client.get_version","params":[]}"#,
        0,
    );
    let lines = sent(&mut client);
    assert_eq!(
        (&lines[0]["id"], &lines[0]["result"]),
        (&json!(77), &json!("pong"))
    );
    assert_eq!(
        (&lines[1]["id"], &lines[1]["result"]),
        (&json!("v"), &json!("axepool/1"))
    );
    client.receive(
        b"{\"id\":null,\"method\":\"client.show_message\",\"params\":[\"hi \\u001b[31mthere\"]}",
        0,
    );
    assert!(matches!(&client.take_events()[..], [Event::Message(text)] if text == "hi [31mthere"));
}

#[test]
fn a_flood_of_words_does_not_reach_the_log() {
    let mut client = working();
    let mut told = |now_ms| {
        for _ in 0..100 {
            client.receive(
                br#"{"method":"client.show_message","params":["x"]}"#,
                now_ms,
            );
        }
        client
            .take_events()
            .iter()
            .filter(|event| matches!(event, Event::Message(_)))
            .count()
    };
    assert_eq!((told(1_000), told(59_999), told(60_000)), (10, 0, 10));
}

#[test]
fn silence_is_noticed() {
    let mut client = working();
    assert_eq!(client.next_tick_ms(), 120_000);
    client.tick(119_999);
    assert!(client.take_events().is_empty());
    client.tick(120_000);
    assert!(matches!(client.take_events()[..], [Event::Stalled]));
    let mut client = self::client();
    client.tick(10_000);
    assert!(matches!(client.take_events()[..], [Event::NoFirstJob]));
}

/// What a test of random interleavings does.
#[derive(Clone, Debug)]
enum Step {
    Line(String),
    Reply(u64, bool),
    Submit,
    Tick(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let lines = vec![
        CONFIGURED.to_owned(),
        SUBSCRIBED.to_owned(),
        AUTHORIZED.to_owned(),
        DIFFICULTY.to_owned(),
        EXTRANONCE.to_owned(),
        MASK.to_owned(),
        notify("n"),
        notify("m").replace("false", "true"),
        r#"{"id":null,"method":"client.reconnect","params":[]}"#.to_owned(),
        r#"{"id":9,"method":"mining.ping"}"#.to_owned(),
    ];
    prop_oneof![
        4 => proptest::sample::select(lines).prop_map(Step::Line),
        1 => ".{0,80}".prop_map(Step::Line),
        2 => (1_u64..40, any::<bool>()).prop_map(|(id, ok)| Step::Reply(id, ok)),
        3 => Just(Step::Submit),
        1 => (0_u64..60_000).prop_map(Step::Tick),
    ]
}

proptest! {
    #[test]
    fn every_share_comes_back_once_and_jobs_follow_the_handshake(
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let (mut client, mut now_ms, mut next_token) = (client(), 0, 0);
        let mut back = std::collections::BTreeSet::new();
        let (mut subscribed, mut authorized) = (false, false);
        for step in steps {
            match step {
                Step::Line(line) => {
                    subscribed |= line == SUBSCRIBED;
                    authorized |= line == AUTHORIZED;
                    client.receive(line.as_bytes(), now_ms);
                }
                Step::Reply(id, ok) => {
                    authorized |= ok && id == 3;
                    client.receive(format!(r#"{{"id":{id},"result":{ok}}}"#).as_bytes(), now_ms);
                }
                Step::Submit if client.can_submit() => {
                    client.submit(&submit(), next_token, now_ms);
                    next_token += 1;
                }
                Step::Submit => {}
                Step::Tick(ms) => {
                    now_ms += ms;
                    client.tick(now_ms);
                    prop_assert!(client.next_tick_ms() > now_ms);
                }
            }
            prop_assert!(client.unanswered() <= MAX_PENDING);
            for event in client.take_events() {
                match event {
                    Event::Job(_) => prop_assert!(subscribed && authorized),
                    Event::Answered { token, .. } | Event::Unanswered(token) => {
                        prop_assert!(token < next_token && back.insert(token));
                    }
                    _ => {}
                }
            }
        }
        back.extend(client.take_unanswered());
        prop_assert_eq!(back.len(), next_token as usize);
        sent(&mut client);
    }
}
