//! More is owed than there is: melts pause by themselves, and go on when it is back.

use serde_json::Value;

use crate::common::{PoolProcess, stderr, stdout};
use crate::ocean::{Ocean, free_address};
use crate::payout::prepare::{Purse, earned, json, pool_and_ocean};
use crate::world::{key, metric};

/// What everybody is told while they are paused.
const WHY: &str = "the pool owes more than it has";

/// Waits until ecash can be turned into payments, or cannot.
async fn melts_are(pool: &PoolProcess, state: &str) -> Value {
    pool.poll(state, async |pool| {
        let solvency = json(pool, "/api/solvency").await;
        (solvency["melts"] == state).then_some(solvency)
    })
    .await
}

/// The operator sends away what is the miners', against all advice.
async fn breach(pool: &PoolProcess, ocean: &Ocean) {
    let invoice = ocean.node.invoice(100_000_000).await.expect("an invoice");
    let refused = pool.command(&["node", "pay", &invoice]);
    assert!(!refused.status.success(), "{}", stdout(&refused));
    assert!(stderr(&refused).contains("--force"), "{}", stderr(&refused));
    let forced = pool.command(&["node", "pay", &invoice, "--force"]);
    assert!(forced.status.success(), "{}", stderr(&forced));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_more_is_owed_than_there_is_melts_pause_until_it_is_back() {
    // The wallet finds its mint again after the restart.
    let http = free_address();
    let (mut pool, ocean, _stratum, offer) = pool_and_ocean(|setup| setup.http = http).await;
    let owner = key(1);
    earned(&pool, &ocean, &offer, std::slice::from_ref(&owner)).await;
    melts_are(&pool, "on").await;
    let dir = tempfile::tempdir().expect("a directory");
    let purse = Purse::swept(&pool, &owner, dir.path()).await;
    let had = purse.spendable();

    breach(&pool, &ocean).await;
    let paused = melts_are(&pool, "paused").await;
    let missing = paused["missing_msat"].as_str().expect("msat");
    let missing: u64 = missing.parse().expect("a number");
    assert!((99_000_000..101_000_000).contains(&missing), "{paused}");
    assert!(metric(&pool, "axepool_melts_paused", "").await > 0.0);
    let info = json(&pool, "/v1/info").await;
    assert_eq!(info["nuts"]["5"]["disabled"], true, "{info}");
    assert!(info["motd"].to_string().contains(WHY), "{info}");
    let payee = ocean.node.invoice(40_000_000).await.expect("an invoice");
    let told = purse.run(&["pay", &payee]);
    assert!(!told.status.success(), "{}", stdout(&told));
    assert!(stderr(&told).contains(WHY), "{}", stderr(&told));
    assert_eq!(purse.spendable(), had);

    // A start does not forget it.
    pool.kill();
    pool.spawn().await;
    pool.wait_ready().await;
    melts_are(&pool, "paused").await;

    let deposit = pool.command(&["address", "--deposit"]);
    assert!(deposit.status.success(), "{}", stderr(&deposit));
    let address: bitcoin::Address<_> = stdout(&deposit).trim().parse().expect("an address");
    ocean.gives(&address.assume_checked(), 150_000);
    melts_are(&pool, "on").await;
    assert!(metric(&pool, "axepool_melts_paused", "").await < 1.0);
    let info = json(&pool, "/v1/info").await;
    assert_ne!(info["nuts"]["5"]["disabled"], true, "{info}");
    assert!(!info["motd"].to_string().contains(WHY), "{info}");
    ocean.channel_is_usable(&pool).await;
    purse.pays(&[&payee]);
    let cost = had - purse.spendable();
    assert!((40_000..40_500).contains(&cost), "{cost}");
    let ended = pool.stop().await;
    assert!(ended.success(), "{ended}; {}", pool.log());
    ocean.end().await;
}
