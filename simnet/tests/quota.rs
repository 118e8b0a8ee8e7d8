//! A device that is told how much to do does exactly that.

#![allow(clippy::unwrap_used, reason = "a failed test is what a panic is for")]

mod common;

use common::{EASY, PATIENCE, bitaxe, pool};
use simnet::bitaxe::Misbehaviour;
use simnet::pool::{SimPool, SimPoolOptions, SyntheticChain};

#[tokio::test]
async fn it_rests_after_its_shares_until_it_is_told_to_go_on() {
    let pool = pool(|_| {}).await;
    // Every third share is rejected for nothing: it is mined again.
    pool.reject_every(3);
    let axe = bitaxe(&pool, |options| options.stop_after_shares = Some(25));
    let stats = axe.wait_until_done(PATIENCE).await.unwrap();
    assert_eq!(stats.accepted, 25);
    axe.wait_for(|stats| stats.resting, PATIENCE).await.unwrap();
    pool.new_job(true);
    axe.wait_for(|stats| stats.jobs == 2, PATIENCE)
        .await
        .unwrap();
    axe.allow_shares(7);
    let stats = axe.wait_until_done(PATIENCE).await.unwrap();
    assert_eq!(stats.accepted, 32);
    assert_eq!(pool.books().accepted(), 32);
    assert_eq!(stats.accepted_work, pool.books().work());
    assert!(stats.rejected_with(20) > 5);

    axe.allow_all();
    axe.wait_for(|stats| stats.accepted > 50, PATIENCE)
        .await
        .unwrap();
    let before = axe.drain(PATIENCE).await.unwrap().accepted;
    axe.set_hashrate(200_000.0);
    axe.allow_shares(3);
    let stats = axe.wait_until_done(PATIENCE).await.unwrap();
    assert_eq!(stats.accepted, before + 3);
}

#[tokio::test]
async fn it_is_not_thrown_off_by_a_lost_connection_or_its_own_faults() {
    let pool = pool(|_| {}).await;
    let duplicates = Misbehaviour::Duplicate { every: 2 };
    let axe = bitaxe(&pool, |options| {
        options.stop_after_shares = Some(200);
        options.misbehaviours = vec![duplicates];
    });
    axe.wait_for(|stats| stats.accepted > 20, PATIENCE)
        .await
        .unwrap();
    // What the pool has accepted and could not say any more is mined again.
    pool.drop_connections();
    let stats = axe.wait_until_done(PATIENCE).await.unwrap();
    assert_eq!(stats.accepted, 200);
    let accepted = pool.books().accepted();
    assert!((200..=200 + stats.lost).contains(&accepted), "{accepted}");
}

#[tokio::test]
async fn it_finds_a_block_with_one_share() {
    let options = SimPoolOptions {
        difficulty: EASY,
        ..SimPoolOptions::default()
    };
    let pool = SimPool::start_on(options, SyntheticChain::new(5, 30.0 * EASY))
        .await
        .unwrap();
    let axe = bitaxe(&pool, |options| options.stop_after_shares = Some(0));
    for round in 1..=3 {
        axe.allow_block();
        let stats = axe.wait_until_done(PATIENCE).await.unwrap();
        assert_eq!(stats.accepted, round);
        assert_eq!(pool.books().blocks.len() as u64, round);
    }
    assert_eq!(pool.books().accepted(), 3);
}
