//! How a Bitaxe finds its pool: giving up, falling back, coming home.

#![allow(clippy::unwrap_used, reason = "a failed test is what a panic is for")]

mod common;

use common::{PATIENCE, bitaxe, pool};
use simnet::bitaxe::{Firmware, Misbehaviour, PoolAddress, PoolSide};
use simnet::pool::{Books, JobAfter, SimPoolHandle};

fn fallback(pool: &SimPoolHandle) -> Option<PoolAddress> {
    Some(PoolAddress::new(
        pool.address().to_string(),
        "bc1qsim.fallback",
    ))
}

#[tokio::test]
async fn three_failures_lead_to_the_fallback_and_a_good_probe_back() {
    let (primary, secondary) = (pool(|_| {}).await, pool(|_| {}).await);
    primary.stop_accepting().await;
    let axe = bitaxe(&primary, |options| options.fallback = fallback(&secondary));
    axe.wait_for(
        |stats| stats.side == PoolSide::Fallback && stats.accepted > 5,
        PATIENCE,
    )
    .await
    .unwrap();
    let stats = axe.stats();
    assert_eq!((stats.failures, stats.switches), (3, 1));
    axe.wait_for(|stats| stats.probes >= 2, PATIENCE)
        .await
        .unwrap();
    assert_eq!(axe.stats().good_probes, 0, "nobody listens there");

    primary.resume_accepting().await;
    axe.wait_for(
        |stats| stats.side == PoolSide::Primary && stats.authorized,
        PATIENCE,
    )
    .await
    .unwrap();
    primary
        .wait_for(|books| books.accepted() > 5, PATIENCE)
        .await
        .unwrap();
    let stats = axe.drain(PATIENCE).await.unwrap();
    assert_eq!((stats.good_probes, stats.switches), (1, 2));
    // The probe asked for no mask: only the session after it did.
    assert_eq!(
        primary.read_books(|books| books.masks_asked.values().sum::<u64>()),
        1
    );
    assert_eq!(
        primary.read_books(|books| books.user_agents.values().sum::<u64>()),
        2
    );
    let at_home = stats
        .accepted_shares
        .iter()
        .filter(|share| share.side == PoolSide::Primary);
    assert_eq!(at_home.count() as u64, primary.read_books(Books::accepted));
}

/// An error in answer to authorize resets the retries too: the device never leaves.
#[tokio::test]
async fn a_refusal_keeps_it_for_ever() {
    let (primary, secondary) = (pool(|_| {}).await, pool(|_| {}).await);
    primary.set_faults(|faults| faults.refuse_authorize = true);
    let axe = bitaxe(&primary, |options| options.fallback = fallback(&secondary));
    for round in 1..=6 {
        axe.wait_for(|stats| stats.authorize_refused >= round, PATIENCE)
            .await
            .unwrap();
        primary.drop_connections();
    }
    let stats = axe.stop().await;
    assert_eq!((stats.side, stats.switches), (PoolSide::Primary, 0));
    assert!(stats.failures >= 5, "{}", stats.failures);
}

/// Closing without any answer to authorize is what sends it away.
#[tokio::test]
async fn silence_and_closing_lead_to_the_fallback() {
    let (primary, secondary) = (pool(|_| {}).await, pool(|_| {}).await);
    primary.set_faults(|faults| faults.stall = simnet::pool::Stall::All);
    let axe = bitaxe(&primary, |options| options.fallback = fallback(&secondary));
    for connection in 1..=3 {
        axe.wait_for(|stats| stats.connections == connection, PATIENCE)
            .await
            .unwrap();
        primary
            .wait_for(|books| books.open_connections == 1, PATIENCE)
            .await
            .unwrap();
        primary.drop_connections();
    }
    axe.wait_for(
        |stats| stats.side == PoolSide::Fallback && stats.accepted > 0,
        PATIENCE,
    )
    .await
    .unwrap();
    // The primary accepts connections and says nothing: no reason to go back.
    axe.wait_for(|stats| stats.probes >= 1, PATIENCE)
        .await
        .unwrap();
    assert_eq!(axe.stats().side, PoolSide::Fallback);
}

