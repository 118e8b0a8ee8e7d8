//! A device and the pool agree to the share: every `true` is in the pool's books, and
//! nothing else is.

#![allow(clippy::unwrap_used, reason = "a failed test is what a panic is for")]

mod common;

use std::collections::BTreeSet;

use common::{EASY, PATIENCE, bitaxe, pool};
use simnet::bitaxe::{BitaxeStats, Firmware, Misbehaviour, SimBitaxeOptions};
use simnet::pool::{
    Books, ExtranonceAudience, PoolVardiff, Reject, SimPool, SimPoolOptions, SyntheticChain,
    VersionReading,
};

#[track_caller]
fn assert_agree(stats: &BitaxeStats, books: &Books) {
    assert_eq!(stats.accepted, books.accepted());
    assert_eq!(stats.accepted_work, books.work());
    assert_eq!(stats.rejected(), books.rejected());
    assert_eq!(stats.sent, stats.accepted + stats.rejected());
    let ours: BTreeSet<_> = stats
        .accepted_shares
        .iter()
        .map(|share| share.hash)
        .collect();
    let theirs: BTreeSet<_> = books.shares.iter().map(|share| share.hash).collect();
    assert_eq!(ours, theirs);
    assert_eq!(ours.len() as u64, stats.accepted);
}

async fn case(
    change_pool: impl FnOnce(&mut SimPoolOptions),
    change_device: impl FnOnce(&mut SimBitaxeOptions),
) -> (BitaxeStats, Books) {
    let pool = pool(change_pool).await;
    let axe = bitaxe(&pool, change_device);
    for round in 1..=4 {
        axe.wait_for(|stats| stats.accepted >= 40 * round, PATIENCE)
            .await
            .unwrap();
        pool.new_job(round == 2);
    }
    let stats = axe.drain(PATIENCE).await.unwrap();
    let books = pool.books();
    assert_agree(&stats, &books);
    (stats, books)
}

#[tokio::test]
async fn every_firmware_is_understood() {
    for firmware in [
        Firmware::EspMiner,
        Firmware::NerdQAxe,
        Firmware::NerdMiner,
        Firmware::Minerd,
    ] {
        let (stats, books) = case(|_| {}, |options| options.firmware = firmware).await;
        let rolls = matches!(firmware, Firmware::EspMiner | Firmware::NerdQAxe);
        assert_eq!(
            stats.version_mask,
            if rolls { 0x1fff_e000 } else { 0 },
            "{firmware:?}"
        );
        assert_eq!(books.masks_asked.len(), usize::from(rolls));
        let versions: BTreeSet<_> = books.shares.iter().map(|share| share.version).collect();
        assert_eq!(
            versions.len() > 1,
            rolls,
            "{firmware:?} hashed versions {versions:x?}"
        );
        assert!(
            stats
                .rejected()
                .saturating_sub(books.rejected_for(Reject::Stale))
                == 0
        );
    }
}

#[tokio::test]
async fn every_shape_of_extranonce_is_understood() {
    for (first, second) in [(4, 2), (1, 8), (8, 16), (4, 4)] {
        let (stats, books) = case(
            |options| {
                options.extranonce1_size = first;
                options.extranonce2_size = second;
            },
            |_| {},
        )
        .await;
        assert_eq!(
            (stats.extranonce1.len(), stats.extranonce2_size),
            (first, second)
        );
        assert!(
            books
                .shares
                .iter()
                .all(|share| share.extranonce.len() == first + second)
        );
    }
}

/// Where the template sets bits inside the mask the two readings differ, and ESP-Miner
/// submits the one that BIP310 does not mean.
#[tokio::test]
async fn version_bits_are_read_as_the_pool_reads_them() {
    for (reading, understood) in [
        (VersionReading::Xor, true),
        (VersionReading::Either, true),
        (VersionReading::Bip310, false),
    ] {
        let mut chain = SyntheticChain::new(3, 126e12);
        chain.version = 0x2000_4000;
        let options = SimPoolOptions {
            difficulty: EASY,
            version_reading: reading,
            job_interval: None,
            ..SimPoolOptions::default()
        };
        let pool = SimPool::start_on(options, chain).await.unwrap();
        let axe = bitaxe(&pool, |_| {});
        axe.wait_for(|stats| stats.accepted + stats.rejected() >= 60, PATIENCE)
            .await
            .unwrap();
        let stats = axe.drain(PATIENCE).await.unwrap();
        let books = pool.books();
        if understood {
            assert_agree(&stats, &books);
            assert_eq!(stats.rejected(), 0, "{reading:?}: {:?}", stats.rejected);
            continue;
        }
        // The pool hashes another header than the device did. At so low a difficulty about
        // one in 430 of these meets the target by luck: no accepted hash is the device's.
        assert_eq!(stats.accepted, books.accepted());
        assert!(
            stats.rejected() > 10 * stats.accepted,
            "{reading:?}: {} accepted, {:?}",
            stats.accepted,
            stats.rejected
        );
        let ours: BTreeSet<_> = stats
            .accepted_shares
            .iter()
            .map(|share| share.hash)
            .collect();
        assert!(books.shares.iter().all(|share| !ours.contains(&share.hash)));
    }
}

