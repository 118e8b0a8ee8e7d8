//! Winding down: devices go to their fallback, mint and pages stay, restarts change
//! nothing, and it can be taken back.

use pool::admin::MintState;
use serde_json::{Value, json};
use simnet::bitaxe::PoolSide;

use crate::common::{PATIENCE, PoolProcess, stderr, stdout};
use crate::e2e::fallback::fallback;
use crate::world::{bitaxe, earns, get, key, ocean, pool};

async fn page(pool: &PoolProcess, path: &str) -> Value {
    let address = pool.status().await.http[0];
    let (code, body) = get(address, path).await;
    assert_eq!(code, 200, "{path}: {body}");
    serde_json::from_str(&body).expect("JSON")
}

#[track_caller]
fn ordered(pool: &PoolProcess, arguments: &[&str]) -> String {
    let output = pool.command(&[&["wind-down"], arguments].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

/// The mint tells it as soon as it is open.
async fn mint_tells(pool: &PoolProcess, told: bool) {
    pool.poll("the mint's message", async |pool| {
        if pool.status().await.mint.state != MintState::Open {
            return None;
        }
        let info = page(pool, "/v1/info").await;
        let said = info["motd"].as_str().unwrap_or_default();
        (said.contains("winding down") == told).then_some(())
    })
    .await;
}

#[tokio::test]
async fn miners_leave_for_their_fallback_and_the_mint_stays() {
    let (ocean, other) = (ocean(|_| {}).await, ocean(|_| {}).await);
    let mut pool = pool(&ocean, |_| {}).await;
    let home = pool.stratum().await;
    pool.setup().listen = home;
    let key = key(7);
    let axe = bitaxe(home, &key, |options| options.fallback = fallback(&other));
    earns(&axe, 5).await;
    assert_eq!(
        page(&pool, "/api/wind-down").await["winding_down"],
        Value::Null
    );
    let refused = pool.command(&["wind-down", "--until", "2020-01-01"]);
    assert!(
        stderr(&refused).contains("over already"),
        "{}",
        stderr(&refused)
    );

    let said = ordered(&pool, &["--days", "30"]);
    assert!(said.contains("winds down since"), "{said}");
    axe.wait_for(|stats| stats.side == PoolSide::Fallback, PATIENCE)
        .await
        .expect("it is sent away in the way that makes its fallback begin");
    earns(&axe, 3).await;
    mint_tells(&pool, true).await;
    let told = page(&pool, "/api/wind-down").await;
    let word = &told["winding_down"];
    let days = 30 * 24 * 3_600_000_u64;
    assert_eq!(
        word["until_ms"].as_u64().expect("a time") / 1000,
        (word["since_ms"].as_u64().expect("a time") + days) / 1000,
        "{told}"
    );
    assert_eq!(told["carry_msat"], json!("0"), "{told}");
    let status = pool.command(&["status"]);
    assert_eq!(status.status.code(), Some(1), "miners are not served");
    assert!(
        stdout(&status).contains("WINDING DOWN"),
        "{}",
        stdout(&status)
    );

    // It is kept, and nobody gets in meanwhile.
    assert!(pool.stop().await.success(), "{}", pool.log());
    pool.spawn().await;
    let after = ordered(&pool, &[]);
    assert!(after.contains("winds down since"), "{after}");
    mint_tells(&pool, true).await;
    assert_eq!(axe.read_stats(|stats| stats.side), PoolSide::Fallback);

    let said = ordered(&pool, &["--cancel"]);
    assert!(said.contains("does not wind down"), "{said}");
    axe.wait_for(
        |stats| stats.side == PoolSide::Primary && stats.authorized,
        PATIENCE,
    )
    .await
    .expect("a probe finds the pool");
    mint_tells(&pool, false).await;
    earns(&axe, 3).await;
    assert!(!pool.data_dir().join("wind-down.json").exists());
    agrees_at_home(&pool, &axe, &key).await;
}

/// What was accepted here is in the ledger, and nothing of the fallback's.
async fn agrees_at_home(
    pool: &PoolProcess,
    axe: &simnet::bitaxe::SimBitaxe,
    key: &simnet::keys::SimKey,
) {
    let stats = axe.drain(PATIENCE).await.expect("every answer comes");
    let home = stats
        .accepted_shares
        .iter()
        .filter(|share| share.side == PoolSide::Primary);
    let at_home = u64::try_from(home.count()).expect("few");
    let (shares, _) = crate::world::credited(pool).await[&key.npub];
    assert!(
        (at_home..=at_home + stats.lost).contains(&shares),
        "{shares} in the ledger, {at_home} answered"
    );
}
