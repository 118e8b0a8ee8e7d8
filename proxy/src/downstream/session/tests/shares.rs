//! Submissions: every reject, and the way of an accepted one.

use serde_json::json;

use super::*;
use crate::downstream::session::jobs::Lookup;
use crate::wire::JobId;

#[track_caller]
fn rejected(world: &mut World, line: &str, code: u64, text: &str) {
    world.say(line).unwrap();
    let heard = world.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(heard[0]["error"], json!([code, text, null]));
    assert_eq!(heard[0]["id"], 50);
    assert!(world.outgoing.is_empty());
}

#[test]
fn every_reject() {
    let mut world = World::new(EVERY_HASH);
    world.say(&submit(50, "1", 0)).unwrap();
    world.wait(250).unwrap();
    world.say(&authorize(1, MINER)).unwrap();
    assert_eq!(
        world.heard()[1]["error"],
        json!([24, "Unauthorized worker", null])
    );
    rejected(&mut world, &submit(50, "1", 0), 25, "Not subscribed");

    let mut world = World::mining(EVERY_HASH);
    rejected(&mut world, &submit(50, "77", 0), 21, "Job not found");
    rejected(&mut world, &submit(50, "nobody's", 0), 21, "Job not found");
    rejected(&mut world, &submit(50, "0", 0), 21, "Job not found");
    rejected(
        &mut world,
        &submit_at(50, "1", NTIME - 1, 0),
        20,
        "Ntime out of range",
    );
    rejected(
        &mut world,
        &submit_at(50, "1", NTIME + 7001, 0),
        20,
        "Ntime out of range",
    );
    let short = submit(50, "1", 0).replace("000000000001", "0000000001");
    rejected(&mut world, &short, 20, "Invalid nonce2 length");
    let bits = submit(50, "1", 0).replace("00002000", "00000001");
    rejected(&mut world, &bits, 20, "Invalid version mask");
    let job = world.lane.view.jobs[0].clone();
    job.kill();
    rejected(&mut world, &submit(50, "1", 0), 21, "Stale");

    let mut world = World::mining(1.0);
    rejected(&mut world, &submit(50, "1", 0), 23, "Difficulty too low");
}

#[test]
fn duplicates_of_the_first_half_second_are_no_fault() {
    let mut world = World::mining(EVERY_HASH);
    world.rules.limits.max_rejects_in_a_row = 3;
    world.now_ms = 400;
    for nonce in 0..6 {
        let line = submit(10, "1", nonce / 2);
        world.say(&line).unwrap();
        for _ in 0..3 {
            world.say(&line).unwrap();
            let error = json!([22, "Duplicate share", null]);
            assert_eq!(world.heard().last().unwrap()["error"], error);
        }
    }
    assert_eq!(world.records().len(), 3);
    let rejected = |world: &World| {
        let described = world.entered.connection().describe(0);
        described.expect("authorized").rejected
    };
    assert_eq!((world.session.rejects_in_a_row, rejected(&world)), (0, 0));
    // Later they are.
    world.wait(10_000).unwrap();
    world.say(&submit(11, "1", 0)).unwrap();
    assert_eq!((world.session.rejects_in_a_row, rejected(&world)), (1, 1));
}

#[test]
fn a_duplicate_is_paid_once() {
    let mut world = World::mining(EVERY_HASH);
    world.say(&submit(49, "1", 7)).unwrap();
    assert_eq!(world.records().len(), 1);
    world.outgoing.clear();
    rejected(&mut world, &submit(50, "1", 7), 22, "Duplicate share");
}

