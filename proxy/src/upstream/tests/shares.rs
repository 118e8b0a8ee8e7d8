//! Shares on their way to the pool, and the pool's answers.

use std::sync::Arc;

use serde_json::json;

use super::fixtures::submit_of;
use super::harness::{Harness, config, view};
use super::pool::Pool;
use crate::upstream::{LaneClosed, Lease, UpstreamSubmit};

fn share(lease: &Lease, nonce: u32) -> UpstreamSubmit {
    let view = lease.view();
    let job = Arc::clone(view.borrow().current().expect("up"));
    UpstreamSubmit {
        nonce,
        ..submit_of(&job)
    }
}

#[tokio::test]
async fn answers_in_any_order_go_to_their_miner_and_to_the_books() {
    let pool = Pool::new().await;
    let mut harness = Harness::start(config(&[&pool]));
    let mut peer = pool.working("aabb", 8).await;
    let lease = harness.lease().await;
    lease.forward(share(&lease, 1)).await.expect("open");
    lease.forward(share(&lease, 2)).await.expect("open");
    let first = peer.expect("mining.submit").await;
    let second = peer.expect("mining.submit").await;
    assert_eq!(
        first["params"],
        json!([
            "bc1qpool.axepool",
            "first",
            "0000000000000001",
            "66000001",
            "00000001",
            "00002000"
        ])
    );
    assert_eq!(second["params"][4], "00000002");
    peer.refuse(&second, 23, "high-hash").await;
    let refused = harness.result().await;
    assert!(!refused.accepted);
    peer.reply(&first, json!(true)).await;
    let taken = harness.result().await;
    assert!(taken.accepted);
    assert_eq!(taken.upstream_work, share(&lease, 0).job.upstream.work);
    assert_eq!(harness.metric("rejected_total", "low_difficulty"), 1.0);
    assert_eq!(
        (
            harness.metric("submits_total", ""),
            harness.metric("accepted_total", "")
        ),
        (2.0, 1.0)
    );
    assert_eq!(harness.metric("work_refused_ratio", ""), 0.5);
    harness.stop().await;
}

#[tokio::test]
async fn a_share_of_a_lost_connection_is_counted_and_never_sent() {
    let pool = Pool::new().await;
    let harness = Harness::start(config(&[&pool]));
    let mut peer = pool.working("aabb", 8).await;
    let lease = harness.lease().await;
    let (unanswered, late) = (share(&lease, 1), share(&lease, 2));
    lease.forward(unanswered).await.expect("open");
    peer.expect("mining.submit").await;
    drop(peer);
    harness.metric_becomes("unanswered_total", "", 1.0).await;
    let mut peer = pool.working("aabb", 8).await;
    let mut views = lease.view();
    view(&mut views, "up again", |view| view.up).await;
    lease.forward(late).await.expect("open");
    harness.metric_becomes("not_sent_total", "", 1.0).await;
    lease.forward(share(&lease, 3)).await.expect("open");
    assert_eq!(peer.expect("mining.submit").await["params"][4], "00000003");
    harness.stop().await;
}

#[tokio::test]
async fn a_share_of_a_replaced_job_is_the_upstreams_to_judge() {
    let pool = Pool::new().await;
    let harness = Harness::start(config(&[&pool]));
    let mut peer = pool.working("aabb", 8).await;
    let lease = harness.lease().await;
    let old = share(&lease, 1);
    peer.notify("clean", true).await;
    let mut views = lease.view();
    view(&mut views, "replaced", |view| {
        &*view.jobs[0].upstream_id == "clean"
    })
    .await;
    assert!(!old.job.is_alive());
    lease.forward(old).await.expect("open");
    assert_eq!(peer.expect("mining.submit").await["params"][1], "first");
    harness.stop().await;
}

#[tokio::test]
async fn jobs_go_on_while_the_ledger_stands_still() {
    let pool = Pool::new().await;
    let mut harness = Harness::start(config(&[&pool]));
    let mut peer = pool.working("aabb", 8).await;
    let lease = harness.lease().await;
    // The harness's queue of results holds 16, and nobody takes them.
    for nonce in 0..16 {
        lease.forward(share(&lease, nonce)).await.expect("open");
        let submit = peer.expect("mining.submit").await;
        peer.reply(&submit, json!(true)).await;
    }
    harness.metric_becomes("accepted_total", "", 16.0).await;
    let waiting = share(&lease, 16);
    let waits = lease.forward(waiting.clone());
    tokio::pin!(waits);
    assert!(futures::poll!(waits.as_mut()).is_pending());
    peer.notify("onward", true).await;
    let mut views = lease.view();
    view(&mut views, "a job", |view| {
        &*view.jobs[0].upstream_id == "onward"
    })
    .await;
    // A block found waits for nobody.
    let block = UpstreamSubmit {
        meets_network: true,
        nonce: 99,
        ..share(&lease, 0)
    };
    lease.forward(block).await.expect("open");
    let submit = peer.expect("mining.submit").await;
    assert_eq!(submit["params"][4], "00000063");
    peer.reply(&submit, json!(true)).await;
    harness
        .metric_becomes("blocks_found_total", "accepted", 1.0)
        .await;
    assert_eq!(harness.metric("results_unrecorded_total", ""), 1.0);
    assert!(harness.result().await.accepted);
    waits.await.expect("room again");
    assert_eq!(peer.expect("mining.submit").await["params"][4], "00000010");
    harness.stop().await;
}

#[tokio::test]
async fn the_end_sends_what_is_queued_and_waits_for_its_answer() {
    let pool = Pool::new().await;
    let mut harness = Harness::start(config(&[&pool]));
    let mut peer = pool.working("aabb", 8).await;
    let lease = harness.lease().await;
    lease.forward(share(&lease, 1)).await.expect("open");
    harness.cancel.cancel();
    let submit = peer.expect("mining.submit").await;
    peer.reply(&submit, json!(true)).await;
    assert!(harness.result().await.accepted);
    peer.closed().await;
    assert_eq!(lease.forward(late_share()).await, Err(LaneClosed));
    harness.stop().await;
}

/// Any share will do: the lane is closed.
fn late_share() -> UpstreamSubmit {
    submit_of(&Arc::new(super::fixtures::job_of("gone")))
}
