//! Channels that are closed, by real nodes: who did it and why is told over restarts, and
//! when the money comes, until it is there.

use std::time::{Duration, Instant};

use accounting::Sat;
use payout::commands::Close;
use payout::node::{ClosedBy, ClosedView};

use crate::nodes::{World, give_up};

/// What OCEAN has paid, so that the pool's node has money in the channel.
const PAID_MSAT: u64 = 500_000_000;

/// More blocks than a side that closes alone has to wait.
const DELAY_BLOCKS: u32 = 150;

/// A channel with money on both sides.
async fn world() -> World {
    let world = World::new(true).await;
    world.open_channel().await;
    let offer = world.pool.desk.offer(false).await.unwrap().offer.offer;
    let height = world.chain.lock().height();
    let hash = world.pay(&offer, PAID_MSAT, height).await;
    world.booked(hash).await;
    world
}

/// Polls until the closed channel is as wanted.
async fn closed(world: &World, what: &str, is_so: impl Fn(&ClosedView) -> bool) -> ClosedView {
    let since = Instant::now();
    loop {
        let view = world.pool.lightning.view().await.unwrap();
        if let [one] = &view.closed[..]
            && is_so(one)
        {
            return one.clone();
        }
        give_up(since, &format!("{what}: {:?}", view.closed));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn confirms(world: &World) {
    let since = Instant::now();
    while world.chain.lock().mempool().is_empty() {
        give_up(since, "a transaction");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.mine(1);
}

/// Blocks come until all of it is the wallet's.
async fn arrives(world: &World) -> ClosedView {
    let since = Instant::now();
    loop {
        let view = world.pool.lightning.view().await.unwrap();
        let one = view.closed[0].clone();
        if one.closed.money.arrived_secs.is_some() && !view.balances.on_chain.is_zero() {
            return one;
        }
        give_up(since, &format!("the money is there: {one:?}"));
        world.mine(1);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// From the closing to the money, with the node started anew in between.
async fn is_told(mut world: World, by: ClosedBy, why: &str) {
    let one = closed(&world, "it is told", |_| true).await;
    assert_eq!(one.closed.by, by, "{one:?}");
    assert!(one.closed.reason.contains(why), "{one:?}");
    let most = one.closed.money.most;
    let paid = Sat::new(PAID_MSAT / 1000);
    assert!(most <= paid && most.get() > paid.get() - 10_000, "{one:?}");
    confirms(&world).await;
    // A peer's close leaves our balance to be spent at once.
    if by == ClosedBy::Us {
        let waits = closed(&world, "the block", |one| one.about_secs.is_some()).await;
        let block = waits.closed.money.from_block.unwrap();
        assert!(block > world.chain.lock().height(), "{waits:?}");
        assert!(waits.money().contains("come back after block"), "{waits}");
    }
    world.restart_node(|_| {}).await;
    let again = closed(&world, "it is told again", |_| true).await;
    assert_eq!(again.closed.reason, one.closed.reason);
    assert_eq!(
        (again.closed.by, again.closed.at_secs),
        (by, one.closed.at_secs)
    );
    if by == ClosedBy::Us {
        world.mine(DELAY_BLOCKS);
    }
    let there = arrives(&world).await;
    assert!(there.money().contains("in the wallet since"), "{there}");
    world.restart_node(|_| {}).await;
    let recorded = world.pool.lightning.recorded_closings();
    assert_eq!(recorded[0].closed, there.closed);
    let now_secs = u64::from(crate::nodes::now_secs());
    assert!(recorded[0].is_news(now_secs) && recorded[0].is_news(now_secs + 86_400));
    assert!(!recorded[0].is_news(now_secs + 8 * 86_400));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_the_peer_asked_to_close_is_told() {
    let world = world().await;
    let id = world.pool_id().await;
    world.ocean.close_channels(id).await.unwrap();
    is_told(world, ClosedBy::AgreementAskedByPeer, "both sides").await;
}

async fn our_close(world: &World, how: Close) {
    let view = world.pool.lightning.view().await.unwrap();
    let channel = view.channels[0].id;
    world
        .pool
        .lightning
        .close_channel(channel, how)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_this_node_asked_to_close_is_told() {
    let world = world().await;
    our_close(&world, Close::Together).await;
    is_told(world, ClosedBy::AgreementAskedByUs, "both sides").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_this_node_closed_by_force_is_told() {
    let world = world().await;
    our_close(&world, Close::ByForce).await;
    is_told(world, ClosedBy::Us, "axepool node close --force").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_the_peer_closed_by_force_is_told() {
    let world = world().await;
    let id = world.pool_id().await;
    let why = "out of order";
    world.ocean.force_close_channels(id, why).await.unwrap();
    is_told(world, ClosedBy::Peer, why).await;
}
