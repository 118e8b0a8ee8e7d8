//! Pools that do not do as others do, and are of use all the same; and one that is not.

use std::time::Duration;

use serde_json::{Value, json};

use super::fixtures::submit_of;
use super::harness::{Harness, config, view};
use super::pool::{Peer, Pool, job, soon};
use crate::upstream::{Lease, UpstreamSubmit};

/// Answers the handshake up to authorize, without a job.
async fn authorizes(peer: &mut Peer, answer: Value) {
    let configure = peer.expect("mining.configure").await;
    peer.reply(&configure, json!({})).await;
    let subscribe = peer.expect("mining.subscribe").await;
    peer.reply(&subscribe, json!([[], "aabb", 8])).await;
    let authorize = peer.expect("mining.authorize").await;
    peer.reply(&authorize, answer).await;
}

#[tokio::test]
async fn an_odd_answer_to_authorize_is_no_refusal_while_work_flows() {
    for answer in [json!(null), json!(1), json!("true")] {
        let pool = Pool::new().await;
        let harness = Harness::start(config(&[&pool]));
        let mut peer = pool.accept().await;
        authorizes(&mut peer, answer).await;
        peer.call("mining.set_difficulty", json!([64])).await;
        peer.notify("a", true).await;
        assert!(harness.lease().await.view().borrow().up);
        assert_eq!(harness.metric("disconnects_total", ""), 0.0);
        harness.stop().await;
    }
}

#[tokio::test]
async fn false_is_a_refusal() {
    let pool = Pool::new().await;
    let harness = Harness::start(config(&[&pool]));
    let mut peer = pool.accept().await;
    authorizes(&mut peer, json!(false)).await;
    harness
        .metric_becomes("disconnects_total", "unauthorized", 1.0)
        .await;
    harness.stop().await;
}

/// Two connections in a row end by it, and the next ones go without: the first job may
/// have come before or not.
#[tokio::test]
async fn a_pool_that_hangs_up_on_extranonce_subscribe_is_spoken_to_without() {
    for job_first in [false, true] {
        let pool = Pool::new().await;
        let mut config = config(&[&pool]);
        config.backoff_max = Duration::from_millis(5);
        let harness = Harness::start(config);
        for _ in 0..2 {
            let mut peer = pool.accept().await;
            if job_first {
                peer.call("mining.set_difficulty", json!([64])).await;
                peer.notify("a", true).await;
            }
            authorizes(&mut peer, json!(true)).await;
            peer.expect("mining.extranonce.subscribe").await;
        }
        let mut peer = pool.accept().await;
        authorizes(&mut peer, json!(true)).await;
        peer.call("mining.set_difficulty", json!([64])).await;
        peer.notify("a", true).await;
        let lease = harness.lease().await;
        // Whatever it says to anything: that it never comes is seen by what comes next.
        lease.forward(share(&lease, 1)).await.expect("open");
        let next = peer.next().await.expect("open");
        assert_eq!(next["method"], "mining.submit", "{next}");
        harness.stop().await;
    }
}

/// The reason of [`super::super::status::UpstreamStatus`] once it holds `words`.
async fn last_error(harness: &Harness, words: &str) -> String {
    let mut status = harness.upstream.status();
    let has = |error: &Option<String>| error.as_ref().is_some_and(|error| error.contains(words));
    let status = soon(words, status.wait_for(|status| has(&status.last_error))).await;
    let status = status.expect("lives").clone();
    status.last_error.expect("just looked at")
}

#[tokio::test]
async fn a_job_that_cannot_be_read_is_named_when_none_comes() {
    type Spoil = fn(&mut Value);
    let cases: [(Spoil, &str); 5] = [
        (
            |job| job[4] = json!(vec!["05".repeat(32); 33]),
            "merkle branches must be at most 32",
        ),
        (
            |job| job[0] = json!("x".repeat(200)),
            "job id must be a string of at most 128 bytes",
        ),
        (|job| job[6] = json!("00000000"), "nbits"),
        (|job| job[1] = json!("00"), "prevhash must be 64 hex digits"),
        (|job| job[4] = json!("none"), "params must be a list"),
    ];
    for (spoil, named) in cases {
        let pool = Pool::new().await;
        let mut config = config(&[&pool]);
        config.connect_timeout = Duration::from_millis(300);
        let harness = Harness::start(config);
        let mut peer = pool.accept().await;
        peer.handshake("aabb", 8).await;
        let mut params = job("bad", true);
        spoil(&mut params);
        peer.call("mining.notify", params).await;
        let error = last_error(&harness, "no job within").await;
        assert!(error.contains(named), "{error}");
        harness.stop().await;
    }
}

