//! cashu-ts against this mint. Needs `npm ci --prefix mint/tests/interop`, which
//! `make test` does; it is ignored so that a plain `cargo test` needs no node.

use std::path::{Path, PathBuf};

use accounting::KeyPrefix;
use basics::clock::now_ms;
use serde_json::{Value, json};

use super::spellings::Person;
use super::support::{Owner, Pool, row_sums};
use crate::Purpose;

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
    let said = run("interop.mjs", &asked).await;
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

/// Runs a script of `tests/interop`, and reads the line of JSON that it prints.
pub(crate) async fn run(script: &str, asked: &Value) -> Value {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
    assert!(
        dir.join("node_modules/cashu-ts-3").is_dir(),
        "cashu-ts is not installed: npm ci --prefix mint/tests/interop (make test does it)"
    );
    let output = tokio::process::Command::new(node(&dir))
        .arg(script)
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
    serde_json::from_str(said.trim()).expect("one line of JSON")
}

/// Version 2 cannot read the ids of our keysets (NUT-02, version 1): it says so, and its
/// token stays unspent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs npm ci --prefix mint/tests/interop; scripts/test.sh runs it"]
async fn three_versions_of_cashu_ts_open_tokens_for_keys_with_either_prefix() {
    let pool = Pool::start().await;
    for (round, prefix) in [KeyPrefix::Even, KeyPrefix::Odd].into_iter().enumerate() {
        let person = Person::with(prefix);
        let first = round as u64 * 4 + 1;
        let mut tokens = serde_json::Map::new();
        for version in 2..=4 {
            let epoch = first + version - 2;
            pool.typed_and_paid(person.shown, &person, epoch, 40 + version)
                .await;
            let signature = person.owner.signed(&pool.mint, Purpose::Claim, now_ms());
            let claim = pool.claim_as(&person.shown.miner.npub(), signature).await;
            tokens.insert(version.to_string(), claim["token"].clone());
        }
        pool.typed_and_paid(person.shown, &person, first + 3, 7)
            .await;
        let asked = json!({
            "url": pool.url,
            "secret": person.owner.secret.to_secret_hex(),
            "key": person.shown.to_string(),
            "tokens": tokens,
            "quote": pool.id(&person.owner, first + 3),
        });
        let got = run("spellings.mjs", &asked).await;
        assert_eq!((&got["3"], &got["4"]), (&json!(43), &json!(44)), "{got}");
        assert_eq!(got["minted"], json!(7), "{got}");
        assert!(got["2"].is_string(), "{got}");
        let path = format!("/api/miners/{}/tokens", person.shown);
        let (_, list) = pool.get(&path).await;
        let states = [2, 1, 0].map(|place| list["tokens"][place]["state"].clone());
        assert_eq!(states, ["unspent", "spent", "spent"], "{list}");
    }
    assert_eq!(row_sums(&pool.mint).await, (272, 272));
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
