//! Hostile input.

use proptest::prelude::*;

use super::*;

#[test]
fn who_never_authorizes_is_closed() {
    let mut world = World::new(5000.0);
    assert_eq!(world.wait(20_000), Err(CloseReason::AuthorizeTimeout));
    assert_eq!(world.now_ms, 10_000);
}

#[test]
fn who_goes_silent_is_closed() {
    let mut world = World::mining(5000.0);
    let idle_ms = world.rules.idle_timeout_ms;
    assert_eq!(world.wait(idle_ms + 100_000), Err(CloseReason::Idle));
    assert_eq!(world.now_ms, idle_ms);
}

#[test]
fn a_flood_is_closed() {
    let mut world = World::new(5000.0);
    world.rules.limits.messages_per_second = 5;
    world.session = Session::new(&world.rules, 0);
    let ping = r#"{"id":7,"method":"mining.ping","params":[]}"#;
    assert!((0..50).all(|_| world.say(ping).is_ok()));
    assert_eq!(world.say(ping), Err(CloseReason::Flood));
}

#[test]
fn a_storm_of_rejects_is_closed_and_a_share_calms_it() {
    let mut world = World::mining(EVERY_HASH);
    world.rules.limits.max_rejects_in_a_row = 3;
    for _ in 0..5 {
        world.say(&submit(1, "77", 0)).unwrap();
        world.say(&submit(1, "77", 0)).unwrap();
        let nonce = world.session.sequence;
        world
            .say(&submit(1, "1", u32::try_from(nonce).unwrap()))
            .unwrap();
    }
    world.say(&submit(1, "77", 0)).unwrap();
    world.say(&submit(1, "77", 0)).unwrap();
    assert_eq!(
        world.say(&submit(1, "77", 0)),
        Err(CloseReason::RejectStorm)
    );
}

#[test]
fn other_protocols_are_closed_at_once_and_noise_of_a_session_is_answered() {
    for noise in [&b"GET / HTTP/1.1"[..], b"\x16\x03\x01\x02", b"[]", b"{}x"] {
        let mut world = World::new(5000.0);
        assert_eq!(world.say_bytes(noise), Err(CloseReason::Malformed));
        let mut world = World::mining(5000.0);
        world.say_bytes(noise).unwrap();
        assert_eq!(world.heard()[0]["error"][0], 20);
    }
}

#[test]
fn a_line_without_an_end_is_answered_and_closed() {
    let mut world = World::new(5000.0);
    let too_long = crate::wire::LineTooLong { limit: 4096 };
    let reason = world.turn(|session, turn| session.on_too_long(too_long, turn));
    assert_eq!(reason, CloseReason::LineTooLong);
    assert_eq!(world.heard().len(), 1);
}

/// Lines as devices send them, with some of everything wrong in them.
fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![Just(0.0), Just(-1.0), 1e-12..1e12_f64, any::<f64>()];
    let job = prop_oneof![
        Just("1".to_owned()),
        Just("1r1".to_owned()),
        Just("2".to_owned()),
        "[0-9a-fr]{0,9}"
    ];
    prop_oneof![
        Just(configure(1).into_bytes()),
        Just(subscribe(2, "bitaxe").into_bytes()),
        Just(authorize(3, MINER).into_bytes()),
        Just(br#"{"id":5,"method":"mining.extranonce.subscribe","params":[]}"#.to_vec()),
        number.prop_map(|number| {
            format!(r#"{{"id":4,"method":"mining.suggest_difficulty","params":[{number:e}]}}"#).into_bytes()
        }),
        number_line(),
        (job, 0..20_u32, 0..4_u32).prop_map(|(job, ntime, nonce)| {
            submit_at(6, &job, NTIME + ntime, nonce).into_bytes()
        }),
        "\\PC{0,200}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..200),
        r#"\{"id":(1|"x"|null|\[\]),"method":"(mining|client)\.[a-z_]{1,12}","params":(\[\]|\{\}|\[1,"x",null\])\}"#
            .prop_map(String::into_bytes),
    ]
}

fn number_line() -> impl Strategy<Value = Vec<u8>> {
    "[0-9a-f]{0,66}".prop_map(|target| {
        format!(r#"{{"id":4,"method":"mining.suggest_target","params":["{target}"]}}"#).into_bytes()
    })
}

#[derive(Clone, Debug)]
enum Step {
    Line(Vec<u8>),
    Job { difficulty: f64, clean: bool },
    Down,
    Generation,
    Wait(u64),
    Decide(bool),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => any_line().prop_map(Step::Line),
        2 => (prop_oneof![Just(EVERY_HASH), 1e-6..1e6_f64], any::<bool>())
            .prop_map(|(difficulty, clean)| Step::Job { difficulty, clean }),
        1 => Just(Step::Down),
        1 => Just(Step::Generation),
        2 => (0..70_000_u64).prop_map(Step::Wait),
        1 => any::<bool>().prop_map(Step::Decide),
    ]
}

/// Does one step; the difficulty of the lane's current job is what counts after it.
fn step(world: &mut World, step: Step, number: u64) -> Result<(), CloseReason> {
    let generation = world.lane.view.generation;
    match step {
        Step::Line(line) => world.say_bytes(&line),
        Step::Wait(ms) => world.wait(ms),
        Step::Down => {
            world.lane.view.jobs.iter().for_each(|job| job.kill());
            world.change(|view| (view.up, view.jobs) = (false, [].into()))
        }
        Step::Job { difficulty, clean } => {
            world.lane.view.up = true;
            world.job(NewJob {
                generation,
                clean,
                ..NewJob::numbered(number, difficulty)
            })
        }
        Step::Generation => {
            let generation = generation % 50 + 1;
            let job = NewJob {
                generation,
                ..NewJob::numbered(number, 3.0)
            }
            .make();
            world.change(|view| {
                (view.up, view.generation) = (true, generation);
                view.extranonce1 = job.extranonce1.clone();
                view.jobs = [job].into();
            })
        }
        Step::Decide(stored) => {
            let sequence = world.session.sequence;
            if world.session.pending() > 0 {
                world.decide(sequence, stored);
            }
            Ok(())
        }
    }
}

proptest! {
    #![proptest_config(crate::testing::cases(300))]

    #[test]
    fn whatever_comes_the_output_is_whole_lines_and_the_difficulty_in_bounds(
        steps in prop::collection::vec(any_step(), 1..60),
        greeted in any::<bool>(),
    ) {
        let mut world = World::new(5.0);
        let mut told = None;
        if greeted {
            world.begin("bitaxe");
            told = Some(5.0);
        }
        for (number, next) in (2..).zip(steps) {
            let done = step(&mut world, next, number);
            let ceiling = world.lane.view.jobs.last().map(|job| job.upstream.difficulty.get());
            for line in world.heard() {
                if line["method"] == "mining.set_difficulty" {
                    told = line["params"][0].as_f64();
                }
                if line["method"] == "mining.notify" {
                    prop_assert!(told.unwrap() <= ceiling.unwrap());
                }
            }
            let paid_for: Vec<_> = world.records().iter().map(|record| record.id.sequence).collect();
            prop_assert!(paid_for.is_sorted());
            if done.is_err() {
                break;
            }
        }
    }
}