#[tokio::test]
async fn jobs_that_cannot_be_read_any_more_are_named_too() {
    let pool = Pool::new().await;
    let mut config = config(&[&pool]);
    config.no_job_timeout = Duration::from_millis(300);
    let harness = Harness::start(config);
    let mut peer = pool.working("aabb", 8).await;
    let lease = harness.lease().await;
    peer.notify(&"y".repeat(129), true).await;
    let error = last_error(&harness, "no job for").await;
    assert!(
        error.contains("job id must be a string of at most 128"),
        "{error}"
    );
    drop(lease);
    harness.stop().await;
}

#[tokio::test]
async fn a_new_block_is_a_clean_job_whatever_the_flag_says() {
    let pool = Pool::new().await;
    let harness = Harness::start(config(&[&pool]));
    let mut peer = pool.working("aabb", 8).await;
    let mut views = harness.lease().await.view();
    peer.notify("same block", false).await;
    let two = view(&mut views, "two jobs", |view| view.jobs.len() == 2).await;
    let mut params = job("next block", false);
    params[1] = json!("11".repeat(32));
    peer.call("mining.notify", params).await;
    let one = view(&mut views, "the new block", |view| {
        view.current()
            .is_some_and(|job| &*job.upstream_id == "next block")
    })
    .await;
    assert_eq!(one.jobs.len(), 1);
    assert!(
        one.jobs[0].clean_jobs,
        "devices are told to drop the old ones"
    );
    assert!(two.jobs.iter().all(|job| !job.is_alive()));
    assert_eq!(harness.metric("jobs_total", "true"), 2.0);
    harness.stop().await;
}

fn share(lease: &Lease, nonce: u32) -> UpstreamSubmit {
    let view = lease.view();
    let job = std::sync::Arc::clone(view.borrow().current().expect("up"));
    UpstreamSubmit {
        nonce,
        ..submit_of(&job)
    }
}

/// Refuses every share on a connection until it is closed; how many those were.
async fn refuses_all(harness: &mut Harness, peer: &mut Peer) -> u32 {
    let lease = harness.lease().await;
    let first = share(&lease, 0);
    for nonce in 0.. {
        let next = UpstreamSubmit {
            nonce,
            ..first.clone()
        };
        lease.forward(next).await.expect("the lane lives");
        // What was sent when the connection was made comes first.
        let submit = loop {
            match peer.next().await {
                None => return nonce,
                Some(line) if line["method"] == "mining.submit" => break line,
                Some(_) => {}
            }
        };
        peer.refuse(&submit, 21, "Job not found").await;
        assert!(!harness.result().await.accepted);
    }
    0
}

#[tokio::test]
async fn a_pool_that_refuses_everything_is_met_again_and_then_left() {
    let (first, second) = (Pool::new().await, Pool::new().await);
    let mut harness = Harness::start(config(&[&first, &second]));
    for _ in 0..2 {
        let mut peer = first.working("aa", 8).await;
        let refused = refuses_all(&mut harness, &mut peer).await;
        assert!(refused >= 20, "{refused}");
    }
    let _peer = second.working("bb", 8).await;
    let mut status = harness.upstream.status();
    let moved = status.wait_for(|status| status.up && status.url_index == 1);
    let moved = soon("the second", moved).await.expect("lives").clone();
    let left = &moved.left[0];
    assert_eq!((left.index, &left.url), (0, &first.url));
    assert!(left.why.contains("refuses all shares"), "{}", left.why);
    assert!(left.why.contains("job_not_found"), "{}", left.why);
    assert!(left.why.contains("Job not found"), "{}", left.why);
    assert_eq!(harness.metric("disconnects_total", "refuses_shares"), 2.0);
    harness.stop().await;
}
