//! A channel that is closed by force: its money is there once, from the first block to the
//! coin in the wallet, and a person is told who closed it and when it comes.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{ELSEWHERE, PoolProcess, stderr, stdout};
use crate::ocean::{give_up, look};
use crate::payout::prepare::{PAYOUT_MSAT, earned, json, pool_and_ocean};
use crate::world::{key, metric, metric_reaches};

/// More blocks than a side that closes alone has to wait.
const DELAY_BLOCKS: u32 = 150;

/// What closing and sweeping may cost, at a satoshi per vbyte.
const COSTS_MSAT: u64 = 5_000_000;

fn there_msat(told: &Value) -> u64 {
    let text = told["assets"]["total_msat"].as_str();
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Looks until `is_so`; never is more there than was paid in.
async fn until(pool: &PoolProcess, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let since = Instant::now();
    loop {
        let told = json(pool, "/api/solvency").await;
        assert!(there_msat(&told) <= PAYOUT_MSAT, "{what}: {told}");
        if is_so(&told) {
            return told;
        }
        give_up(since, what);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// After a restart, and before the node is up, it is told all the same.
async fn outlives_a_restart(pool: &mut PoolProcess) {
    assert!(pool.stop().await.success(), "{}", pool.log());
    pool.spawn().await;
    pool.wait_ready().await;
    let status = stdout(&pool.command(&["status"]));
    assert!(status.contains("BY FORCE, by this node"), "{status}");
    let closed = metric(pool, "axepool_node_closed_channels", "by=\"us\"").await;
    assert!(closed > 0.0);
    let at_secs = metric(pool, "axepool_node_channel_closed_timestamp_seconds", "").await;
    assert!(at_secs > 1_700_000_000.0);
    metric_reaches(pool, "axepool_node_closed_coming_sat", "", 400_000.0).await;
    pool.poll("what comes of it", async |pool| {
        let said = stdout(&pool.command(&["node", "status"]));
        said.contains("sat come back").then_some(())
    })
    .await;
    let page = crate::money::operator::page(pool).await;
    for part in ["Closed channels", "BY FORCE, by this node", "sat come back"] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_money_of_a_force_closed_channel_is_there_once() {
    let (mut pool, ocean, _stratum, offer) = pool_and_ocean(|_| {}).await;
    earned(&pool, &ocean, &offer, &[key(1)]).await;
    until(&pool, "all of it", |told| there_msat(told) == PAYOUT_MSAT).await;
    let channel = look(&pool).await.channels[0].id.to_string();
    let closed = pool.command(&["node", "close", &channel, "--force"]);
    assert!(closed.status.success(), "{}", stderr(&closed));
    ocean.confirms("the commitment").await;
    pool.poll("the status to tell", async |pool| {
        let shown = stdout(&pool.command(&["status"]));
        let node = stdout(&pool.command(&["node", "status"]));
        let told = "BY FORCE, by this node";
        (shown.contains(told) && node.contains(told)).then_some(())
    })
    .await;

    outlives_a_restart(&mut pool).await;

    ocean.mine(DELAY_BLOCKS);
    until(&pool, "it waits to be swept", |told| {
        told["assets"]["channels_sat"] == 0
    })
    .await;
    // Blocks come until the sweep is a coin of the wallet; at each look it is there once.
    let told = until(&pool, "it is in the wallet", |told| {
        let assets = &told["assets"];
        let is_swept = assets["on_chain_sat"].as_u64() > Some(0) && assets["closing_sat"] == 0;
        if !is_swept {
            ocean.mine(1);
        }
        is_swept
    })
    .await;
    assert!(there_msat(&told) + COSTS_MSAT > PAYOUT_MSAT, "{told}");
    // What the sweep cost is the operator's.
    pool.poll("the sweep's cost in the books", async |pool| {
        ocean.mine(1);
        let told = json(pool, "/api/solvency").await;
        assert!(there_msat(&told) <= PAYOUT_MSAT, "{told}");
        let told = pool.command(&["fee", "status", "--json"]);
        let fee: Value = serde_json::from_str(&stdout(&told)).expect("JSON");
        let costs = fee["node_costs_msat"].as_str().expect("msat");
        (costs != "0").then_some(())
    })
    .await;
    // All of it is the miners', and now on-chain: nothing may be done with it.
    let peer = format!("{}@127.0.0.1:9", ocean.node.id());
    for order in [
        &["node", "open", &peer, "100000"][..],
        &["node", "send-onchain", ELSEWHERE, "1000"],
        &["node", "send-onchain", ELSEWHERE, "all"],
    ] {
        let refused = pool.command(order);
        let told = stderr(&refused);
        assert!(!refused.status.success(), "{order:?}");
        assert!(told.contains("msat are owed"), "{order:?}: {told}");
    }
    assert!(pool.stop().await.success());
    ocean.end().await;
}
