//! The commands that mine: the demonstration, the simulated sides and the load, each as
//! the process that a person starts.

use std::path::Path;

use crate::background::Background;
use crate::common::{PoolProcess, PoolSetup, axepool, stderr, stdout};

#[test]
fn the_demonstration_repeats_with_a_seed_and_leaves_a_pools_data() {
    let dir = tempfile::tempdir().expect("a directory");
    let demo = |data: &[&str]| {
        let args = [
            &["demo", "--miners", "3", "--blocks", "2", "--seed", "7"],
            data,
        ];
        let output = axepool(&args.concat(), dir.path());
        let said = stdout(&output);
        assert!(output.status.success(), "{said}{}", stderr(&output));
        assert!(said.contains("all books agree"), "{said}");
        said
    };
    let sats = |said: &str| {
        let rows = said.lines().filter(|line| line.contains("npub1"));
        let sats = rows.map(|row| row.split_whitespace().nth(6).expect("sats").to_owned());
        sats.collect::<Vec<_>>()
    };
    let first = demo(&["--data-dir", "data"]);
    assert_eq!(sats(&first).len(), 3, "{first}");
    assert_eq!(
        sats(&first),
        sats(&demo(&[])),
        "the same seed, the same sats"
    );

    // What it leaves behind is an ordinary pool's data, in which no other begins.
    let epochs = axepool(&["epochs", "--data-dir", "data", "--json"], dir.path());
    let epochs: Vec<ledger::Epoch> = serde_json::from_slice(&epochs.stdout).expect("JSON");
    assert_eq!(epochs.len(), 4, "{epochs:?}");
    assert_eq!(epochs[0].totals.miners, 3, "{epochs:?}");
    // 8, 16 and 24 shares, and the block.
    assert_eq!(epochs[0].totals.shares, 49, "{epochs:?}");
    let miners = axepool(
        &["miners", "--data-dir", "data", "--epoch", "1", "--workers"],
        dir.path(),
    );
    let listed = stdout(&miners);
    assert_eq!(listed.matches("npub1").count(), 3, "{listed}");
    assert!(listed.contains("bitaxe-2 (all epochs)"), "{listed}");
    let again = axepool(&["demo", "--data-dir", "data"], dir.path());
    assert!(
        stderr(&again).contains("is not empty"),
        "{}",
        stderr(&again)
    );
}

#[test]
fn ctrl_c_ends_the_demonstration_with_the_comparison() {
    let dir = tempfile::tempdir().expect("a directory");
    let args = [
        "demo",
        "--miners",
        "2",
        "--blocks",
        "1",
        "--seconds",
        "2",
        "--keep-running",
    ];
    let mut demo = Background::start(&args, dir.path());
    let mut data = None;
    loop {
        let line = demo.line();
        assert!(!line.is_empty(), "it ended early");
        let path = line.split_whitespace().find(|word| word.starts_with("/"));
        data = data.or(path.map(str::to_owned));
        if line.contains("until Ctrl-C") {
            break;
        }
    }
    let (rest, code) = demo.interrupt();
    assert!(rest.contains("all books agree"), "{rest}");
    assert_eq!(code, Some(0));
    let data = data.expect("the directory");
    assert!(!Path::new(&data).exists(), "{data} is left behind");
}

#[tokio::test]
async fn simulated_sides_meet_at_a_real_pool() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut ocean = Background::start(
        &[
            "sim",
            "pool",
            "--listen",
            "127.0.0.1:0",
            "--difficulty",
            "0.0001",
        ],
        dir.path(),
    );
    let line = ocean.line();
    let address = line
        .trim()
        .strip_prefix("listening on ")
        .expect("an address");
    let pool = PoolProcess::start(PoolSetup::regtest(address.parse().expect("an address"))).await;
    pool.wait_ready().await;
    let target = pool.stratum().await.to_string();
    let devices = [
        "sim",
        "miners",
        "--target",
        &target,
        "--count",
        "2",
        "--seconds",
        "3",
    ];
    let output = axepool(&devices, dir.path());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("bitaxe-2"), "{}", stdout(&output));
    let miners = pool.miners(None).await;
    assert_eq!(miners.miners.len(), 2, "{miners:?}");
    assert!(
        miners.miners.iter().all(|row| row.hashrate > 0.0),
        "{miners:?}"
    );
    assert!(
        miners.miners.iter().all(|row| row.workers.len() == 1),
        "{miners:?}"
    );
    drop(pool);
    let (books, code) = ocean.interrupt();
    assert_eq!(code, Some(0));
    assert!(books.contains("\"users\":[\"bcrt1q"), "{books}");
}

#[tokio::test]
async fn load_measures_a_real_pool() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut ocean = Background::start(
        &[
            "sim",
            "pool",
            "--listen",
            "127.0.0.1:0",
            "--difficulty",
            "0.00001",
        ],
        dir.path(),
    );
    let line = ocean.line();
    let address = line
        .trim()
        .strip_prefix("listening on ")
        .expect("an address");
    let mut setup = PoolSetup::regtest(address.parse().expect("an address"));
    setup.stratum = "min_difficulty = 0.00000001\nstart_difficulty = 0.00000001\n\
                     target_shares_per_minute = 1000000\nmessages_per_second = 100000\n"
        .to_owned();
    let pool = PoolProcess::start(setup).await;
    pool.wait_ready().await;
    let (target, pid) = (pool.stratum().await.to_string(), pool.pid().to_string());
    let args = [
        "load",
        "--target",
        &target,
        "--connections",
        "50",
        "--seconds",
        "2",
        "--pid",
        &pid,
        "--json",
    ];
    let output = axepool(&args, dir.path());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", stdout(&output), stderr(&output)));
    assert!(output.status.success(), "{report:#}");
    assert_eq!(report["connections"], 50, "{report:#}");
    let accepted = report["accepted"].as_u64().expect("a number");
    assert!(accepted > 50, "{report:#}");
    assert!(
        report["server"]["cpu_secs"].as_f64().is_some(),
        "{report:#}"
    );
    // Each share that was answered with `true` is in the ledger; what was in flight at
    // the end may be there too.
    let in_ledger = pool.miners(None).await.epoch.totals.shares;
    let unanswered = report["unanswered"].as_u64().expect("a number");
    assert!(
        (accepted..=accepted + unanswered).contains(&in_ledger),
        "{in_ledger}: {report:#}"
    );
    let remote = axepool(&["load", "--target", "192.0.2.1:3333"], dir.path());
    assert_eq!(remote.status.code(), Some(1), "{}", stderr(&remote));
}
