//! Difficulty: never above the upstream's, one per job, pushed with care.

use serde_json::json;

use super::*;

fn suggest(id: u32, number: f64) -> String {
    format!(r#"{{"id":{id},"method":"mining.suggest_difficulty","params":[{number}]}}"#)
}

/// The last difficulty that the device was told.
fn told(heard: &[Value]) -> Option<f64> {
    let last = heard
        .iter()
        .rev()
        .find(|line| line["method"] == "mining.set_difficulty");
    last.map(|line| line["params"][0].as_f64().unwrap())
}

#[track_caller]
fn suggestion(upstream: f64, suggested: f64, expected: f64) {
    let mut world = World::new(upstream);
    world.say(&subscribe(1, "x")).unwrap();
    world.say(&suggest(2, suggested)).unwrap();
    world.say(&authorize(3, MINER)).unwrap();
    assert_eq!(told(&world.heard()), Some(expected), "suggested before");

    let mut world = World::new(upstream);
    world.say(&subscribe(1, "x")).unwrap();
    world.say(&authorize(2, MINER)).unwrap();
    let first = told(&world.heard());
    world.say(&suggest(3, suggested)).unwrap();
    assert_eq!(
        told(&world.heard()).or(first),
        Some(expected),
        "suggested after"
    );
}

#[test]
fn a_suggestion_holds_up_to_the_upstreams_difficulty() {
    suggestion(0.002, 1000.0, 0.002);
    suggestion(5000.0, 65535.0, 5000.0);
    suggestion(5000.0, 512.5, 512.5);
    suggestion(5000.0, 1e-300, EVERY_HASH);
    suggestion(5000.0, 1e300, 5000.0);
}

#[test]
fn the_floor_and_the_devices_minimum_yield_to_the_upstream() {
    let mut rules = rules();
    rules.min_difficulty = difficulty(256.0);
    rules.start_difficulty = difficulty(1.0);
    let mut world = World::with_rules(5000.0, rules.clone());
    world.begin("x");
    assert_eq!(world.session.control.told, Some(difficulty(256.0)));
    let mut world = World::with_rules(100.0, rules);
    world.begin("x");
    assert_eq!(world.session.control.told, Some(difficulty(100.0)));
    let minimum = r#"{"id":1,"method":"mining.configure","params":[["minimum-difficulty"],{"minimum-difficulty.value":4000}]}"#;
    let mut world = World::new(3000.0);
    // What cannot be kept is refused, and what was granted yields to a later job's.
    world.say(minimum).unwrap();
    world.begin("x");
    assert_eq!(world.session.control.told, Some(difficulty(1000.0)));
    let mut world = World::new(5000.0);
    world.say(minimum).unwrap();
    world.begin("x");
    assert_eq!(world.session.control.told, Some(difficulty(4000.0)));
    world.job(NewJob::numbered(2, 3000.0)).unwrap();
    assert_eq!(told(&world.heard()), Some(3000.0));
}

#[test]
fn a_minimum_difficulty_is_granted_only_if_it_is_kept() {
    for (upstream, answer) in [(3999.0, false), (4000.0, true), (1e6, true)] {
        let mut world = World::new(upstream);
        let line = r#"{"id":1,"method":"mining.configure","params":[["minimum-difficulty"],{"minimum-difficulty.value":4000}]}"#;
        world.say(line).unwrap();
        world.wait(250).unwrap();
        let result = &world.heard()[0]["result"];
        assert_eq!(result, &json!({"minimum-difficulty": answer}));
    }
}

#[test]
fn the_same_suggestion_again_changes_nothing() {
    // A NerdMiner, which is worth far more than it suggests.
    let mut world = World::mining(5000.0);
    world.say(&suggest(4, 300.0)).unwrap();
    for nonce in 0..300 {
        world.turn(|session, turn| {
            session.control.on_share(difficulty(300.0), turn.now.ms());
            session.steer(turn);
        });
        world.wait(300 + nonce % 2).unwrap();
    }
    let steered = told(&world.heard()).unwrap();
    assert!(steered > 600.0, "{steered}");
    for _ in 0..5 {
        world.now_ms += 60_000;
        let before = world.session.control.told;
        world.turn(|session, turn| {
            session.control.on_share(before.unwrap(), turn.now.ms());
        });
        world.say(&suggest(5, 300.0)).unwrap();
        assert_eq!(world.heard_kinds(), ["reply 5"]);
        assert_eq!(world.session.control.told, before);
    }
    // Another one does.
    world.say(&suggest(6, 400.0)).unwrap();
    assert_eq!(told(&world.heard()), Some(400.0));
}

#[test]
fn a_job_that_does_not_change_is_told_again_each_minute() {
    let mut world = World::new(EVERY_HASH);
    world.rules.idle_timeout_ms = 86_400_000;
    world.session = Session::new(&world.rules, 0);
    world.begin("x");
    world.wait(59_999).unwrap();
    assert!(world.heard().is_empty());
    let mut last = NTIME;
    for minute in 1..=30_u32 {
        world.now_ms = u64::from(minute) * 60_000;
        world.tick().unwrap();
        let heard = world.heard();
        let kinds: Vec<_> = heard.iter().map(kind).collect();
        assert_eq!(kinds, ["mining.notify"], "minute {minute}");
        let params = &heard[0]["params"];
        assert_eq!(params[0], format!("1r{minute:x}"));
        assert_eq!(params[8], false);
        let ntime = u32::from_str_radix(params[7].as_str().unwrap(), 16).unwrap();
        assert!(ntime > last && ntime >= NTIME + 60 * minute);
        last = ntime;
        // Its shares count.
        let job = format!("1r{minute:x}");
        world.say(&submit_at(10, &job, ntime, minute)).unwrap();
        assert_eq!(world.records().len(), 1);
        world.outgoing.clear();
        world.decide(u64::from(minute), true);
        world.heard();
    }
    // A job in between is a sign of life, too.
    world.job(NewJob::numbered(2, EVERY_HASH)).unwrap();
    world.heard();
    world.wait(59_000).unwrap();
    assert!(world.heard().is_empty());
    world.wait(1_000).unwrap();
    assert_eq!(world.heard()[0]["params"][0], "2r1");
}

#[test]
fn a_job_is_not_told_again_when_no_time_is_left_for_its_headers() {
    let mut world = World::mining(EVERY_HASH);
    world.rules.idle_timeout_ms = 86_400_000;
    world.wait(3 * 3_600_000).unwrap();
    let notifies = world.heard();
    let last = notifies
        .iter()
        .rev()
        .find(|line| line["method"] == "mining.notify");
    let ntime = last.unwrap()["params"][7].as_str().unwrap();
    let ntime = u32::from_str_radix(ntime, 16).unwrap();
    assert!((NTIME + 6_800..NTIME + 7_000).contains(&ntime));
}

#[test]
fn a_job_with_a_lower_difficulty_lowers_the_devices_before_it() {
    let mut world = World::mining(5000.0);
    world.job(NewJob::numbered(2, 10.0)).unwrap();
    assert_eq!(
        world.heard_kinds(),
        ["mining.set_difficulty", "mining.notify"]
    );
    assert_eq!(world.session.control.told, Some(difficulty(10.0)));
    world.job(NewJob::numbered(3, 10.0)).unwrap();
    assert_eq!(world.heard_kinds(), ["mining.notify"]);
}

#[test]
fn a_push_repeats_the_job_under_a_new_name_with_a_later_time() {
    let mut world = World::mining(5000.0);
    world.now_ms = 4_000;
    world.say(&suggest(4, 2000.0)).unwrap();
    let heard = world.heard();
    let kinds: Vec<_> = heard.iter().map(kind).collect();
    assert_eq!(kinds, ["reply 4", "mining.set_difficulty", "mining.notify"]);
    let notify = &heard[2]["params"];
    assert_eq!(notify[0], "1r1");
    assert_eq!(notify[7], format!("{:08x}", NTIME + 14));
    assert_eq!(notify[8], false);
}

#[test]
fn each_job_keeps_the_target_it_was_told_with() {
    let mut world = World::mining(EVERY_HASH);
    // The upstream asks for more from now on, the device was told less before.
    world.job(NewJob::numbered(2, 1.0)).unwrap();
    world.say(&submit(10, "1", 1)).unwrap();
    world.say(&submit(11, "2", 1)).unwrap();
    assert_eq!(world.records().len(), 1);
    assert_eq!(
        world.records()[0].work,
        Assigned::of(difficulty(EVERY_HASH)).work
    );
    let heard = world.heard();
    assert_eq!(
        heard.last().unwrap()["error"],
        json!([23, "Difficulty too low", null])
    );
}

#[test]
fn a_hash_cannot_choose_the_name_that_pays_best() {
    let mut world = World::mining(EVERY_HASH);
    // The same headers under two names, the second for twice the difficulty.
    world.rules.min_difficulty = difficulty(EVERY_HASH / 2.0);
    world.session = Session::new(&world.rules, 0);
    world
        .say(&suggest(1, EVERY_HASH / 2.0))
        .and_then(|()| world.say(&configure(2)))
        .unwrap();
    world.say(&subscribe(3, "x")).unwrap();
    world.say(&authorize(4, MINER)).unwrap();
    world.wait(61_000).unwrap();
    world.say(&suggest(5, EVERY_HASH)).unwrap();
    let heard = world.heard();
    let later = &heard.last().unwrap()["params"];
    // The one before it was the sign of life after a minute.
    assert_eq!(later[0], "1r2");
    let ntime = u32::from_str_radix(later[7].as_str().unwrap(), 16).unwrap();
    // Each header has one name, whatever its hash is worth under the other.
    world.say(&submit_at(10, "1r1", ntime, 1)).unwrap();
    world.say(&submit_at(11, "1r1", ntime - 1, 2)).unwrap();
    world.say(&submit_at(12, "1r2", ntime, 3)).unwrap();
    world.say(&submit_at(13, "1r2", ntime - 1, 4)).unwrap();
    let refused: Vec<_> = world
        .heard()
        .iter()
        .map(|line| line["id"].clone())
        .collect();
    assert_eq!(refused, [json!(10), json!(13)]);
    let work = |number: f64| Assigned::of(difficulty(number)).work;
    let credited: Vec<_> = world.records().iter().map(|record| record.work).collect();
    assert_eq!(credited, [work(EVERY_HASH / 2.0), work(EVERY_HASH)]);
}

#[test]
fn renotifies_cannot_be_provoked_at_will() {
    let mut world = World::mining(5000.0);
    let mut notifies = 0;
    for second in 0..120 {
        world
            .say(&suggest(4, if second % 2 == 0 { 10.0 } else { 3000.0 }))
            .unwrap();
        world.wait(1_000).unwrap();
        notifies += world
            .heard_kinds()
            .iter()
            .filter(|kind| *kind == "mining.notify")
            .count();
    }
    assert!(notifies <= 12, "{notifies} in two minutes");
}

#[test]
fn names_and_times_of_renotifies_never_repeat() {
    let mut world = World::mining(5000.0);
    let mut last = NTIME;
    for push in 1..=20_u32 {
        world.wait(61_000).unwrap();
        world.heard();
        world.say(&suggest(4, 10.0 + f64::from(push))).unwrap();
        let heard = world.heard();
        let notify = &heard.last().unwrap()["params"];
        let ntime = u32::from_str_radix(notify[7].as_str().unwrap(), 16).unwrap();
        assert!(ntime > last);
        last = ntime;
    }
}

#[test]
fn silence_lowers_the_difficulty_and_a_storm_of_shares_raises_it() {
    let mut world = World::mining(1e6);
    world.wait(500_000).unwrap();
    let heard = world.heard();
    assert!(told(&heard).unwrap() < 700.0, "{heard:?}");
    assert!(world.metrics.vardiff_down.get() > 0);

    let mut world = World::new(1.0);
    world.rules.start_difficulty = difficulty(EVERY_HASH);
    world.session = Session::new(&world.rules, 0);
    world.begin("x");
    for nonce in 0..200 {
        world.say(&submit(10, "1", nonce)).unwrap();
        world.wait(50).unwrap();
    }
    assert!(told(&world.heard()).unwrap() > 2.0 * EVERY_HASH);
    assert!(world.metrics.vardiff_up.get() > 0);
}

#[test]
fn equal_jobs_of_the_upstream_get_times_of_their_own() {
    let mut world = World::mining(5000.0);
    let seen = world.lane.view.jobs[0].seen.clone();
    world
        .job(NewJob {
            seen,
            ..NewJob::numbered(2, 5000.0)
        })
        .unwrap();
    let heard = world.heard();
    assert_eq!(heard[0]["params"][0], "2");
    assert_eq!(heard[0]["params"][7], format!("{:08x}", NTIME + 1));
}
