//! OCEAN pays an offer of this node that the pool has no record of any more: the payment
//! waits, and the operator gives it to the miners.

use std::fs;

use accounting::{EpochId, EpochState};
use serde_json::Value;

use crate::common::{PoolProcess, stderr, stdout};
use crate::payout::prepare::{PAYOUT_MSAT, closed_by, json, mine_some, paid_sat, pool_and_ocean};
use crate::world::{key, metric_reaches};

/// The only payment in suspense.
async fn suspended(pool: &PoolProcess) -> Value {
    pool.poll("the payment in suspense", async |pool| {
        let told = pool.command(&["suspense", "list", "--json"]);
        let rows: Vec<Value> = serde_json::from_str(&stdout(&told)).ok()?;
        assert!(rows.len() <= 1, "{rows:?}");
        rows.into_iter().next()
    })
    .await
}

async fn closed(pool: &PoolProcess) -> EpochId {
    let epochs = pool.epochs().await;
    let is_closed = |state: &EpochState| matches!(state, EpochState::Closed { .. });
    let closed = epochs.iter().find(|epoch| is_closed(&epoch.state));
    closed.expect("an epoch of the past").id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_to_a_forgotten_offer_waits_and_is_assigned() {
    let (mut pool, ocean, _stratum, offer) = pool_and_ocean(|_| {}).await;
    mine_some(&pool, &[key(1), key(2)]).await;
    let (_, height) = ocean.find_block();
    ocean.mine(2);
    closed_by(&pool, height).await;
    assert!(pool.stop().await.success(), "{}", pool.log());
    fs::remove_file(pool.data_dir().join("offers.json")).expect("removes");
    pool.spawn().await;
    pool.wait_ready().await;
    ocean.channel_is_usable(&pool).await;

    ocean.pay(&offer, PAYOUT_MSAT, height).await;
    let row = suspended(&pool).await;
    assert_eq!(row["amount_msat"], PAYOUT_MSAT, "{row}");
    let shown = stdout(&pool.command(&["suspense", "list"]));
    assert!(shown.contains("offers.json does not know"), "{shown}");
    metric_reaches(&pool, "axepool_payouts_suspended", "", 1.0).await;
    // It is nobody's yet: no miner's, and not the operator's.
    let fee = stdout(&pool.command(&["fee", "status", "--json"]));
    let fee: Value = serde_json::from_str(&fee).expect("JSON");
    assert_eq!(fee["withdrawable_msat"], "0", "{fee}");
    let solvency = json(&pool, "/api/solvency").await;
    assert_eq!(
        solvency["liabilities"]["paid_unissued_sat"], 0,
        "{solvency}"
    );

    let payout = row["payout"].as_str().expect("a key").to_owned();
    let epoch = closed(&pool).await.to_string();
    let assigned = pool.command(&["suspense", "assign", &payout, &epoch]);
    assert!(assigned.status.success(), "{}", stderr(&assigned));
    let paid = paid_sat(&pool).await;
    assert!(paid <= PAYOUT_MSAT / 1000 && paid + 2 >= PAYOUT_MSAT / 1000);
    assert!(pool.command(&["suspense", "list"]).status.success());
    let again = pool.command(&["suspense", "assign", &payout, &epoch]);
    assert!(again.status.success(), "{}", stderr(&again));
    assert_eq!(paid_sat(&pool).await, paid, "once");
    let taken = pool.command(&["suspense", "to-fee", &payout]);
    assert!(stderr(&taken).contains("is not in suspense"), "{taken:?}");
    assert!(pool.stop().await.success(), "{}", pool.log());
    ocean.end().await;
}
