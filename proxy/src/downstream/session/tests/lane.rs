//! Changes of the upstream, as the session sees them.

use serde_json::json;

use super::*;

#[test]
fn a_job_is_told_once_as_the_upstream_gave_it() {
    let mut world = World::mining(5000.0);
    world.job(NewJob::numbered(2, 5000.0)).unwrap();
    let heard = world.heard();
    assert_eq!((heard.len(), &heard[0]["params"][0]), (1, &json!("2")));
    assert_eq!(heard[0]["params"][8], false);
    world.change(|_| ()).unwrap();
    assert!(world.heard().is_empty());
    world
        .job(NewJob {
            clean: true,
            ..NewJob::numbered(3, 5000.0)
        })
        .unwrap();
    assert_eq!(world.heard()[0]["params"][8], true);
}

#[test]
fn a_clean_job_that_was_missed_is_not_forgotten() {
    let mut world = World::mining(5000.0);
    // Jobs 2 (clean) and 3 came before the session looked.
    let third = NewJob::numbered(3, 5000.0).make();
    world
        .change(|view| {
            view.jobs.iter().for_each(|job| job.kill());
            view.jobs = [
                NewJob {
                    clean: true,
                    ..NewJob::numbered(2, 5000.0)
                }
                .make(),
                third,
            ]
            .into();
        })
        .unwrap();
    let heard = world.heard();
    assert_eq!(
        (&heard[0]["params"][0], &heard[0]["params"][8]),
        (&json!("3"), &json!(true))
    );
}

/// The upstream gives another extranonce1.
fn next_generation(world: &mut World) -> Result<(), CloseReason> {
    let job = NewJob {
        generation: 2,
        ..NewJob::numbered(2, EVERY_HASH)
    }
    .make();
    world.change(|view| {
        view.generation = 2;
        view.extranonce1 = job.extranonce1.clone();
        view.jobs = view.jobs.iter().cloned().chain([job]).collect();
    })
}

#[test]
fn a_bitaxe_keeps_its_connection_when_the_extranonce_changes() {
    let mut world = World::mining(EVERY_HASH);
    next_generation(&mut world).unwrap();
    let heard = world.heard();
    let kinds: Vec<_> = heard.iter().map(kind).collect();
    assert_eq!(kinds, ["mining.set_extranonce", "mining.notify"]);
    assert_eq!(heard[0]["params"], json!(["a2a2a2a20002", 6]));
    assert_eq!(heard[1]["params"][8], true);
    // A share of the old job, made with the old extranonce1, and one of the new.
    world.say(&submit(10, "1", 1)).unwrap();
    world.say(&submit(11, "2", 1)).unwrap();
    assert_eq!(world.records().len(), 2);
    let prefixes: Vec<_> = world
        .forwards()
        .iter()
        .map(|share| share.extranonce2[1])
        .collect();
    assert_eq!(prefixes, [1, 2]);
}

#[test]
fn a_header_of_two_jobs_is_credited_once_across_an_extranonce_change() {
    let mut world = World::mining(EVERY_HASH);
    // The pool changes the extranonce1 and gives the same work again, as the books know.
    let (old, seen) = {
        let job = &world.lane.view.jobs[0];
        (job.coinb1.clone(), job.seen.clone())
    };
    let job = NewJob {
        generation: 2,
        seen,
        ..NewJob::numbered(2, EVERY_HASH)
    };
    let mut job = std::sync::Arc::into_inner(job.make()).unwrap();
    job.coinb1 = old;
    let job = Arc::new(job);
    world
        .change(|view| {
            view.generation = 2;
            view.extranonce1 = job.extranonce1.clone();
            view.jobs = view.jobs.iter().cloned().chain([job]).collect();
        })
        .unwrap();
    let heard = world.heard();
    let ntime = u32::from_str_radix(heard[1]["params"][7].as_str().unwrap(), 16).unwrap();
    for job in ["2", "1"] {
        for ntime in [ntime, ntime - 1] {
            world.say(&submit_at(10, job, ntime, 1)).unwrap();
        }
    }
    let hashes: std::collections::BTreeSet<_> =
        world.records().iter().map(|record| record.hash).collect();
    assert_eq!(hashes.len(), world.records().len());
    assert_eq!(world.records().len(), 2);
}

#[track_caller]
fn keeps(user_agent: &str, extra: Option<&str>, kept: bool) {
    let mut world = World::new(EVERY_HASH);
    world.begin(user_agent);
    if let Some(line) = extra {
        world.say(line).unwrap();
    }
    let expected = if kept {
        Ok(())
    } else {
        Err(CloseReason::ExtranonceChanged)
    };
    assert_eq!(next_generation(&mut world), expected);
}

