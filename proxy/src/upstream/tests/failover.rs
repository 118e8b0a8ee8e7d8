//! The ordered list of URLs.

use std::time::Duration;

use serde_json::json;

use super::harness::{Harness, config, view};
use super::pool::{Pool, soon};

#[tokio::test]
async fn the_next_url_is_used_and_left_again_without_a_gap() {
    let (first, second) = (Pool::new().await, Pool::new().await);
    let mut config = config(&[&first, &second]);
    config.failback_interval = Duration::from_millis(50);
    let harness = Harness::start(config);
    for _ in 0..3 {
        drop(first.accept().await);
    }
    let mut peer = second.working("bb", 8).await;
    let lease = harness.lease().await;
    let mut views = lease.view();
    assert_eq!(views.borrow().extranonce1[..], [0xbb]);
    assert_eq!(harness.upstream.status().borrow().url_index, 1);
    // Not healthy yet: it has no job.
    let mut probe = first.accept().await;
    probe.handshake("aa", 8).await;
    drop(probe);
    let mut probe = first.accept().await;
    let before = views.borrow_and_update().clone();
    assert!(before.up);
    probe.handshake("aa", 8).await;
    probe.notify("home", true).await;
    let now = view(&mut views, "home again", |view| {
        view.generation > before.generation
    })
    .await;
    assert!(now.up, "no gap");
    assert_eq!(now.extranonce1[..], [0xaa]);
    assert!(before.jobs.iter().all(|job| !job.is_alive()));
    peer.closed().await;
    let mut status = harness.upstream.status();
    soon(
        "status",
        status.wait_for(|status| status.up && status.url_index == 0),
    )
    .await
    .expect("lives");
    assert_eq!(
        (
            harness.metric("connected", "0"),
            harness.metric("connected", "1")
        ),
        (1.0, 0.0)
    );
    harness.stop().await;
}

#[tokio::test]
async fn a_primary_that_flaps_is_looked_at_less_often() {
    const INTERVAL: Duration = Duration::from_millis(100);
    let (first, second) = (Pool::new().await, Pool::new().await);
    let mut config = config(&[&first, &second]);
    config.failback_interval = INTERVAL;
    config.backoff_max = Duration::from_millis(5);
    let harness = Harness::start(config);
    for _ in 0..3 {
        drop(first.accept().await);
    }
    for mistakes in 0..3 {
        let _peer = second.working("bb", 8).await;
        let mut status = harness.upstream.status();
        let fallback = status.wait_for(|status| status.up && status.url_index == 1);
        soon("the fallback", fallback).await.expect("lives");
        let begin = tokio::time::Instant::now();
        let peer = first.working("aa", 8).await;
        // It was told to be up a moment before the clock of the look began.
        assert!(begin.elapsed() + INTERVAL / 4 >= INTERVAL * 2_u32.pow(mistakes));
        let home = status.wait_for(|status| status.up && status.url_index == 0);
        soon("home", home).await.expect("lives");
        drop(peer);
        for _ in 0..2 {
            first.accept().await.handshake("aa", 8).await;
        }
    }
    harness.stop().await;
}

#[tokio::test]
async fn a_refused_username_is_told_and_the_next_url_tried_at_once() {
    let (first, second) = (Pool::new().await, Pool::new().await);
    let harness = Harness::start(config(&[&first, &second]));
    let mut peer = first.accept().await;
    let authorize = peer.expect("mining.authorize").await;
    assert_eq!(authorize["params"], json!(["bc1qpool.axepool", "x"]));
    peer.refuse(&authorize, 24, "invalid address").await;
    let _peer = second.working("bb", 8).await;
    harness.lease().await;
    let error = harness
        .upstream
        .status()
        .borrow()
        .last_error
        .clone()
        .expect("told");
    assert!(
        error.contains("bc1qpool.axepool")
            && error.contains("invalid address")
            && error.contains("[upstream] address")
    );
    assert_eq!(harness.metric("disconnects_total", "unauthorized"), 1.0);
    harness.stop().await;
}

#[tokio::test]
async fn too_small_an_extranonce2_is_told() {
    let pool = Pool::new().await;
    let harness = Harness::start(config(&[&pool]));
    let mut peer = pool.accept().await;
    let subscribe = peer.expect("mining.subscribe").await;
    peer.reply(&subscribe, json!([[["mining.notify", "s"]], "aabb", 1]))
        .await;
    peer.closed().await;
    harness
        .metric_becomes("disconnects_total", "bad_extranonce", 1.0)
        .await;
    harness.stop().await;
}

#[tokio::test]
async fn further_lanes_follow_the_first() {
    let (first, second) = (Pool::new().await, Pool::new().await);
    let mut config = config(&[&first, &second]);
    config.backoff_min = Duration::from_millis(1);
    let harness = Harness::start(config);
    let peer = first.working("a0", 2).await;
    harness.lease().await;
    let leases: Vec<_> = (0..256).map(|_| harness.upstream.lease()).collect();
    assert!(leases[255].is_err(), "full");
    let mut further = first.working("a1", 2).await;
    let on_second_lane = harness.lease().await;
    let mut views = on_second_lane.view();
    assert_eq!(views.borrow().extranonce1[..], [0xa1]);
    drop((peer, first));
    let _peer = second.working("b0", 8).await;
    further.closed().await;
    let _further = second.working("b1", 8).await;
    view(&mut views, "the second lane at the second pool", |view| {
        view.up && view.extranonce1[..] == [0xb1]
    })
    .await;
    harness.stop().await;
}
