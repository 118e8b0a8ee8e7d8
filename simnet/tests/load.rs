//! The load generator measures a pool that is known to be right.

#![allow(clippy::unwrap_used, reason = "a failed test is what a panic is for")]

mod common;

use std::time::Duration;

use common::{PATIENCE, RawClient, pool};
use simnet::load::{KeyForm, LoadError, LoadMode, LoadOptions, run, run_with_trigger};
use simnet::pool::{Books, SimPoolHandle};

fn options(pool: &SimPoolHandle, mode: LoadMode, connections: usize) -> LoadOptions {
    let mut options = LoadOptions::new(pool.address().to_string(), mode, connections);
    options.connections_per_address = 10;
    options.pid = Some(std::process::id());
    options
}

#[tokio::test]
async fn every_accepted_share_is_in_the_books() {
    let pool = pool(|options| options.difficulty = 1e-9).await;
    let mut options = options(&pool, LoadMode::Shares, 50);
    options.max_shares = Some(2_000);
    options.duration = PATIENCE;
    options.key_form = KeyForm::Hex;
    let report = run(options).await.unwrap();
    let books = pool.books();
    // What was in flight when it stopped may have been accepted too.
    assert!((report.accepted..=report.accepted + report.unanswered).contains(&books.accepted()));
    assert!((2_000..2_100).contains(&report.accepted), "{report}");
    assert_eq!((report.connections, report.lost_connections), (50, 0));
    assert_eq!((report.accept_ratio, books.rejected()), (Some(1.0), 0));
    assert_eq!(books.users.len(), 50, "each has a key of its own");
    let latency = report.latency.clone().unwrap();
    assert!(latency.p50_us <= latency.p99_us && latency.p99_us <= latency.max_us);
    assert!(report.server.as_ref().unwrap().cpu_us_per_share.unwrap() > 0.0);
    assert!(report.measured_secs < PATIENCE.as_secs_f64());
    let shown = report.to_string();
    assert!(shown.contains("accept ratio    100.0000 %"), "{shown}");
    assert!(serde_json::to_value(&report).unwrap()["accepted"].is_u64());
}

#[tokio::test]
async fn rejected_shares_are_told_apart() {
    let pool = pool(|options| options.difficulty = 1e-9).await;
    pool.reject_every(4);
    let mut options = options(&pool, LoadMode::Shares, 5);
    options.max_shares = Some(300);
    options.duration = PATIENCE;
    let report = run(options).await.unwrap();
    let ratio = report.accept_ratio.unwrap();
    assert!((0.74..0.76).contains(&ratio), "{ratio}");
    assert_eq!(
        report.rejected.keys().collect::<Vec<_>>(),
        ["20 rejected on demand"]
    );
}

#[tokio::test]
async fn the_way_of_a_job_to_the_last_miner_is_measured() {
    let pool = pool(|_| {}).await;
    let mut options = options(&pool, LoadMode::Notify, 200);
    options.duration = Duration::from_millis(500);
    let jobs = pool.clone();
    let every = Duration::from_millis(100);
    let trigger = move || drop(jobs.new_job(true));
    let report = run_with_trigger(options, every, trigger).await.unwrap();
    let fan_out = report.fan_out.unwrap();
    assert!((1..=5).contains(&fan_out.jobs), "{fan_out:?}");
    assert!(fan_out.min_ms <= fan_out.median_ms && fan_out.median_ms <= fan_out.max_ms);
    assert_eq!((report.accepted, pool.read_books(Books::accepted)), (0, 0));
}

#[tokio::test]
async fn idle_connections_are_held_and_lost_ones_counted() {
    let pool = pool(|_| {}).await;
    let mut options = options(&pool, LoadMode::Idle, 30);
    options.duration = Duration::from_millis(300);
    let faulty = pool.clone();
    let trigger = move || faulty.drop_connections();
    let report = run_with_trigger(options, Duration::from_millis(100), trigger)
        .await
        .unwrap();
    assert_eq!((report.connections, report.lost_connections), (30, 30));
    assert_eq!(report.fan_out, None);
}

#[tokio::test]
async fn what_cannot_be_measured_is_said() {
    let pool = pool(|options| options.difficulty = 1.0).await;
    let hard = options(&pool, LoadMode::Shares, 2);
    assert!(matches!(
        run(hard).await,
        Err(LoadError::TooHard {
            work: 0x1_0001_0001,
            ..
        })
    ));

    pool.set_faults(|faults| faults.refuse_authorize = true);
    let refused = options(&pool, LoadMode::Idle, 3);
    let Err(LoadError::NobodyReady { reasons }) = run(refused).await else {
        panic!("ready?")
    };
    assert_eq!(reasons["authorize: 24 unauthorized worker"], 3);

    pool.stop_accepting().await;
    let closed = options(&pool, LoadMode::Idle, 2);
    assert!(matches!(
        run(closed).await,
        Err(LoadError::NobodyReady { .. })
    ));

    let far = LoadOptions::new("192.0.2.1:3333", LoadMode::Idle, 1);
    assert!(matches!(run(far).await, Err(LoadError::NotLoopback { .. })));
}

/// A server that never gives a job does not hold the generator up.
#[tokio::test]
async fn silence_ends_with_the_ramp() {
    let pool = pool(|_| {}).await;
    pool.set_faults(|faults| faults.stall = simnet::pool::Stall::All);
    let mut options = options(&pool, LoadMode::Idle, 3);
    options.ramp_timeout = Duration::from_millis(200);
    let Err(LoadError::NobodyReady { reasons }) = run(options).await else {
        panic!("ready?")
    };
    assert_eq!(reasons["no job in time"], 3);
    // The pool is left as it was: nobody stays connected.
    pool.wait_for(|books| books.open_connections == 0, PATIENCE)
        .await
        .unwrap();
    drop(RawClient::connect(pool.address()).await);
}
