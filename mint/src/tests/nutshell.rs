//! Nutshell against this mint, as its owner uses it: the key that it shows is typed in a
//! device, and the token is received. Needs `scripts/setup.sh test`, which `make test` runs.

use std::path::{Path, PathBuf};
use std::process::Output;

use accounting::{EpochId, KeyPrefix, MinerKey, TypedKey};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use super::support::{Pool, row_sums};
use crate::{Order, QuoteKey};

/// Of so many wallets all show the same prefix once in a thousand million runs.
const WALLETS: usize = 30;

/// A wallet of Nutshell, in a directory of its own.
struct Nutshell {
    program: PathBuf,
    url: String,
    dir: TempDir,
}

impl Nutshell {
    fn new(pool: &Pool) -> Nutshell {
        let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
        let program = crate_dir.join("tests/nutshell/venv/bin/cashu");
        assert!(
            program.is_file(),
            "Nutshell is not installed: scripts/setup.sh test (make test does it)"
        );
        Nutshell {
            program,
            url: pool.url.clone(),
            dir: tempfile::tempdir().expect("a directory"),
        }
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        Command::new(&self.program)
            .args(["--host", &self.url, "--yes"])
            .args(arguments)
            .env_clear()
            .env("HOME", self.dir.path())
            .env("CASHU_DIR", self.dir.path())
            .env("TOR", "FALSE")
            .env("PATH", "/usr/bin:/bin")
            .current_dir(self.dir.path())
            .kill_on_drop(true)
            .output()
            .await
            .expect("Nutshell runs")
    }

    async fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}{complained}");
        said
    }

    /// The key that it shows for locked ecash, as it prints it.
    async fn key(&self) -> String {
        let said = self.says(&["lock", "p2pk"]).await;
        let key = said.split_whitespace().find_map(|word| {
            let digits = word.strip_prefix("P2PK:")?;
            (digits.len() == 66).then_some(digits)
        });
        key.unwrap_or_else(|| panic!("no key: {said}")).to_owned()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Nutshell from scripts/setup.sh test; scripts/test.sh runs it"]
async fn nutshell_opens_tokens_for_keys_with_either_prefix() {
    let pool = Pool::start().await;
    let mut missing = vec![KeyPrefix::Even, KeyPrefix::Odd];
    let mut epoch = 0;
    for _ in 0..WALLETS {
        let wallet = Nutshell::new(&pool);
        let typed = wallet.key().await;
        let typed: TypedKey = typed.parse().expect("a key");
        let (miner, prefix) = (typed.miner, typed.prefix.expect("hex digits"));
        let key = MinerKey { miner, prefix };
        if !missing.contains(&key.prefix) {
            continue;
        }
        missing.retain(|prefix| *prefix != key.prefix);
        // A token that was locked to 02 before spellings were kept.
        paid(&pool, key, None, &mut epoch).await;
        let before = claim(&pool, &key.miner.to_string()).await;
        let opens = wallet.run(&["receive", &before]).await.status.success();
        assert_eq!(opens, key.prefix == KeyPrefix::Even, "{key}");
        // The device types what the wallet prints.
        paid(&pool, key, Some(key.prefix), &mut epoch).await;
        let token = &claim(&pool, &key.miner.npub()).await;
        wallet.says(&["receive", token]).await;
        let balance = wallet.says(&["balance"]).await;
        let sat = if opens { "90 sat" } else { "45 sat" };
        assert!(balance.contains(sat), "{key}: {balance}");
        // A stranger's Nutshell does not open it, nor the owner's twice.
        assert!(
            !Nutshell::new(&pool)
                .run(&["receive", token])
                .await
                .status
                .success()
        );
        if missing.is_empty() {
            break;
        }
    }
    assert!(missing.is_empty(), "no wallet showed {missing:?}");
    // The token of before was made again for the key with 03; its newer 45 sat wait.
    assert_eq!(row_sums(&pool.mint).await, (180, 135));
}

/// 45 sat for a key.
async fn paid(pool: &Pool, key: MinerKey, typed: Option<KeyPrefix>, epoch: &mut u64) {
    *epoch += 1;
    let quote = QuoteKey::of_epoch(key.miner, EpochId::new(*epoch));
    pool.ledger.order(Order::CreateQuote { quote, typed });
    pool.ledger.pay(quote, &format!("payout-{epoch}"), 45);
    pool.work().await;
}

async fn claim(pool: &Pool, key: &str) -> String {
    let path = format!("/api/miners/{key}/token");
    let (status, claim) = pool.post(&path, json!({})).await;
    assert_eq!(status, 200, "{claim}");
    claim["token"].as_str().expect("a token").to_owned()
}

/// The commands in the guide for owners are the ones that run here, with the versions that are
/// installed for it.
#[test]
fn the_guide_shows_what_is_run() {
    let guide = include_str!("../../../docs/miner.md");
    for arguments in ["lock p2pk", "receive cashuBpGFt..."] {
        let line = format!("$ cashu --host https://<pool> --yes {arguments}\n");
        assert!(guide.contains(&line), "{line}");
    }
    let version = |list: &str, before: &str| -> String {
        let (_, rest) = list.split_once(before).expect("it is pinned");
        let digits = |c: &char| c.is_ascii_digit() || *c == '.';
        rest.chars().take_while(digits).collect()
    };
    let nutshell = version(
        include_str!("../../tests/nutshell/requirements.txt"),
        "\ncashu==",
    );
    let packages = include_str!("../../tests/interop/package.json");
    let short = |version: String| -> String {
        let parts: Vec<&str> = version.split('.').take(2).collect();
        parts.join(".")
    };
    let third = short(version(packages, "\"cashu-ts-3\": \"npm:@cashu/cashu-ts@"));
    let fourth = short(version(packages, "\"@cashu/cashu-ts\": \""));
    for wallet in [
        format!("| Nutshell {nutshell} |"),
        format!("| cashu-ts {third} and {fourth} "),
        "| wallets on cashu-ts 2.x |".to_owned(),
    ] {
        assert!(guide.contains(&wallet), "{wallet}");
    }
}