/// The one read of a probe is over with the first segment. A pool that says
/// `mining.notify` only in its notify, later, is not found.
#[tokio::test]
async fn a_probe_reads_once() {
    let (primary, secondary) = (pool(|_| {}).await, pool(|_| {}).await);
    primary.stop_accepting().await;
    let axe = bitaxe(&primary, |options| options.fallback = fallback(&secondary));
    axe.wait_for(
        |stats| stats.side == PoolSide::Fallback && stats.authorized,
        PATIENCE,
    )
    .await
    .unwrap();
    // Byte by byte: the first read is but the beginning of the reply to subscribe.
    primary.set_faults(|faults| faults.byte_by_byte = true);
    primary.resume_accepting().await;
    let probes = axe.stats().probes;
    axe.wait_for(|stats| stats.probes >= probes + 2, PATIENCE)
        .await
        .unwrap();
    assert_eq!(
        (axe.stats().good_probes, axe.stats().side),
        (0, PoolSide::Fallback)
    );
    primary.set_faults(|faults| faults.byte_by_byte = false);
    axe.wait_for(|stats| stats.side == PoolSide::Primary, PATIENCE)
        .await
        .unwrap();
}

#[tokio::test]
async fn without_a_fallback_it_tries_on_and_on() {
    let primary = pool(|_| {}).await;
    primary.stop_accepting().await;
    let axe = bitaxe(&primary, |_| {});
    axe.wait_for(|stats| stats.failures >= 7, PATIENCE)
        .await
        .unwrap();
    primary.resume_accepting().await;
    axe.wait_for(|stats| stats.accepted > 0, PATIENCE)
        .await
        .unwrap();
    assert_eq!(axe.stats().switches, 0);
}

#[tokio::test]
async fn it_reconnects_to_the_same_place_when_asked() {
    let (primary, elsewhere) = (pool(|_| {}).await, pool(|_| {}).await);
    let axe = bitaxe(&primary, |_| {});
    axe.wait_for(|stats| stats.accepted > 0, PATIENCE)
        .await
        .unwrap();
    primary.reconnect(Some(("127.0.0.1", elsewhere.address().port(), 0)));
    axe.wait_for(|stats| stats.connections == 2 && stats.authorized, PATIENCE)
        .await
        .unwrap();
    let stats = axe.drain(PATIENCE).await.unwrap();
    assert_eq!((stats.reconnects, stats.failures), (1, 0));
    assert_eq!(elsewhere.read_books(|books| books.connections), 0);
    // What was in flight when it left may have been accepted; nothing else differs.
    let accepted = primary.read_books(Books::accepted);
    assert!((stats.accepted..=stats.accepted + stats.lost).contains(&accepted));
}

/// The first line must answer subscribe, else NerdMiner gives up.
#[tokio::test]
async fn nerd_miner_wants_its_reply_first() {
    let fine = pool(|options| options.job_after = JobAfter::Authorize).await;
    let axe = bitaxe(&fine, |options| options.firmware = Firmware::NerdMiner);
    axe.wait_for(|stats| stats.accepted > 0, PATIENCE)
        .await
        .unwrap();

    let slow = pool(|_| {}).await;
    slow.set_faults(|faults| faults.answer_delay = std::time::Duration::from_millis(50));
    let axe = bitaxe(&slow, |options| options.firmware = Firmware::NerdMiner);
    axe.wait_for(|stats| stats.failures >= 4, PATIENCE)
        .await
        .unwrap();
    assert_eq!(axe.stats().jobs, 0);
}

#[tokio::test]
async fn old_jobs_are_gone_on_with_by_the_stubborn_only() {
    let primary = pool(|_| {}).await;
    let stubborn = bitaxe(&primary, |options| {
        options.misbehaviours = vec![Misbehaviour::IgnoreNewJobs];
    });
    stubborn
        .wait_for(|stats| stats.accepted > 0, PATIENCE)
        .await
        .unwrap();
    primary.network_block();
    stubborn
        .wait_for(|stats| stats.rejected_with(21) > 5, PATIENCE)
        .await
        .unwrap();
    assert_eq!(stubborn.stats().jobs, 1);
}
