//! The pages in a real browser: what an owner sees on a phone and at a desk, and that the
//! code on the screen is money.
//!
//! Needs Chromium and `npm ci --prefix axepool/tests/browser`, which `make test` installs;
//! ignored, so that a plain `cargo test` needs neither.

#[path = "browser/mod.rs"]
mod browser;
mod common;
#[path = "common/earned.rs"]
#[allow(dead_code, unreachable_pub)]
mod earned;
#[path = "common/world.rs"]
#[allow(dead_code, unreachable_pub)]
mod world;

use browser::script;
use earned::{Earned, earned};
use serde_json::json;
use simnet::keys::SimKey;
use world::key;

/// Keys that earned something, one of them next to nothing, and their pool.
async fn owners() -> (Vec<SimKey>, SimKey, Earned, String) {
    let (keys, crumb) = ((1..=3).map(key).collect::<Vec<_>>(), key(9));
    let paid = earned(&keys, std::slice::from_ref(&crumb), 3, |_| {}).await;
    let url = format!("http://{}", paid.pool.status().await.http[0]);
    (keys, crumb, paid, url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium and npm ci --prefix axepool/tests/browser; scripts/test.sh runs it"]
async fn every_page_is_whole_in_every_look() {
    let (keys, _, _paid, url) = owners().await;
    let urls = [format!("{url}/"), format!("{url}/miners/{}", keys[0].hex)];
    let report = script("looks.mjs", &json!({ "urls": urls })).await;
    let looks = report.as_array().expect("a list");
    assert_eq!(looks.len(), urls.len() * 5, "{report:#}");
    for look in looks {
        assert_eq!(look["status"], 200, "{look:#}");
        assert!(look["text"].as_u64() > Some(20), "{look:#}");
        assert_eq!(look["overflow"], 0, "it scrolls sideways: {look:#}");
        for complaints in ["faults", "errors", "outside", "failed"] {
            assert_eq!(look[complaints], json!([]), "{look:#}");
        }
    }
}
