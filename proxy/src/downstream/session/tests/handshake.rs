//! From the first line to the first job.

use serde_json::json;

use super::*;

const NSEC: &str = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5";

#[test]
fn esp_miner_gets_everything_in_one_flush() {
    let mut world = World::new(5000.0);
    world.say(&configure(1)).unwrap();
    world.say(&subscribe(2, "bitaxe/BM1370/v2.9.0")).unwrap();
    assert!(world.out.is_empty(), "held back until authorize is seen");
    world
        .say(&authorize(3, &format!("{MINER}.garage")))
        .unwrap();
    let heard = world.heard();
    let kinds: Vec<_> = heard.iter().map(kind).collect();
    assert_eq!(
        kinds,
        [
            "reply 1",
            "reply 2",
            "reply 3",
            "mining.set_difficulty",
            "mining.notify"
        ]
    );
    assert_eq!(heard[0]["result"]["version-rolling"], true);
    assert_eq!(heard[0]["result"]["version-rolling.mask"], "1fffe000");
    assert_eq!(heard[1]["result"][0][0][0], "mining.set_difficulty");
    assert_eq!(heard[1]["result"][0][1][0], "mining.notify");
    assert_eq!(heard[1]["result"][1], "a1a1a1a10001");
    assert_eq!(heard[1]["result"][2], 6);
    assert_eq!(heard[2]["result"], true);
    assert_eq!(heard[3]["params"], json!([1000]));
    assert_eq!(heard[4]["params"][0], "1");
    assert_eq!(heard[4]["params"][8], true);
    let who = &world.session.authorized().unwrap().who;
    assert_eq!(
        (who.miner.to_string().as_str(), who.worker.as_str()),
        (MINER, "garage")
    );
    // It goes on with a suggestion and a subscription, each answered.
    world
        .say(r#"{"id":4,"method":"mining.suggest_difficulty","params":[1000]}"#)
        .unwrap();
    world
        .say(r#"{"id":5,"method":"mining.extranonce.subscribe","params":[]}"#)
        .unwrap();
    assert_eq!(world.heard_kinds(), ["reply 4", "reply 5"]);
}

#[test]
fn configure_is_granted_even_where_no_bit_is() {
    let mut world = World::new(5000.0);
    world.lane.view.version_mask = 0;
    world.say(&configure(1)).unwrap();
    world.wait(250).unwrap();
    assert_eq!(
        String::from_utf8(std::mem::take(&mut world.out)).unwrap(),
        concat!(
            r#"{"id":1,"result":{"version-rolling":true,"version-rolling.mask":"00000000"},"#,
            "\"error\":null}\n"
        )
    );
}

/// The device's last session, of this name from the same address, ended in a storm.
fn after_a_storm(world: &World, worker: &str) {
    let who = accounting::Identity {
        miner: MINER.parse().unwrap(),
        worker: accounting::WorkerName::clean(worker),
    };
    world.storms.note(address(), Arc::new(who), world.now_ms);
}

#[test]
fn after_a_storm_of_rejects_authorize_stays_unanswered() {
    let garage = format!("{MINER}.garage");
    // In one breath, and as the failback probe: not a word.
    for lines in [
        vec![configure(1), subscribe(2, "bitaxe"), authorize(3, &garage)],
        vec![subscribe(1, "bitaxe"), authorize(2, &garage.to_uppercase())],
    ] {
        let mut world = World::new(5000.0);
        after_a_storm(&world, if lines.len() == 3 { "garage" } else { "GARAGE" });
        let last = lines.iter().map(|line| world.say(line)).last();
        assert_eq!(last, Some(Err(CloseReason::AfterRejectStorm)));
        assert!(world.out.is_empty());
        let refused = "after_reject_storm";
        assert_eq!(world.metrics.authorizations_refused_for(refused), 1);
    }
    // Who waits for each reply is told why; another name is served, and all are in time.
    let mut world = World::new(5000.0);
    after_a_storm(&world, "garage");
    world.say(&subscribe(1, "cpuminer/2.5.1")).unwrap();
    world.wait(250).unwrap();
    world.heard();
    let refused = world.say(&authorize(2, &garage));
    assert_eq!(refused, Err(CloseReason::AfterRejectStorm));
    let error = "too many shares were rejected, try again in some minutes";
    assert_eq!(world.heard()[0]["error"], json!([24, error, null]));
    world.say(&authorize(3, MINER)).unwrap();
    assert_eq!(world.heard()[0]["result"], true);
    let mut world = World::new(5000.0);
    after_a_storm(&world, "garage");
    world.now_ms += crate::downstream::storms::REFUSED_FOR_MS;
    world.session = Session::new(&world.rules, world.now_ms);
    world.say(&authorize(1, &garage)).unwrap();
    assert_eq!(world.heard()[0]["result"], true);
}

#[test]
fn nerdqaxe_order() {
    let mut world = World::new(5000.0);
    world.say(&subscribe(1, "nerdqaxe/BM1368")).unwrap();
    world.say(&configure(2)).unwrap();
    world.say(&authorize(3, MINER)).unwrap();
    let order = [
        "reply 1",
        "reply 2",
        "reply 3",
        "mining.set_difficulty",
        "mining.notify",
    ];
    assert_eq!(world.heard_kinds(), order);
}

#[test]
fn minerd_waits_for_each_reply() {
    let mut world = World::new(5000.0);
    world.say(&subscribe(1, "cpuminer/2.5.1")).unwrap();
    assert!(world.out.is_empty());
    world.wait(200).unwrap();
    assert_eq!(world.heard_kinds(), ["reply 1"]);
    world.say(&authorize(2, MINER)).unwrap();
    assert_eq!(
        world.heard_kinds(),
        ["reply 2", "mining.set_difficulty", "mining.notify"]
    );
}

#[test]
fn a_submit_before_authorize_is_answered_after_it() {
    // minerd, closed by an extranonce change: what it had left comes before authorize, and
    // the next answer, whatever its id, counts as the one to authorize.
    let mut world = World::new(5000.0);
    world.say(&subscribe(1, "cpuminer/2.5.1")).unwrap();
    world.wait(250).unwrap();
    assert_eq!(world.heard_kinds(), ["reply 1"]);
    world.say(&submit(4, "1f", 1)).unwrap();
    world.say(&submit(4, "1f", 2)).unwrap();
    world.wait(500).unwrap();
    assert!(world.heard().is_empty());
    world.say(&authorize(2, MINER)).unwrap();
    let order = [
        "reply 2",
        "reply 4",
        "reply 4",
        "mining.set_difficulty",
        "mining.notify",
    ];
    assert_eq!(world.heard_kinds(), order);
}

#[test]
fn submits_of_who_never_authorizes_are_answered_at_the_end() {
    let mut world = World::new(5000.0);
    world.say(&submit(4, "1f", 1)).unwrap();
    assert_eq!(world.wait(20_000), Err(CloseReason::AuthorizeTimeout));
    let error = json!([24, "Unauthorized worker", null]);
    assert_eq!(world.heard()[0]["error"], error);
    // More of them than any device has left are answered as they come.
    let mut world = World::new(5000.0);
    for _ in 0..190 {
        world.say(&submit(4, "1f", 1)).unwrap();
    }
    world.wait(250).unwrap();
    assert!((1..190).contains(&world.heard().len()));
}

#[test]
fn authorize_may_come_first() {
    let mut world = World::new(5000.0);
    world.say(&authorize(1, MINER)).unwrap();
    assert_eq!(world.heard_kinds(), ["reply 1"]);
    world.say(&subscribe(2, "x")).unwrap();
    assert_eq!(
        world.heard_kinds(),
        ["reply 2", "mining.set_difficulty", "mining.notify"]
    );
}

#[test]
fn the_failback_probe_sees_a_notify_in_its_first_read() {
    let mut world = World::new(5000.0);
    world.say(&subscribe(1, "bitaxe/BM1366/v2.1.8")).unwrap();
    world.say(&authorize(2, MINER)).unwrap();
    let text = String::from_utf8(world.out.clone()).unwrap();
    let first_read = &text[..text.len().min(1023)];
    assert!(first_read.contains("mining.notify"));
    assert!(first_read.starts_with(r#"{"id":1,"#));
}

#[track_caller]
fn refused_in_silence(username: &str, reason: &str) {
    let mut world = World::new(5000.0);
    world.say(&configure(1)).unwrap();
    world.say(&subscribe(2, "bitaxe/BM1370/v2.9.0")).unwrap();
    assert_eq!(
        world.say(&authorize(3, username)),
        Err(CloseReason::BadUsername)
    );
    assert!(world.out.is_empty(), "not a word");
    assert_eq!(world.metrics.authorizations_refused_for(reason), 1);
}

#[test]
fn a_pipelined_username_that_cannot_be_paid_is_met_with_silence() {
    refused_in_silence("", "empty");
    refused_in_silence("bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq.rig", "format");
    refused_in_silence(NSEC, "maybe_secret");
    refused_in_silence(&"a".repeat(64), "maybe_secret");
}

#[test]
fn a_client_that_waits_is_told_why_and_never_hears_its_username() {
    let mut world = World::new(5000.0);
    world.say(&subscribe(1, "x")).unwrap();
    world.wait(250).unwrap();
    world.heard();
    assert_eq!(
        world.say(&authorize(2, NSEC)),
        Err(CloseReason::BadUsername)
    );
    let text = String::from_utf8(world.out.clone()).unwrap();
    assert!(!text.contains(NSEC));
    let heard = world.heard();
    assert_eq!(
        (&heard[0]["id"], &heard[0]["error"][0]),
        (&json!(2), &json!(24))
    );
    assert!(heard[0]["error"][1].as_str().unwrap().contains("secret"));
}

#[track_caller]
fn closed_without_work(lines: &[String]) {
    for refusal in [Some(Unavailable::NoWork), Some(Unavailable::Full), None] {
        let mut world = World::new(5000.0);
        world.lane.refusal = refusal;
        world.lane.view.up = refusal.is_some();
        let last = lines.iter().map(|line| world.say(line)).last();
        assert_eq!(last, Some(Err(CloseReason::NoWork)));
        assert!(world.out.is_empty());
    }
}

#[test]
fn without_work_nobody_is_kept() {
    closed_without_work(&[configure(1)]);
    closed_without_work(&[subscribe(1, "bitaxe")]);
    closed_without_work(&[authorize(1, MINER)]);
}

#[test]
fn losing_the_upstream_in_the_handshake_closes_in_silence() {
    let mut world = World::new(5000.0);
    world.say(&subscribe(1, "bitaxe")).unwrap();
    assert_eq!(
        world.change(|view| view.up = false),
        Err(CloseReason::NoWork)
    );
    assert!(world.out.is_empty());
}

#[test]
fn one_key_per_connection() {
    let mut world = World::mining(5000.0);
    world.say(&authorize(8, &MINER.to_uppercase())).unwrap();
    assert_eq!(world.heard()[0]["result"], true);
    let other = "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5";
    world.say(&authorize(9, other)).unwrap();
    let error = json!([24, "one key per connection", null]);
    assert_eq!(world.heard()[0]["error"], error);
    assert_eq!(
        world.session.authorized().unwrap().who.worker.as_str(),
        "default"
    );
}

#[test]
fn subscribing_again_gives_the_same_and_no_new_job() {
    let mut world = World::mining(5000.0);
    world.say(&subscribe(9, "bitaxe")).unwrap();
    let heard = world.heard();
    assert_eq!(
        (heard.len(), &heard[0]["result"][1]),
        (1, &json!("a1a1a1a10001"))
    );
}

#[track_caller]
fn reply(line: &str, expected: Value) {
    let mut world = World::mining(5000.0);
    world.say(line).unwrap();
    assert_eq!(world.heard(), [expected]);
}

#[test]
fn the_small_methods_and_every_kind_of_id() {
    reply(
        r#"{"id":7,"method":"mining.ping","params":[]}"#,
        json!({"id":7,"result":"pong","error":null}),
    );
    reply(
        r#"{"id":"a-1","method":"client.get_version","params":[]}"#,
        json!({"id":"a-1","result":concat!("axepool/", env!("CARGO_PKG_VERSION")),"error":null}),
    );
    reply(
        r#"{"method":"mining.extranonce.subscribe","params":[],"id":null}"#,
        json!({"id":null,"result":true,"error":null}),
    );
    reply(
        r#"{"id":9,"method":"mining.frobnicate","params":{"x":1}}"#,
        json!({"id":9,"result":null,"error":[20,"unknown method",null]}),
    );
    reply(
        r#"{"id":10,"method":"mining.configure","params":[["minimum-difficulty","subscribe-extranonce","info","nonsense"],{"minimum-difficulty.value":1000}]}"#,
        json!({"id":10,"result":{"minimum-difficulty":true,"subscribe-extranonce":true,"info":true,"nonsense":false},"error":null}),
    );
    let mut world = World::mining(5000.0);
    world
        .say(r#"{"id":1,"result":"pong","error":null}"#)
        .unwrap();
    assert!(world.heard().is_empty(), "a reply is not answered");
}

#[test]
fn nobody_is_given_work_while_no_share_can_be_stored() {
    // A Bitaxe, in one breath: closed without a word, so that its fallback begins.
    let mut world = World::new(5000.0);
    world.storing = false;
    assert_eq!(world.say(&configure(1)), Err(CloseReason::StoreFailing));
    assert!(world.out.is_empty());
    // Its probe: without mining.notify it stays where it is.
    let mut world = World::new(5000.0);
    world.storing = false;
    assert_eq!(
        world.say(&subscribe(1, "bitaxe/BM1370/v2.9.0")),
        Err(CloseReason::StoreFailing)
    );
    assert!(world.out.is_empty());
    // One that subscribed a moment before: silent as well.
    let mut world = World::new(5000.0);
    world.say(&subscribe(1, "bitaxe/BM1370/v2.9.0")).unwrap();
    world.storing = false;
    assert_eq!(
        world.say(&authorize(2, MINER)),
        Err(CloseReason::StoreFailing)
    );
    assert!(world.out.is_empty());
    assert_eq!(world.metrics.authorizations_refused_for("store_failing"), 1);
    // Who waits for each reply is told why.
    let mut world = World::new(5000.0);
    world.say(&subscribe(1, "patient")).unwrap();
    world.wait(1_000).unwrap();
    world.heard();
    world.storing = false;
    assert_eq!(
        world.say(&authorize(2, MINER)),
        Err(CloseReason::StoreFailing)
    );
    assert_eq!(
        world.heard()[0]["error"][1],
        "shares cannot be stored at the moment"
    );
}
