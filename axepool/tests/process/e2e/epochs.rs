//! Epochs under load, what the commands print of them, and who keeps shares back.

use serde_json::Value;
use simnet::bitaxe::{Misbehaviour, SimBitaxe};

use crate::common::{PATIENCE, PoolProcess, stderr, stdout};
use crate::loaded::{Load, compare};
use crate::world::{HASHRATE, LOADED, UPSTREAM, agrees, bitaxe, credited, earns, key, ocean, pool};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_share_is_in_one_epoch() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |setup| setup.stratum = LOADED.to_owned()).await;
    let load = Load::start(pool.stratum().await, 4);
    let mut closed = Vec::new();
    for _ in 0..10 {
        load.accepts(10).await;
        closed.push(pool.close_epoch().await);
    }
    let told = load.stop().await;
    let sums = credited(&pool).await;
    for (key, told) in &told {
        compare(key, told, sums.get(&key.npub), 0);
    }
    // What was said at the close is final.
    let epochs = pool.epochs().await;
    assert_eq!(epochs.len(), 11);
    for (now, then) in epochs.iter().zip(&closed) {
        assert_eq!((now.id, now.state), (then.id, then.state));
        let shares = |epoch: &accounting::Epoch| (epoch.totals.shares, epoch.totals.work);
        assert_eq!(shares(now), shares(then));
        assert!(now.totals.shares >= 10, "{now:?}");
    }
    // One ends where the next begins.
    for pair in epochs.windows(2) {
        assert_eq!(pair[0].closed_ms(), Some(pair[1].opened_ms));
    }
}

/// What a command prints, as JSON or as text.
#[track_caller]
fn print(pool: &PoolProcess, args: &[&str]) -> String {
    let output = pool.command(args);
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    stdout(&output)
}

/// The open epoch's rates are of the moment; all else stays while nobody mines.
fn without_rates(text: &str) -> Value {
    let mut value: Value = serde_json::from_str(text).expect("JSON");
    let rows = value["miners"].as_array_mut().expect("miners");
    for row in rows {
        row["hashrate"] = Value::Null;
    }
    value
}

#[tokio::test]
async fn commands_print_the_same_with_and_without_a_running_pool() {
    let ocean = ocean(|_| {}).await;
    let mut pool = pool(&ocean, |_| {}).await;
    let target = pool.stratum().await;
    let keys = [key(1), key(2)];
    let axes: Vec<SimBitaxe> = keys
        .iter()
        .map(|key| bitaxe(target, key, |options| options.hashrate *= 2.0))
        .collect();
    for axe in &axes {
        earns(axe, 30).await;
    }
    pool.close_epoch().await;
    for (axe, key) in axes.iter().zip(&keys) {
        earns(axe, 10).await;
        agrees(&pool, axe, key).await;
        axe.stop().await;
    }
    // The upstream has answered all that it was sent.
    pool.poll("the upstream's answers", async |pool| {
        let answered = |epoch: &accounting::Epoch| {
            epoch.totals.upstream_accepted + epoch.totals.upstream_refused
        };
        let epochs = pool.epochs().await;
        let found: u64 = epochs.iter().map(|epoch| epoch.totals.upstream_found).sum();
        (epochs.iter().map(answered).sum::<u64>() == found).then_some(())
    })
    .await;

    let fixed: [&[&str]; 5] = [
        &["epochs", "--json"],
        &["miners", "--json", "--epoch", "1"],
        &["miners", "--json", "--epoch", "1", "--workers"],
        &["miners", "suspect"],
        &["miners", "suspect", "--json"],
    ];
    let running: Vec<String> = fixed.iter().map(|args| print(&pool, args)).collect();
    let open = without_rates(&print(&pool, &["miners", "--json", "--workers"]));
    let tables = [print(&pool, &["epochs"]), print(&pool, &["miners"])];
    pool.stop().await;
    for (args, running) in fixed.iter().zip(&running) {
        assert_eq!(&print(&pool, args), running, "{args:?}");
    }
    assert_eq!(
        without_rates(&print(&pool, &["miners", "--json", "--workers"])),
        open
    );
    // The tables have what the JSON has, and times that go on.
    let stopped = [print(&pool, &["epochs"]), print(&pool, &["miners"])];
    for (running, stopped) in tables.iter().zip(&stopped) {
        assert_eq!(running.lines().count(), stopped.lines().count());
        for key in &keys {
            assert_eq!(running.contains(&key.npub), stopped.contains(&key.npub));
        }
    }
    assert!(tables[1].starts_with("epoch 2 (open)"), "{}", tables[1]);
}

#[tokio::test]
async fn who_keeps_back_what_earns_is_found() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |_| {}).await;
    let target = pool.stratum().await;
    let fast = |options: &mut simnet::bitaxe::SimBitaxeOptions| options.hashrate = 3.0 * HASHRATE;
    let keys = [key(1), key(2), key(3)];
    let honest = [
        bitaxe(target, &keys[0], fast),
        bitaxe(target, &keys[1], fast),
    ];
    let withholder = bitaxe(target, &keys[2], |options| {
        fast(options);
        options.misbehaviours = vec![Misbehaviour::Withhold {
            difficulty: UPSTREAM,
        }];
    });
    // So many that no honest miner would have found none of them in the age of the world.
    withholder
        .wait_for(|stats| stats.withheld >= 40, PATIENCE)
        .await
        .expect("it finds some");
    agrees(&pool, &withholder, &keys[2]).await;
    for axe in &honest {
        axe.drain(PATIENCE).await.expect("every answer comes");
    }
    let suspects: Value =
        serde_json::from_str(&print(&pool, &["miners", "suspect", "--json"])).expect("JSON");
    let first = &suspects[0];
    let miner: accounting::MinerId = serde_json::from_value(first["miner"].clone()).expect("a key");
    assert_eq!(miner.npub(), keys[2].npub, "{suspects}");
    assert_eq!(first["found"], 0, "{suspects}");
    assert!(
        first["expected"].as_f64().expect("a number") > 15.0,
        "{suspects}"
    );
    assert!(
        first["chance"].as_f64().expect("a number") < 1e-6,
        "{suspects}"
    );
    for row in &suspects.as_array().expect("rows")[1..] {
        assert!(
            row["chance"].as_f64().expect("a number") > 1e-6,
            "{suspects}"
        );
    }
    // The table has a line for it; the honest ones are in none, but by bad luck.
    let table = print(&pool, &["miners", "suspect"]);
    assert!(table.contains(&keys[2].npub), "{table}");
    assert!(credited(&pool).await.len() == 3);
}
