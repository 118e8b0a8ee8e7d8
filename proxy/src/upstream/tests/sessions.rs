//! One upstream connection after another.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::harness::{Harness, config, view};
use super::pool::Pool;

#[tokio::test]
async fn a_job_comes_with_all_that_belongs_to_it() {
    let pool = Pool::new().await;
    let harness = Harness::start(config(&[&pool]));
    let _peer = pool.working("a1b2c3d4", 8).await;
    let lease = harness.lease().await;
    assert_eq!((lease.prefix(), lease.generation()), (&[0, 0, 0][..], 1));
    let now = Arc::clone(&lease.view().borrow());
    assert!(now.up);
    assert_eq!(
        (now.prefix_size, now.extranonce2_size, now.version_mask),
        (3, 8, 0x1fff_e000)
    );
    let job = now.current().expect("up");
    assert_eq!(
        (&*job.upstream_id, job.sequence, job.generation),
        ("first", 1, 1)
    );
    assert_eq!(&*job.extranonce1, &[0xa1, 0xb2, 0xc3, 0xd4]);
    assert_eq!(job.upstream.difficulty.get(), 64.0);
    let middle = format!(
        r#""{}","0102","0304",["{}"],"20000000","1d00ffff""#,
        "00".repeat(32),
        "05".repeat(32)
    );
    assert_eq!(&*job.notify_middle, middle);
    let status = harness.upstream.status().borrow().clone();
    assert!(status.up && status.last_job.is_some());
    assert_eq!(status.url_index, 0);
    assert_eq!(harness.metric("connected", "0"), 1.0);
    assert_eq!(harness.metric("jobs_total", "true"), 1.0);
    harness.stop().await;
}

#[tokio::test]
async fn the_loss_of_the_upstream_kills_its_jobs_at_once_and_a_new_session_is_a_new_generation() {
    let pool = Pool::new().await;
    let harness = Harness::start(config(&[&pool]));
    let mut peer = pool.working("aabb", 8).await;
    let mut lease = harness.lease().await;
    let mut views = lease.view();
    peer.notify("second", false).await;
    let two = view(&mut views, "two jobs", |view| view.jobs.len() == 2).await;
    drop(peer);
    let down = view(&mut views, "down", |view| !view.up).await;
    assert!(down.jobs.is_empty() && down.current().is_none());
    assert!(two.jobs.iter().all(|job| !job.is_alive()));
    assert!(lease.renew().is_err());
    let _peer = pool.working("aabb", 8).await;
    let up = view(&mut views, "up again", |view| view.up).await;
    assert_eq!(up.generation, two.generation + 1);
    assert_eq!(lease.generation(), 1);
    lease.renew().expect("up");
    assert_eq!(lease.generation(), 2);
    let again = up.current().expect("up");
    assert_eq!(again.sequence, 3);
    assert!(
        Arc::ptr_eq(&again.seen, &two.jobs[0].seen),
        "the same work is seen over a reconnect"
    );
    assert_eq!(harness.metric("disconnects_total", "closed"), 1.0);
    harness.stop().await;
}

#[tokio::test]
async fn clean_jobs_kill_the_older_ones_and_others_do_not() {
    let pool = Pool::new().await;
    let harness = Harness::start(config(&[&pool]));
    let mut peer = pool.working("aabb", 8).await;
    let mut views = harness.lease().await.view();
    peer.notify("b", false).await;
    let two = view(&mut views, "two jobs", |view| view.jobs.len() == 2).await;
    assert!(two.jobs.iter().all(|job| job.is_alive()));
    peer.notify("c", true).await;
    let one = view(&mut views, "one job", |view| view.jobs.len() == 1).await;
    assert_eq!(&*one.jobs[0].upstream_id, "c");
    assert!(two.jobs.iter().all(|job| !job.is_alive()));
    harness.stop().await;
}

#[tokio::test]
async fn set_extranonce_begins_a_generation_with_its_first_job() {
    let pool = Pool::new().await;
    let harness = Harness::start(config(&[&pool]));
    let mut peer = pool.working("aabb", 8).await;
    let mut lease = harness.lease().await;
    let mut views = lease.view();
    peer.call("mining.set_extranonce", json!(["ccdd", 6])).await;
    peer.notify("new", false).await;
    let now = view(&mut views, "the new generation", |view| {
        view.generation == 2
    })
    .await;
    assert_eq!(
        (&now.extranonce1[..], now.extranonce2_size, now.prefix_size),
        (&[0xcc, 0xdd][..], 6, 2)
    );
    assert_eq!(now.jobs.len(), 2);
    assert!(
        now.jobs[0].is_alive(),
        "the job before keeps its own extranonce1"
    );
    assert_eq!(
        (&now.jobs[0].extranonce1[..], now.jobs[0].generation),
        (&[0xaa, 0xbb][..], 1)
    );
    lease.renew().expect("up");
    assert_eq!(lease.prefix().len(), 2);
    harness.stop().await;
}

