//! cashu-ts against this mint. Needs `npm ci --prefix mint/tests/interop`, which
//! `make test` does; it is ignored so that a plain `cargo test` needs no node.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::support::{Owner, Pool, row_sums};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs npm ci --prefix mint/tests/interop; scripts/test.sh runs it"]
async fn cashu_ts_finds_mints_spends_and_receives() {
    let pool = Pool::start().await;
    let [owner, second, third, stranger] = [(); 4].map(|()| Owner::new());
    pool.paid(&owner, &[(1, 13), (2, 8), (3, 0), (4, 100), (5, 1)])
        .await;
    pool.paid(&second, &[(1, 30), (2, 15)]).await;
    pool.paid(&third, &[(1, 20), (2, 3)]).await;
    let hex = |owner: &Owner| owner.secret.to_secret_hex();
    let asked = json!({
        "url": pool.url,
        "secret": hex(&owner),
        "key": owner.miner,
        "second": { "secret": hex(&second), "key": second.miner },
        "third": { "secret": hex(&third), "key": third.miner },
        "stranger": hex(&stranger),
    });
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
    assert!(
        dir.join("node_modules/@cashu/cashu-ts").is_dir(),
        "cashu-ts is not installed: npm ci --prefix mint/tests/interop (make test does it)"
    );
    let output = tokio::process::Command::new(node(&dir))
        .arg("interop.mjs")
        .arg(asked.to_string())
        .current_dir(dir)
        .kill_on_drop(true)
        .output()
        .await
        .expect("node runs");
    let (said, complained) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}\n{complained}");
    let said: Value = serde_json::from_str(said.trim()).expect("one line of JSON");
    let sat = |name: &str| said[name].as_u64().expect("an amount");
    assert_eq!(sat("single") + sat("batch"), 122);
    assert_eq!(sat("token"), 45);
    assert_eq!(row_sums(&pool.mint).await, (190, 190));
    let owed = pool.mint.liabilities().await.expect("reads");
    assert_eq!(
        (owed.outstanding_sat.get(), owed.paid_unissued_sat.get()),
        (190, 0)
    );
}

/// The node that package.json names, newer than that of most machines; elsewhere the
/// machine's own.
fn node(dir: &Path) -> PathBuf {
    ["x64", "arm64"]
        .map(|cpu| dir.join(format!("node_modules/node-linux-{cpu}/bin/node")))
        .into_iter()
        .find(|node| node.is_file())
        .unwrap_or_else(|| "node".into())
}
