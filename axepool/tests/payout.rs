//! From a share to sats in a wallet: the pool as a process with its lightning node, and
//! OCEAN's node beside it, over a chain of our own.

mod common;
#[path = "common/ocean.rs"]
mod ocean;
#[path = "common/world.rs"]
#[allow(dead_code, unreachable_pub)]
mod world;

use std::collections::BTreeMap;

use common::{PoolProcess, stderr, stdout};
use ledger::{CloseCause, EpochState};
use ocean::{Ocean, node_status, offer};
use serde_json::Value;
use simnet::keys::SimKey;
use world::{bitaxe, credited, earns, get, key};

/// Beyond the hundredth of the channel that the pool's side has to keep, and below the
/// tenth that may come at once.
const PAYOUT_MSAT: u64 = 500_000_000;

/// Quotes at the first share, and no others.
const AT_ONCE: &str = "[mint]\nquote_min_work = 0\n";

/// A pool with a usable channel from OCEAN, and its offer.
async fn pool_and_ocean(more: &str) -> (PoolProcess, Ocean, simnet::pool::SimPoolHandle, String) {
    let ocean = Ocean::start().await;
    let stratum = world::ocean(|_| {}).await;
    let sections = format!("{}{AT_ONCE}{more}", ocean.config());
    let pool = world::pool(&stratum, |setup| setup.stratum.push_str(&sections)).await;
    ocean.open_channel(&pool).await;
    let offer = offer(&pool).await;
    (pool, ocean, stratum, offer)
}

/// Two devices, and what they are credited with when they have stopped.
async fn mine_some(pool: &PoolProcess, keys: &[SimKey]) {
    let stratum = pool.stratum().await;
    let mut devices = Vec::new();
    for key in keys {
        devices.push(bitaxe(stratum, key, |_| {}));
    }
    for device in &devices {
        earns(device, 3).await;
    }
    for device in devices {
        device.stop().await;
    }
}

/// Waits until the newest closed epoch was closed by the block at `height`.
async fn closed_by(pool: &PoolProcess, height: u32) {
    pool.poll("the epoch closed by OCEAN's block", async |pool| {
        pool.epochs().await.into_iter().find(|epoch| {
            matches!(epoch.state, EpochState::Closed {
                cause: CloseCause::OceanBlock { height: at, .. }, ..
            } if at == height)
        })
    })
    .await;
}

async fn json(pool: &PoolProcess, path: &str) -> Value {
    let (code, body) = get(pool.status().await.http[0], path).await;
    assert_eq!(code, 200, "{path}: {body}");
    serde_json::from_str(&body).expect("JSON")
}

/// A key file for the owner's commands.
fn key_file(dir: &std::path::Path, key: &SimKey) -> String {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = dir.join(format!("{}.key", &key.hex[..8]));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .expect("a new file");
    let secret: String = key
        .secret
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    writeln!(file, "{secret}").expect("written");
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payout_becomes_paid_quotes_and_sats_in_a_wallet() {
    let (mut pool, ocean, _stratum, offer) = pool_and_ocean("").await;
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
    let paid = pool
        .poll("paid quotes", async |pool| {
            let solvency = json(pool, "/api/solvency").await;
            solvency["liabilities"]["paid_unissued_sat"]
                .as_u64()
                .filter(|sat| *sat > 0)
        })
        .await;
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

    let mint = format!("http://{}", pool.status().await.http[0]);
    let dir = tempfile::tempdir().expect("a directory");
    let mut swept = 0;
    for owner in &keys {
        let key = key_file(dir.path(), owner);
        let wallet = dir.path().join(&owner.hex[..8]).display().to_string();
        let done = common::axepool(
            &["sweep", "--mint", &mint, "--key", &key, "--wallet", &wallet],
            dir.path(),
        );
        assert!(done.status.success(), "{}{}", stdout(&done), stderr(&done));
        swept += spendable(&wallet, dir.path());
    }
    assert_eq!(swept, paid, "what was paid is what was swept");

    let solvency = pool
        .poll("the books after the sweeps", async |pool| {
            let solvency = json(pool, "/api/solvency").await;
            (solvency["liabilities"]["outstanding_sat"] == paid).then_some(solvency)
        })
        .await;
    assert_eq!(solvency["liabilities"]["unapplied_sat"], 0, "{solvency}");
    assert_eq!(
        solvency["liabilities"]["total_msat"],
        PAYOUT_MSAT.to_string(),
        "{solvency}"
    );
    assert_eq!(solvency["melts"], "on", "{solvency}");
    // And back over lightning, by invoice and by offer.
    let wallet = dir.path().join(&keys[0].hex[..8]).display().to_string();
    let before = spendable(&wallet, dir.path());
    let invoice = ocean.node.invoice(40_000_000).await.expect("an invoice");
    pays(&wallet, &[&invoice], dir.path());
    let any_amount = ocean.node.offer().await.expect("an offer");
    pays(&wallet, &[&any_amount, "20000"], dir.path());
    let after = spendable(&wallet, dir.path());
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

/// What a wallet has to spend.
fn spendable(wallet: &str, dir: &std::path::Path) -> u64 {
    let told = common::axepool(&["wallet", "--wallet", wallet, "balance", "--json"], dir);
    assert!(told.status.success(), "{}", stderr(&told));
    let text = stdout(&told);
    let mints: BTreeMap<String, Value> =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let spendable = |balance: &Value| balance["spendable_sat"].as_u64().expect("a number");
    mints.values().map(spendable).sum()
}

fn pays(wallet: &str, to: &[&str], dir: &std::path::Path) {
    let args = [&["wallet", "--wallet", wallet, "pay"], to].concat();
    let paid = common::axepool(&args, dir);
    assert!(paid.status.success(), "{}{}", stdout(&paid), stderr(&paid));
}
