//! Earnings of long ago: a line for each paid epoch, and a sum for the rest.

use serde_json::Value;

use crate::money::fetch::{fetch, http, page};
use crate::money::prepare::{block, close, mine, miners, open, payment, stopped_pool};

/// The last epoch that is closed and paid.
const LAST: u8 = 80;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paid_epochs_of_long_ago_have_a_line_each() {
    let (mut pool, _stratum) = stopped_pool("").await;
    let [one, two] = miners();
    let ledger = open(&pool);
    // The first miner worked in the epochs 1 to 3, the second in 1 and from 4 on.
    for epoch in 3..=LAST {
        if epoch > 3 {
            mine(&ledger, 10 + u32::from(epoch), two, 1_000).await;
        }
        close(&ledger, epoch).await;
        let paid = ledger
            .settle(payment(100 + epoch, 40_000, block(epoch)))
            .await;
        assert!(!paid.expect("books").is_empty());
    }
    ledger.close().await;
    pool.spawn().await;
    let path = format!("/api/miners/{one}");
    let earned = pool.poll("the mint has paid", async |pool| {
        let figures = page(pool, &path).await;
        let paid = figures["account"]["paid"].as_u64().expect("a number");
        (figures["ready_sat"].as_u64() == Some(paid)).then_some(figures)
    });
    let earned = earned.await;
    let rows = |figures: &Value| -> Vec<(u64, String, u64)> {
        let rows = figures["earnings"].as_array().expect("a list").iter();
        let rows = rows.map(|row| {
            let paid = row["paid_sat"].as_u64().unwrap_or(0);
            let state = row["state"].as_str().expect("a state").to_owned();
            (row["epoch"].as_u64().expect("a number"), state, paid)
        });
        rows.collect()
    };
    let lines = rows(&earned);
    let epochs: Vec<u64> = lines.iter().map(|(epoch, ..)| *epoch).collect();
    assert_eq!(epochs, [3, 2, 1], "{earned:#}");
    assert!(
        lines.iter().all(|(_, state, _)| state == "paid"),
        "{lines:?}"
    );
    let paid: u64 = lines.iter().map(|(.., paid)| paid).sum();
    assert_eq!(earned["account"]["paid"], paid);
    assert_eq!(
        earned["older_paid"],
        serde_json::json!({ "epochs": 0, "paid_sat": 0 })
    );
    let html = fetch(http(&pool).await, &format!("/miners/{one}"), "").await;
    let html = String::from_utf8(html.body).expect("text");
    assert!(html.contains("href=\"/epochs/1\""), "{html}");
    assert!(!html.contains("No work of this key"), "{html}");

    // The lines of who was paid often are bounded, and nothing is left out of the sum.
    let often = page(&pool, &format!("/api/miners/{two}")).await;
    let lines = rows(&often);
    assert!((58..=60).contains(&lines.len()), "{}", lines.len());
    let paid: u64 = lines.iter().map(|(.., paid)| paid).sum();
    let older = &often["older_paid"];
    assert!(older["epochs"].as_u64().expect("a number") > 10, "{older}");
    let rest = older["paid_sat"].as_u64().expect("a number");
    assert_eq!(often["account"]["paid"], paid + rest);
}