#[test]
fn who_cannot_take_an_extranonce_is_closed() {
    keeps("Bitaxe/BM1370", None, true);
    for firmware in [
        "bitaxe/BM1372/BM1373/v2.15.0",
        "NerdAxe/BM1366/v1.0",
        "NerdAxeGamma/BM1370/v1.0",
        "NerdEKO/BM1370/v1.0",
        "NerdHaxe-Gamma/BM1370/v1.0",
        "NerdOCTAXE-Gamma/BM1370/v1.0",
        "NerdQAxe++/BM1370/v1.0",
        "NerdQX/BM1370/v1.0",
        "Q1370/BM1370/v1.0",
        "Q1373/BM1373/v1.0",
    ] {
        keeps(firmware, None, true);
    }
    keeps("NerdMinerV2", None, false);
    keeps("NerdMiner/v1", None, false);
    keeps("cpuminer/2.5.1", None, false);
    keeps(
        "x",
        Some(r#"{"id":5,"method":"mining.extranonce.subscribe","params":[]}"#),
        true,
    );
    keeps(
        "x",
        Some(r#"{"id":5,"method":"mining.configure","params":[["subscribe-extranonce"],{}]}"#),
        true,
    );
    // Shorter than the name that is looked for, and cut inside a letter.
    keeps("bit", None, false);
    keeps("bitaxé", None, false);
}

#[test]
fn without_a_prefix_for_it_a_session_is_closed() {
    let mut world = World::mining(EVERY_HASH);
    world.lane.refusal = Some(Unavailable::Full);
    assert_eq!(
        next_generation(&mut world),
        Err(CloseReason::ExtranonceChanged)
    );
}

#[test]
fn a_new_mask_is_told_to_those_who_roll() {
    let mut world = World::mining(5000.0);
    world
        .change(|view| view.version_mask = 0x00ff_0000)
        .unwrap();
    let heard = world.heard();
    assert_eq!(heard[0]["method"], "mining.set_version_mask");
    assert_eq!(heard[0]["params"], json!(["00ff0000"]));
}

#[test]
fn a_wider_mask_is_told_with_the_job_that_takes_it() {
    let mut world = World::new(EVERY_HASH);
    let narrow = NewJob {
        mask: 0x0000_e000,
        ..NewJob::numbered(1, EVERY_HASH)
    };
    world.lane.view.version_mask = narrow.mask;
    world.lane.view.jobs = [narrow.make()].into();
    world.begin("bitaxe");
    // The upstream allows more from its next job on; this one's shares stay as they were.
    world.change(|view| view.version_mask = MASK).unwrap();
    assert!(world.heard().is_empty());
    world.job(NewJob::numbered(2, EVERY_HASH)).unwrap();
    let heard = world.heard();
    let kinds: Vec<_> = heard.iter().map(kind).collect();
    assert_eq!(kinds, ["mining.set_version_mask", "mining.notify"]);
    assert_eq!(heard[0]["params"], json!(["1fffe000"]));
    // Whatever it was told, each job takes its own bits.
    let rolled = |job| submit(10, job, 1).replace("00002000", "1fffe000");
    world.say(&rolled("2")).unwrap();
    assert_eq!(world.records().len(), 1);
    world.say(&rolled("1")).unwrap();
    assert_eq!(
        world.heard()[0]["error"],
        json!([20, "Invalid version mask", null])
    );
}

#[test]
fn a_short_absence_of_the_upstream_is_waited_out() {
    let mut world = World::mining(EVERY_HASH);
    world.lane.view.jobs[0].kill();
    world.change(|view| view.up = false).unwrap();
    world.say(&submit(10, "1", 1)).unwrap();
    assert_eq!(world.heard()[0]["error"], json!([21, "Stale", null]));
    world.wait(59_000).unwrap();
    world
        .say(r#"{"id":7,"method":"mining.suggest_difficulty","params":[1]}"#)
        .unwrap();
    assert_eq!(world.heard_kinds(), ["reply 7"]);
    world.lane.view.up = true;
    next_generation(&mut world).unwrap();
    assert_eq!(
        world.heard_kinds(),
        ["mining.set_extranonce", "mining.notify"]
    );
    world.wait(100_000).unwrap();
}

#[test]
fn stale_shares_of_a_lost_upstream_are_no_storm() {
    let mut world = World::mining(EVERY_HASH);
    world.rules.limits.max_rejects_in_a_row = 3;
    world.lane.view.jobs[0].kill();
    world.change(|view| view.up = false).unwrap();
    for nonce in 0..10 {
        world.say(&submit(10, "1", nonce)).unwrap();
    }
    let error = json!([21, "Stale", null]);
    assert!(world.heard().iter().all(|line| line["error"] == error));
    assert_eq!(world.session.rejects_in_a_row, 0);
    // Its jobs being dead while the upstream is there is the device's affair.
    world.lane.view.up = true;
    next_generation(&mut world).unwrap();
    for nonce in 0..2 {
        world.say(&submit(10, "1", nonce)).unwrap();
    }
    let storm = world.say(&submit(10, "1", 2));
    assert_eq!(storm, Err(CloseReason::RejectStorm));
}

#[test]
fn a_long_absence_sends_everybody_to_their_fallback() {
    let mut world = World::mining(EVERY_HASH);
    world.change(|view| view.up = false).unwrap();
    assert_eq!(world.wait(66_000), Err(CloseReason::UpstreamLost));
    assert!(
        (60_000..=65_000).contains(&world.now_ms),
        "{}",
        world.now_ms
    );
}
