//! A melt whose receiver keeps the payment waiting: it is nobody's loss until it is decided.

use serde_json::Value;

use crate::common::PoolProcess;
use crate::ocean::Ocean;
use crate::payout::prepare::{Purse, earned, json, pool_and_ocean};
use crate::world::key;

/// What is held.
const HELD_MSAT: u64 = 20_000_000;

/// More looks than it takes to pause melts.
const LOOKS: usize = 5;

/// The next look at what is owed and what is there.
async fn next_look(pool: &PoolProcess, after_ms: u64) -> (u64, Value) {
    pool.poll("another look", async |pool| {
        let told = json(pool, "/api/solvency").await;
        let at_ms = told["as_of_ms"].as_u64()?;
        (at_ms > after_ms).then_some((at_ms, told))
    })
    .await
}

#[track_caller]
fn msat(told: &Value, side: &str, part: &str) -> u64 {
    let text = told[side][part].as_str();
    let text = text.unwrap_or_else(|| panic!("no {side}.{part} in {told}"));
    text.parse().expect("a number")
}

/// Pays an invoice that is held, looks `looks` times meanwhile, and lets `decide` end it.
async fn held(
    (pool, ocean, purse): (&PoolProcess, &Ocean, &Purse),
    preimage: [u8; 32],
    looks: usize,
    decide: impl AsyncFnOnce(),
) -> bool {
    let (mut at_ms, before) = next_look(pool, 0).await;
    let invoice = ocean.node.hold_invoice(HELD_MSAT, preimage).await;
    let paying = purse.begin(&["pay", &invoice.expect("an invoice"), "--wait", "60"]);
    pool.poll("the payment at the receiver", async |_| {
        ocean.node.has_come(preimage).then_some(())
    })
    .await;
    // Begun before the payment was under way, the first look may have half of it.
    (at_ms, _) = next_look(pool, at_ms).await;
    for _ in 0..looks {
        let (now_ms, during) = next_look(pool, at_ms).await;
        at_ms = now_ms;
        assert_eq!(during["melts"], "on", "{during}");
        assert_eq!(msat(&during, "assets", "under_way_msat"), HELD_MSAT);
        for side in ["assets", "liabilities"] {
            let same = (&before[side]["total_msat"], &during[side]["total_msat"]);
            assert_eq!(same.0, same.1, "{side} before and meanwhile");
        }
    }
    decide().await;
    let ended = paying.end();
    pool.poll("both sides to be one again", async |pool| {
        let after = json(pool, "/api/solvency").await;
        (msat(&after, "assets", "under_way_msat") == 0).then_some(())
    })
    .await;
    ended.status.success()
}

/// Owed is all that there is, so that the smallest part that counts as gone would pause
/// everybody's melts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_that_somebody_holds_pauses_nothing() {
    let (mut pool, ocean, _stratum, offer) = pool_and_ocean(|_| {}).await;
    let owner = key(1);
    earned(&pool, &ocean, &offer, std::slice::from_ref(&owner)).await;
    let dir = tempfile::tempdir().expect("a directory");
    let purse = Purse::swept(&pool, &owner, dir.path()).await;
    let had = purse.spendable();
    let all = (&pool, &ocean, &purse);

    let back = async || ocean.node.send_back([6; 32]).await.expect("it is held");
    assert!(!held(all, [6; 32], 1, back).await);
    assert_eq!(
        purse.spendable(),
        had,
        "sent back, the ecash is there again"
    );

    let taken = async || {
        ocean
            .node
            .release(HELD_MSAT, [5; 32])
            .await
            .expect("it is held")
    };
    assert!(held(all, [5; 32], LOOKS, taken).await);
    let cost = had - purse.spendable();
    assert!((20_000..20_300).contains(&cost), "{cost}");
    let told = json(&pool, "/api/solvency").await;
    assert_eq!(told["melts"], "on", "{told}");
    assert!(pool.stop().await.success());
    ocean.end().await;
}
