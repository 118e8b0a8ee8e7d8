//! A channel that is closed by force: its money is there once, from the first block to the
//! coin in the wallet, and a person is told who closed it and when it comes.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{ELSEWHERE, PoolProcess, stderr, stdout};
use crate::ocean::{give_up, look};
use crate::payout::prepare::{PAYOUT_MSAT, earned, json, pool_and_ocean};
use crate::world::key;

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