#[tokio::test]
async fn misbehaviour_is_seen_for_what_it_is() {
    let duplicate = Misbehaviour::Duplicate { every: 3 };
    let (stats, books) = case(|_| {}, |options| options.misbehaviours = vec![duplicate]).await;
    assert!(books.rejected_for(Reject::Duplicate) >= 40);
    assert_eq!(
        stats.rejected_with(22),
        books.rejected_for(Reject::Duplicate)
    );

    let wrong = Misbehaviour::WrongDifficulty { factor: 0.5 };
    let (stats, books) = case(|_| {}, |options| options.misbehaviours = vec![wrong]).await;
    assert!(books.rejected_for(Reject::HighHash) > 20);
    assert_eq!(
        stats.rejected_with(23),
        books.rejected_for(Reject::HighHash)
    );

    let withhold = Misbehaviour::Withhold {
        difficulty: 4.0 * EASY,
    };
    let (stats, books) = case(|_| {}, |options| options.misbehaviours = vec![withhold]).await;
    assert!(stats.withheld > 10, "{}", stats.withheld);
    let best = books
        .shares
        .iter()
        .map(|share| simnet::stratum::achieved_difficulty(&share.hash));
    assert!(best.fold(0.0, f64::max) < 4.0 * EASY);
}

#[tokio::test]
async fn another_username_and_junk_are_refused() {
    let pool = pool(|_| {}).await;
    let other = Misbehaviour::SubmitAs {
        username: "bc1qthief.x".to_owned(),
    };
    let flood = Misbehaviour::Flood { per_second: 500 };
    let axe = bitaxe(&pool, |options| options.misbehaviours = vec![other, flood]);
    axe.wait_for(
        |stats| stats.rejected_with(24) > 20 && stats.rejected_with(20) > 20,
        PATIENCE,
    )
    .await
    .unwrap();
    assert_eq!(pool.read_books(Books::accepted), 0);
}

#[tokio::test]
async fn blocks_are_found_and_move_the_chain() {
    let options = SimPoolOptions {
        difficulty: EASY,
        ..SimPoolOptions::default()
    };
    let chain = SyntheticChain::new(4, 20.0 * EASY);
    let pool = SimPool::start_on(options, chain).await.unwrap();
    let axe = bitaxe(&pool, |_| {});
    pool.wait_for(|books| books.blocks.len() >= 4, PATIENCE)
        .await
        .unwrap();
    let stats = axe.drain(PATIENCE).await.unwrap();
    let books = pool.books();
    assert_agree(&stats, &books);
    let heights: Vec<_> = books.blocks.iter().map(|block| block.height).collect();
    assert_eq!(heights[..3], [930_001, 930_002, 930_003]);
    for block in &books.blocks {
        assert!(
            books
                .shares
                .iter()
                .any(|share| share.is_block && share.hash == block.hash)
        );
    }
    assert!(stats.clean_jobs >= 4);
}

#[tokio::test]
async fn changes_of_extranonce_are_followed() {
    let pool = pool(|_| {}).await;
    let subscriber = bitaxe(&pool, |options| options.extranonce_subscribe = true);
    let other = bitaxe(&pool, |options| options.seed = 2);
    subscriber
        .wait_for(|stats| stats.accepted > 10, PATIENCE)
        .await
        .unwrap();
    other
        .wait_for(|stats| stats.accepted > 10, PATIENCE)
        .await
        .unwrap();
    let before = (subscriber.stats().extranonce1, other.stats().extranonce1);
    assert_ne!(before.0, before.1);

    pool.set_extranonce(8, ExtranonceAudience::Subscribers);
    subscriber
        .wait_for(|stats| stats.jobs == 2, PATIENCE)
        .await
        .unwrap();
    other
        .wait_for(|stats| stats.jobs == 2, PATIENCE)
        .await
        .unwrap();
    assert_ne!(subscriber.stats().extranonce1, before.0);
    assert_eq!(other.stats().extranonce1, before.1);

    pool.set_extranonce(5, ExtranonceAudience::All);
    other
        .wait_for(|stats| stats.jobs == 3, PATIENCE)
        .await
        .unwrap();
    assert_ne!(other.stats().extranonce1, before.1);
    assert_eq!(other.stats().extranonce2_size, 5);

    let accepted = other.stats().accepted;
    other
        .wait_for(|stats| stats.accepted > accepted + 10, PATIENCE)
        .await
        .unwrap();
    let total = subscriber.drain(PATIENCE).await.unwrap().accepted
        + other.drain(PATIENCE).await.unwrap().accepted;
    assert_eq!(total, pool.read_books(Books::accepted));
}

#[tokio::test]
async fn the_pool_can_steer_the_difficulty() {
    let vardiff = PoolVardiff {
        shares_per_minute: 600.0,
        every_shares: 8,
        min_difficulty: EASY,
    };
    let pool = pool(|options| {
        options.vardiff = Some(vardiff);
        options.job_interval = Some(std::time::Duration::from_millis(20));
    })
    .await;
    let axe = bitaxe(&pool, |_| {});
    // 50,000 hashes a second are far more than ten shares a second at the start.
    axe.wait_for(|stats| stats.difficulty > 4.0 * EASY, PATIENCE)
        .await
        .unwrap();
    let stats = axe.drain(PATIENCE).await.unwrap();
    assert_agree(&stats, &pool.books());
}