#[tokio::test]
async fn a_pool_without_news_is_left() {
    let pool = Pool::new().await;
    let mut config = config(&[&pool]);
    config.no_job_timeout = Duration::from_millis(100);
    let harness = Harness::start(config);
    let mut peer = pool.working("aabb", 8).await;
    let mut views = harness.lease().await.view();
    view(&mut views, "down", |view| !view.up).await;
    peer.closed().await;
    assert_eq!(harness.metric("disconnects_total", "stalled"), 1.0);
    let _peer = pool.working("aabb", 8).await;
    view(&mut views, "up again", |view| view.up).await;
    harness.stop().await;
}

#[tokio::test]
async fn garbage_is_passed_over_and_endless_lines_are_not() {
    let pool = Pool::new().await;
    let harness = Harness::start(config(&[&pool]));
    let mut peer = pool.accept().await;
    peer.send("\u{1}<html>").await;
    peer.handshake("aabb", 8).await;
    for line in [
        "{}",
        "[]",
        "{\"id\":{}}",
        "{\"method\":\"mining.notify\",\"params\":[1]}",
        "null",
    ] {
        peer.send(line).await;
    }
    peer.notify("good", true).await;
    let mut views = harness.lease().await.view();
    assert!(harness.metric("ignored_messages_total", "") >= 5.0);
    peer.send(&"x".repeat(200 * 1024)).await;
    view(&mut views, "down", |view| !view.up).await;
    assert_eq!(harness.metric("disconnects_total", "line_too_long"), 1.0);
    harness.stop().await;
}

#[tokio::test]
async fn masks_without_end_before_the_first_job_come_to_the_last_one() {
    let pool = Pool::new().await;
    let harness = Harness::start(config(&[&pool]));
    let mut peer = pool.accept().await;
    peer.handshake("aabb", 8).await;
    for mask in 0..2_000_u32 {
        let mask = format!("{:08x}", 0x2000 * (mask % 8));
        peer.call("mining.set_version_mask", json!([mask])).await;
    }
    peer.call("mining.set_version_mask", json!(["00ffe000"]))
        .await;
    peer.notify("first", true).await;
    let lease = harness.lease().await;
    assert_eq!(lease.view().borrow().version_mask, 0x00ff_e000);
    harness.stop().await;
}

#[tokio::test]
async fn reconnect_is_followed_on_the_same_host_alone() {
    let (pool, other) = (Pool::new().await, Pool::new().await);
    let harness = Harness::start(config(&[&pool]));
    let mut peer = pool.working("aabb", 8).await;
    let mut views = harness.lease().await.view();
    peer.call("client.reconnect", json!(["localhost", other.url.port, 0]))
        .await;
    peer.notify("still", true).await;
    let now = view(&mut views, "still the same", |view| {
        view.jobs.iter().any(|job| &*job.upstream_id == "still")
    })
    .await;
    assert_eq!(now.generation, 1);
    peer.call(
        "client.reconnect",
        json!(["", other.url.port.to_string(), "0"]),
    )
    .await;
    peer.closed().await;
    let _elsewhere = other.working("ccdd", 8).await;
    let now = view(&mut views, "up elsewhere", |view| {
        view.up && view.generation == 2
    })
    .await;
    assert_eq!(&now.extranonce1[..], &[0xcc, 0xdd]);
    assert_eq!(harness.metric("disconnects_total", "asked"), 1.0);
    harness.stop().await;
}

#[tokio::test]
async fn a_pool_that_closes_on_configure_is_spoken_to_without() {
    let pool = Pool::new().await;
    let mut config = config(&[&pool]);
    config.backoff_max = Duration::from_millis(5);
    let harness = Harness::start(config);
    for _ in 0..2 {
        let mut peer = pool.accept().await;
        peer.expect("mining.configure").await;
    }
    let mut peer = pool.accept().await;
    let subscribe = peer.expect("mining.subscribe").await;
    assert_eq!(subscribe["id"], 1, "the first line");
    peer.reply(&subscribe, json!([[], "aabb", 8])).await;
    let authorize = peer.expect("mining.authorize").await;
    peer.reply(&authorize, json!(true)).await;
    peer.call("mining.set_difficulty", json!([1])).await;
    peer.notify("a", true).await;
    assert_eq!(harness.lease().await.view().borrow().version_mask, 0);
    harness.stop().await;
}
