//! From a share to sats in a wallet.

use std::collections::BTreeMap;

use crate::common::stdout;
use crate::ocean::node_status;
use crate::payout::prepare::{
    PAYOUT_MSAT, Purse, closed_by, mine_some, outstanding_is, paid_sat, pool_and_ocean,
};
use crate::world::{credited, key};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payout_becomes_paid_quotes_and_sats_in_a_wallet() {
    let (mut pool, ocean, _stratum, offer) = pool_and_ocean(|_| {}).await;
    let keys = [key(1), key(2)];
    mine_some(&pool, &keys).await;
    let (_, height) = ocean.find_block();
    ocean.mine(2);
    closed_by(&pool, height).await;
    let work: BTreeMap<String, u128> = credited(&pool)
        .await
        .into_iter()
        .map(|(npub, (_, work))| (npub, work))
        .collect();

    // Killed as the money comes: what was not booked is told again.
    ocean.pay(&offer, PAYOUT_MSAT, height).await;
    pool.kill();
    pool.spawn().await;
    pool.wait_ready().await;
    let paid = paid_sat(&pool).await;
    // Each miner's floor, and what the largest remainder adds.
    let total: u128 = work.values().sum();
    let floors: u64 = work
        .values()
        .map(|work| u64::try_from(work * u128::from(PAYOUT_MSAT) / total / 1000).expect("small"))
        .sum();
    let most = PAYOUT_MSAT / 1000;
    assert!(
        floors <= paid && paid <= most,
        "{floors} <= {paid} <= {most}"
    );

    let dir = tempfile::tempdir().expect("a directory");
    let mut purses = Vec::new();
    for owner in &keys {
        purses.push(Purse::swept(&pool, owner, dir.path()).await);
    }
    let swept: u64 = purses.iter().map(Purse::spendable).sum();
    assert_eq!(swept, paid, "what was paid is what was swept");

    let solvency = outstanding_is(&pool, paid).await;
    assert_eq!(
        solvency["liabilities"]["total_msat"],
        PAYOUT_MSAT.to_string(),
        "{solvency}"
    );
    assert_eq!(solvency["melts"], "on", "{solvency}");
    // And back over lightning, by invoice and by offer.
    let before = purses[0].spendable();
    let invoice = ocean.node.invoice(40_000_000).await.expect("an invoice");
    purses[0].pays(&[&invoice]);
    let any_amount = ocean.node.offer().await.expect("an offer");
    purses[0].pays(&[&any_amount, "20000"]);
    let after = purses[0].spendable();
    let cost = before - after;
    assert!((60_000..60_700).contains(&cost), "{before} - {after}");

    let status = node_status(&pool).await;
    assert!(status.node.is_some(), "{status:?}");
    let told = pool.command(&["node", "status"]);
    assert!(stdout(&told).contains("can be paid"), "{}", stdout(&told));
    let ended = pool.stop().await;
    assert!(ended.success(), "{ended}; {}", pool.log());
    ocean.end().await;
}
