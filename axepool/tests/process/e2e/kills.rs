//! The process is killed and stopped under load: what was answered with `true` stays.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use pool::admin::{self, Reply, Request};
use simnet::pool::SimPoolHandle;

use crate::common::{PoolProcess, STOP_DEADLINE};
use crate::loaded::{Load, compare};
use crate::world::{LOADED, credited, ocean, pool};

/// How many miners, each with one share in flight.
const MINERS: u64 = 6;

fn kills() -> u32 {
    match std::env::var_os("AXEPOOL_NIGHTLY") {
        Some(_) => 1_000,
        None => 8,
    }
}

/// Anything below `most`, unlike the last time.
fn random(most: u64) -> u64 {
    RandomState::new().hash_one(()) % most
}

async fn world() -> (SimPoolHandle, PoolProcess) {
    let ocean = ocean(|_| {}).await;
    let mut pool = pool(&ocean, |setup| setup.stratum = LOADED.to_owned()).await;
    pool.setup().listen = pool.stratum().await;
    (ocean, pool)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_random_moments_cost_no_share_that_was_answered() {
    let (_ocean, mut pool) = world().await;
    let load = Load::start(pool.stratum().await, MINERS);
    let kills = kills();
    for _ in 0..kills {
        load.accepts(MINERS).await;
        // The moment itself: nothing is waited for.
        tokio::time::sleep(Duration::from_micros(random(200_000))).await;
        pool.kill();
        pool.spawn().await;
    }
    load.accepts(1).await;
    let told = load.stop().await;
    let sums = credited(&pool).await;
    for (key, told) in &told {
        assert!(told.accepted > 0, "{told:?}");
        compare(key, told, sums.get(&key.npub), u64::from(kills));
    }
    assert_eq!(sums.len(), told.len());
    // Else the kills met nobody at work.
    let lost: u64 = told.iter().map(|(_, told)| told.lost).sum();
    assert!(lost >= u64::from(kills / 2), "{lost} in flight");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_while_an_epoch_closes_leave_each_share_in_one_epoch() {
    let (_ocean, mut pool) = world().await;
    let load = Load::start(pool.stratum().await, MINERS);
    let kills = kills();
    let (mut closed, mut unknown) = (0, 0);
    for _ in 0..kills {
        load.accepts(MINERS).await;
        let socket = pool.data_dir().join("admin.sock");
        let close = tokio::spawn(async move { admin::ask(&socket, &Request::CloseEpoch).await });
        tokio::time::sleep(Duration::from_micros(random(40_000))).await;
        pool.kill();
        match close.await.expect("no panic") {
            Ok(Reply::EpochClosed { .. }) => closed += 1,
            Ok(other) => panic!("{other:?}"),
            Err(_) => unknown += 1,
        }
        pool.spawn().await;
    }
    let told = load.stop().await;
    let epochs = pool.epochs().await;
    let ids: Vec<u64> = epochs.iter().map(|epoch| epoch.id.get()).collect();
    let count = u64::try_from(ids.len()).expect("few");
    assert_eq!(ids, (1..=count).collect::<Vec<_>>(), "no gap");
    let is_closed = epochs.iter().filter(|epoch| !epoch.is_open()).count();
    assert_eq!(is_closed, ids.len() - 1, "the last one alone is open");
    // What was answered is closed; what was not may be.
    assert!(
        (closed..=closed + unknown).contains(&is_closed),
        "{is_closed} closed, {closed} answered, {unknown} not"
    );
    // Each epoch's sums are its miners', and all together each miner's.
    let sums = credited(&pool).await;
    for (key, told) in &told {
        compare(key, told, sums.get(&key.npub), u64::from(kills));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_answers_what_it_stored() {
    let (_ocean, mut pool) = world().await;
    for _ in 0..3 {
        let before = credited(&pool).await;
        let load = Load::start(pool.stratum().await, MINERS);
        load.accepts(50).await;
        let asked = Instant::now();
        let ended = pool.stop().await;
        assert!(ended.success(), "{ended}");
        assert!(asked.elapsed() < STOP_DEADLINE, "{:?}", asked.elapsed());
        let told = load.stop().await;
        pool.spawn().await;
        let sums = credited(&pool).await;
        for (key, told) in &told {
            let (shares, work) = sums[&key.npub];
            let (shares_before, work_before) = before.get(&key.npub).copied().unwrap_or_default();
            let since = (shares - shares_before, work - work_before);
            // Not one more: what was not answered is not there.
            compare(key, told, Some(&since), 0);
        }
    }
}
