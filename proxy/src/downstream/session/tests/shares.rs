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
    assert_eq!(
        world.heard()[0]["error"],
        json!([24, "unauthorized worker", null])
    );
    world.say(&authorize(1, MINER)).unwrap();
    world.heard();
    rejected(&mut world, &submit(50, "1", 0), 25, "not subscribed");

    let mut world = World::mining(EVERY_HASH);
    rejected(&mut world, &submit(50, "77", 0), 21, "job not found");
    rejected(&mut world, &submit(50, "nobody's", 0), 21, "job not found");
    rejected(&mut world, &submit(50, "0", 0), 21, "job not found");
    rejected(
        &mut world,
        &submit_at(50, "1", NTIME - 1, 0),
        20,
        "ntime out of range",
    );
    rejected(
        &mut world,
        &submit_at(50, "1", NTIME + 7001, 0),
        20,
        "ntime out of range",
    );
    let short = submit(50, "1", 0).replace("000000000001", "0000000001");
    rejected(&mut world, &short, 20, "bad extranonce2 size");
    let bits = submit(50, "1", 0).replace("00002000", "00000001");
    rejected(&mut world, &bits, 20, "version bits outside the mask");
    let job = world.lane.view.jobs[0].clone();
    job.kill();
    rejected(&mut world, &submit(50, "1", 0), 21, "stale");

    let mut world = World::mining(1.0);
    rejected(&mut world, &submit(50, "1", 0), 23, "low difficulty share");
}

#[test]
fn a_duplicate_is_paid_once() {
    let mut world = World::mining(EVERY_HASH);
    world.say(&submit(49, "1", 7)).unwrap();
    assert_eq!(world.records().len(), 1);
    world.outgoing.clear();
    rejected(&mut world, &submit(50, "1", 7), 22, "duplicate share");
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
    assert_eq!(records[0].id.session, ledger::SessionId::new(7, 1));
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

#[test]
fn the_mask_is_what_both_sides_agreed_on() {
    let mut world = World::new(EVERY_HASH);
    world.say(&subscribe(1, "minerd")).unwrap();
    world.say(&authorize(2, MINER)).unwrap();
    world.heard();
    // It never asked to roll, so any bits are wrong; without bits it is fine.
    rejected(
        &mut world,
        &submit(50, "1", 0),
        20,
        "version bits outside the mask",
    );
    let plain = submit(51, "1", 0).replace(r#","00002000""#, "");
    world.say(&plain).unwrap();
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