#[test]
fn true_is_said_when_the_share_is_durable() {
    let mut world = World::mining(EVERY_HASH);
    world.say(&submit(10, "1", 1)).unwrap();
    world.say(&submit(11, "1", 2)).unwrap();
    world
        .say(r#"{"id":12,"method":"mining.ping","params":[]}"#)
        .unwrap();
    assert_eq!(
        world.heard_kinds(),
        ["reply 12"],
        "other answers may overtake"
    );
    let records = world.records();
    assert_eq!(records.len(), 2);
    assert_eq!((records[0].id.sequence, records[1].id.sequence), (1, 2));
    assert_eq!(records[0].id.session, accounting::SessionId::new(7, 1));
    assert_eq!(records[0].who.miner.to_string(), MINER);
    assert_eq!(records[0].work, Assigned::of(difficulty(EVERY_HASH)).work);
    assert!(!world.entered.connection().is_proven());
    world.decide(1, true);
    assert_eq!(world.heard(), [json!({"id":10,"result":true,"error":null})]);
    assert!(world.entered.connection().is_proven());
    world.decide(2, true);
    assert_eq!(world.heard_kinds(), ["reply 11"]);
    assert_eq!(
        (world.session.pending(), world.metrics.accepted.get()),
        (0, 2)
    );
    assert_eq!(world.metrics.pending.get(), 0);
}

#[test]
fn a_share_that_the_disk_refused_is_answered_so_and_may_come_again() {
    let mut world = World::mining(EVERY_HASH);
    world.say(&submit(10, "1", 1)).unwrap();
    world.decide(1, false);
    let error = json!([20, "share not stored: no space left", null]);
    assert_eq!(world.heard()[0]["error"], error);
    assert_eq!(
        (world.metrics.accepted.get(), world.metrics.not_stored.get()),
        (0, 1)
    );
    world.say(&submit(11, "1", 1)).unwrap();
    assert_eq!(world.session.pending(), 1, "it is no duplicate");
}

#[test]
fn another_worker_of_the_same_key_is_credited_by_its_name() {
    let mut world = World::mining(EVERY_HASH);
    let garage = format!("{}/garage", MINER.to_uppercase());
    world.say(&authorize(8, &garage)).unwrap();
    world.say(&authorize(9, &format!("{MINER}.attic"))).unwrap();
    let heard = world.heard();
    assert!(heard.iter().all(|line| line["result"] == true) && heard.len() == 2);
    let as_worker = |id, username: &str| submit(id, "1", id).replace(MINER, username);
    for (id, username) in [
        (20, garage.as_str()),
        (21, MINER),
        (22, &format!("{MINER}.attic")),
        // Never authorized: the session's first is credited, as ever.
        (23, &format!("{MINER}.cellar")),
        (24, "somebody else"),
    ] {
        world.say(&as_worker(id, username)).unwrap();
    }
    let credited: Vec<_> = world
        .records()
        .iter()
        .map(|record| record.who.worker.as_str().to_owned())
        .collect();
    assert_eq!(
        credited,
        ["garage", "default", "attic", "default", "default"]
    );
    let all = world.records();
    assert!(all.iter().all(|one| one.who.miner.to_string() == MINER));
}

#[test]
fn workers_on_a_connection_are_bounded() {
    let mut world = World::mining(EVERY_HASH);
    for number in 0..100 {
        let username = format!("{MINER}.{number}");
        world.say(&authorize(8, &username)).unwrap();
        let heard = world.heard();
        match number < 63 {
            true => assert_eq!(heard[0]["result"], true, "{number}"),
            false => assert_eq!(heard[0]["error"][0], 24, "{number}"),
        }
        // One that is known stays known.
        world.say(&authorize(9, &format!("{MINER}.0"))).unwrap();
        assert_eq!(world.heard()[0]["result"], true);
    }
}

#[test]
fn what_meets_the_upstreams_target_goes_there_first_and_as_ours() {
    let mut world = World::mining(EVERY_HASH);
    world.say(&submit(10, "1", 1)).unwrap();
    assert!(matches!(world.outgoing[0], Outgoing::Forward(_)));
    assert!(matches!(world.outgoing[1], Outgoing::Record(_)));
    let forward = world.forwards()[0];
    assert_eq!(*forward.extranonce2, [0, 1, 0, 0, 0, 0, 0, 1]);
    assert_eq!(
        (forward.ntime, forward.nonce, forward.version_bits),
        (NTIME, 1, 0x2000)
    );
    assert!(world.records()[0].meets_upstream && !forward.meets_network);
}

#[test]
fn what_does_not_meet_it_stays_here() {
    // Half of all hashes are shares, one in four billion is the upstream's.
    let mut world = World::new(1.0);
    world.rules.start_difficulty = difficulty(EVERY_HASH);
    world.session = Session::new(&world.rules, 0);
    world.begin("bitaxe");
    world.say(&submit(10, "1", 1)).unwrap();
    assert_eq!((world.forwards().len(), world.records().len()), (0, 1));
    assert!(!world.records()[0].meets_upstream);
    assert_eq!(
        world.records()[0].upstream_work,
        Assigned::of(Difficulty::ONE).work
    );
}

#[test]
fn a_block_is_celebrated_and_forwarded() {
    let mut world = World::mining(EVERY_HASH);
    // Regtest's target: about every second hash.
    world
        .job(NewJob {
            nbits: 0x207f_ffff,
            ..NewJob::numbered(2, EVERY_HASH)
        })
        .unwrap();
    for nonce in 0..64 {
        world.say(&submit(10, "2", nonce)).unwrap();
    }
    let blocks = world
        .forwards()
        .iter()
        .filter(|forward| forward.meets_network)
        .count();
    assert!(blocks > 0);
    assert_eq!(world.metrics.blocks.get(), blocks as u64);
    assert_eq!(
        world
            .records()
            .iter()
            .filter(|record| record.meets_network)
            .count(),
        blocks
    );
}

/// A submission with these version bits, as JSON, or with five params.
fn with_bits(id: u32, bits: Option<&str>) -> String {
    let line = submit(id, "1", id);
    match bits {
        Some(bits) => line.replace(r#""00002000""#, bits),
        None => line.replace(r#","00002000""#, ""),
    }
}

#[test]
fn who_configured_nothing_rolls_what_the_upstream_grants() {
    let mut world = World::new(EVERY_HASH);
    world.say(&subscribe(1, "Antminer S21")).unwrap();
    world.say(&authorize(2, MINER)).unwrap();
    world.heard();
    let taken = [
        Some("\"1fffe000\""),
        Some("\"00002000\""),
        Some("\"0\""),
        Some("\"\""),
        Some("\"  \""),
        Some("null"),
        None,
    ];
    for (id, bits) in (10..).zip(taken) {
        world.say(&with_bits(id, bits)).unwrap();
        assert_eq!(world.heard(), Vec::<Value>::new(), "{bits:?}");
    }
    assert_eq!(world.records().len(), taken.len());
    world.outgoing.clear();
    let outside = with_bits(50, Some("\"20000000\""));
    rejected(&mut world, &outside, 20, "Invalid version mask");
}

#[test]
fn without_a_bit_granted_plain_shares_are_taken_and_rolled_ones_are_not() {
    for configured in [false, true] {
        let mut world = World::new(EVERY_HASH);
        world.lane.view.version_mask = 0;
        world.lane.view.jobs = [NewJob {
            mask: 0,
            ..NewJob::numbered(1, EVERY_HASH)
        }
        .make()]
        .into();
        if configured {
            world.say(&configure(1)).unwrap();
        }
        world.say(&subscribe(2, "bitaxe")).unwrap();
        world.say(&authorize(3, MINER)).unwrap();
        world.heard();
        let rolled = with_bits(50, Some("\"00002000\""));
        rejected(&mut world, &rolled, 20, "Invalid version mask");
        for (id, bits) in [(10, Some("\"00000000\"")), (11, None)] {
            world.say(&with_bits(id, bits)).unwrap();
        }
        assert_eq!(world.records().len(), 2);
    }
}

#[test]
fn the_mask_is_what_both_sides_agreed_on() {
    let mut world = World::new(EVERY_HASH);
    world
        .say(&configure(1).replace("ffffffff", "0000e000"))
        .unwrap();
    world.say(&subscribe(2, "x")).unwrap();
    world.say(&authorize(3, MINER)).unwrap();
    assert_eq!(
        world.heard()[0]["result"]["version-rolling.mask"],
        "0000e000"
    );
    let outside = with_bits(50, Some("\"00010000\""));
    rejected(&mut world, &outside, 20, "Invalid version mask");
    world.say(&with_bits(51, Some("\"0000e000\""))).unwrap();
    assert_eq!(world.records().len(), 1);
}

#[test]
fn jobs_of_a_session_are_bounded_and_the_dead_are_let_go() {
    let mut world = World::mining(EVERY_HASH);
    for sequence in 2..200 {
        world.job(NewJob::numbered(sequence, EVERY_HASH)).unwrap();
    }
    assert_eq!(world.session.jobs.len(), 32);
    assert!(matches!(
        world.session.jobs.find(JobId::shared(1)),
        Lookup::Stale
    ));
    assert!(matches!(
        world.session.jobs.find(JobId::shared(199)),
        Lookup::Alive { .. }
    ));
    world
        .job(NewJob {
            clean: true,
            ..NewJob::numbered(200, EVERY_HASH)
        })
        .unwrap();
    assert_eq!(world.session.jobs.len(), 1);
}
