//! Prefixes and lanes.

use std::collections::BTreeSet;

use super::harness::{Harness, config, view};
use super::pool::Pool;
use crate::upstream::Unavailable;

#[tokio::test]
async fn without_an_upstream_there_is_no_work() {
    let pool = Pool::new().await;
    let harness = Harness::start(config(&[&pool]));
    assert_eq!(harness.upstream.lease().err(), Some(Unavailable::NoWork));
    let mut none = config(&[&pool]);
    none.urls.clear();
    assert_eq!(
        Harness::start(none).upstream.lease().err(),
        Some(Unavailable::NoWork)
    );
    harness.stop().await;
}

#[tokio::test]
async fn a_full_lane_makes_another_and_prefixes_differ() {
    let pool = Pool::new().await;
    let harness = Harness::start(config(&[&pool]));
    let _first = pool.working("a0", 2).await;
    let mut leases = vec![harness.lease().await];
    leases.extend((1..256).map(|_| harness.upstream.lease().expect("256 prefixes")));
    let prefixes: BTreeSet<_> = leases.iter().map(|lease| lease.prefix().to_vec()).collect();
    assert_eq!(prefixes.len(), 256);
    assert_eq!(harness.upstream.lease().err(), Some(Unavailable::Full));
    let _second = pool.working("a1", 2).await;
    let lease = harness.lease().await;
    assert_eq!(lease.view().borrow().extranonce1[..], [0xa1]);
    harness.metric_becomes("lanes_up", "", 2.0).await;
    harness.metric_becomes("prefixes_in_use", "", 257.0).await;
    assert_eq!(harness.metric("prefixes_free", ""), 255.0);
    harness.stop().await;
}

#[tokio::test]
async fn a_released_prefix_rests_while_a_job_lives_on_which_it_was_used() {
    let pool = Pool::new().await;
    let mut config = config(&[&pool]);
    config.max_lanes = 1;
    let harness = Harness::start(config);
    let mut peer = pool.working("a0", 2).await;
    let mut leases = vec![harness.lease().await];
    leases.extend((1..256).map(|_| harness.upstream.lease().expect("256 prefixes")));
    let mut views = leases[0].view();
    let released = leases.remove(7).prefix().to_vec();
    assert_eq!(harness.upstream.lease().err(), Some(Unavailable::Full));
    peer.notify("b", false).await;
    view(&mut views, "b", |view| view.jobs.len() == 2).await;
    assert_eq!(harness.upstream.lease().err(), Some(Unavailable::Full));
    peer.notify("c", true).await;
    view(&mut views, "c", |view| view.jobs.len() == 1).await;
    assert_eq!(harness.upstream.lease().expect("rested").prefix(), released);
    harness.stop().await;
}

#[tokio::test]
async fn a_prefix_that_nothing_was_credited_with_is_free_at_once() {
    let pool = Pool::new().await;
    let mut config = config(&[&pool]);
    config.max_lanes = 1;
    let harness = Harness::start(config);
    let _peer = pool.working("a0", 2).await;
    let mut leases = vec![harness.lease().await];
    leases.extend((1..256).map(|_| harness.upstream.lease().expect("256 prefixes")));
    let mut leaver = leases.remove(7);
    let prefix = leaver.prefix().to_vec();
    leaver.unused();
    drop(leaver);
    assert_eq!(harness.upstream.lease().expect("free").prefix(), prefix);
    harness.stop().await;
}
