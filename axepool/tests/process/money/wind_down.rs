//! What a pool that winds down tells of its debts.

use serde_json::{Value, json};

use crate::common::stderr;
use crate::money::fetch::{fetch, http};
use crate::money::openapi::pool_with_books;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_balances_are_published_and_sum_up_to_what_is_owed() {
    let pool = pool_with_books().await;
    let address = http(&pool).await;
    let balances = async || fetch(address, "/api/wind-down/balances", "").await.json();
    let nothing = json!({ "miners": [], "next": null });
    assert_eq!(
        balances().await,
        nothing,
        "nobody's business while it mines"
    );

    let begun = pool.command(&["wind-down", "--days", "90"]);
    assert!(begun.status.success(), "{}", stderr(&begun));
    let told = pool
        .poll("the balances, which are kept for a second", async |_| {
            let told = balances().await;
            (told != nothing).then_some(told)
        })
        .await;
    assert_eq!(told["next"], Value::Null);
    let miners = told["miners"].as_array().expect("miners");
    let sum = |name: &str| -> u64 {
        let each = miners.iter().map(|miner| miner[name].as_u64());
        each.map(|amount| amount.expect("an amount")).sum()
    };
    // What the mint owes in all is looked at every few seconds.
    let left = pool
        .poll("the sums", async |_| {
            let left = fetch(address, "/api/wind-down", "").await.json();
            (left["unclaimed_sat"] == sum("unclaimed_sat")).then_some(left)
        })
        .await;
    assert_eq!(
        left["carry_msat"],
        sum("carry_msat").to_string(),
        "{left} {told}"
    );
    assert!(sum("unclaimed_sat") > 0 && sum("carry_msat") > 0, "{told}");
    let last = miners.last().expect("one")["miner"]
        .as_str()
        .expect("a key");
    let after = format!("/api/wind-down/balances?after={last}");
    assert_eq!(fetch(address, &after, "").await.json(), nothing);
}
