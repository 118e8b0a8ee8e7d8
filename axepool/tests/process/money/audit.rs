//! Audit files and receipts over HTTP, and `axepool audit` with what was fetched.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use accounting::settle::AuditFile;
use bitcoin::hashes::{Hash as _, sha256};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::common::{ADDRESS, PoolProcess, axepool, stderr, stdout};
use crate::money::fetch::{fetch, http, page};
use crate::money::prepare::{FIRST_MSAT, block, key, miners, stopped_pool};

/// `axepool audit` with `args` in `directory`: what it said, and its exit code.
fn audit(directory: &Path, args: &[&str]) -> (String, i32) {
    let done = axepool(&[&["audit"], args].concat(), directory);
    let code = done.status.code().expect("it ended by itself");
    (format!("{}{}", stdout(&done), stderr(&done)), code)
}

/// Fetches the two files and the receipts of both miners' first epoch.
async fn fetched(pool: &PoolProcess) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let address = http(pool).await;
    for name in ["1.json", "2.json", "1.csv"] {
        let file = fetch(address, &format!("/api/audit/{name}"), "").await;
        assert_eq!(file.code, 200, "{file:?}");
        fs::write(directory.path().join(name), file.body).expect("writes");
    }
    for (miner, name) in miners().iter().zip(["one", "two"]) {
        let path = format!("/api/miners/{miner}/receipt?epoch=1");
        let receipt = fetch(address, &path, "").await;
        assert_eq!(receipt.code, 200, "{receipt:?}");
        fs::write(directory.path().join(name), receipt.body).expect("writes");
    }
    directory
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_is_audited_with_the_binary() {
    let (mut pool, _stratum) = stopped_pool("").await;
    pool.spawn().await;
    let directory = fetched(&pool).await;
    let at = directory.path();
    let (text, code) = audit(at, &["1.json"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.starts_with("equal"), "{text}");
    assert!(
        text.contains("amount     123457 msat = fee 6172 msat + miners 117285 msat"),
        "{text}"
    );
    assert!(text.contains("none: the first"), "{text}");
    let (text, code) = audit(at, &["2.json", "--previous", "1.json", "--receipt", "one"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("chain      it follows on"), "{text}");
    assert!(
        text.contains("receipt    nothing to compare: the receipt is of epoch 1"),
        "{text}"
    );
    for name in ["one", "two"] {
        let (text, code) = audit(at, &["1.json", "--receipt", name]);
        assert_eq!(code, 0, "{text}");
        assert!(text.contains("receipt    signed by"), "{text}");
    }
    let (text, code) = audit(at, &["1.json", "--previous", "2.json"]);
    assert_eq!(code, 1, "{text}");

    let good = fs::read_to_string(at.join("1.json")).expect("text");
    let tampered = |from: &str, to: &str, words: &str| {
        assert!(good.contains(from), "{from}: {good}");
        fs::write(at.join("bad.json"), good.replacen(from, to, 1)).expect("writes");
        let (text, code) = audit(at, &["bad.json"]);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains(words), "{words}: {text}");
    };
    tampered(
        "\"allocated\":87964",
        "\"allocated\":87965",
        "gets 87964 msat, not 87965 msat",
    );
    tampered("\"carry_after\":964", "\"carry_after\":963", "the carry of");
    tampered(
        "\"work\":\"3000\"",
        "\"work\":\"3001\"",
        "the work of epoch 1 is",
    );
    tampered(
        "\"amount\":123457",
        "\"amount\":123458",
        "the parts of the payment",
    );
    tampered(
        "\"fee_bps\":500",
        "\"fee_bps\":499",
        "the slices of the part of epoch 1 do not follow from their work and fees",
    );
    tampered("\"previous\":null", "\"previous\": null", "from byte");
    tampered("{", "[", "is not an audit file");
    // A receipt for more than is in the file.
    let mut receipt: Value =
        serde_json::from_slice(&fs::read(at.join("one")).expect("reads")).expect("JSON");
    receipt["work"] = json!("9000");
    fs::write(at.join("forged"), receipt.to_string()).expect("writes");
    let (text, code) = audit(at, &["1.json", "--receipt", "forged"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("the receipt is not signed by"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anybody_can_fetch_what_it_takes() {
    let (mut pool, _stratum) = stopped_pool("").await;
    pool.spawn().await;
    let address = http(&pool).await;
    let list = page(&pool, "/api/audit").await;
    assert_eq!(list["files"], 2, "{list}");
    let (newest, first) = (&list["audit"][0], &list["audit"][1]);
    assert_eq!(
        (&newest["number"], &newest["previous"]),
        (&json!(2), &first["hash"])
    );
    assert_eq!(first["previous"], Value::Null);
    assert_eq!(first["payout"], key(1).to_string());
    assert_eq!(
        (&first["amount_msat"], &first["epochs"]),
        (&json!(FIRST_MSAT), &json!([1]))
    );
    let one = page(&pool, "/api/audit?newest=1").await;
    assert_eq!(one["audit"].as_array().map(Vec::len), Some(1), "{one}");

    let path = first["json"].as_str().expect("a path");
    let file = fetch(address, path, "").await;
    let hash = sha256::Hash::hash(&file.body).to_string();
    assert_eq!(first["hash"], hash.as_str());
    let tag = file.header("etag").to_owned();
    assert_eq!(tag, format!("\"{hash}\""));
    assert!(
        file.header("cache-control").contains("immutable"),
        "{file:?}"
    );
    assert_eq!(file.header("access-control-allow-origin"), "*");
    assert_eq!(file.header("content-length"), file.body.len().to_string());
    let read: AuditFile = serde_json::from_slice(&file.body).expect("an audit file");
    assert_eq!(read.payment.amount.get(), FIRST_MSAT);
    let known = fetch(address, path, &format!("If-None-Match: W/\"x\", {tag}\r\n")).await;
    assert_eq!((known.code, known.body.len()), (304, 0), "{}", known.head);
    assert_eq!(
        fetch(address, path, "").await.body,
        file.body,
        "kept is as made"
    );

    let csv = fetch(address, first["csv"].as_str().expect("a path"), "").await;
    assert!(
        csv.header("content-type").starts_with("text/csv"),
        "{csv:?}"
    );
    let text = String::from_utf8(csv.body.clone()).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    let [miner, _] = miners();
    let row = format!("{miner},3000,3000,87964,0,87,964,1");
    assert!(lines.contains(&row.as_str()), "{text}");

    let epochs = page(&pool, "/api/epochs").await;
    assert_eq!(
        epochs["epochs"].as_array().map(Vec::len),
        Some(3),
        "{epochs}"
    );
    let epoch = page(&pool, "/api/epochs/1").await;
    assert_eq!(epoch["account"]["received"], FIRST_MSAT, "{epoch}");
    assert_eq!(epoch["miners"][0]["work"], "3000", "{epoch}");
    let payouts = page(&pool, "/api/payouts").await;
    assert_eq!(
        payouts["payouts"].as_array().map(Vec::len),
        Some(4),
        "{payouts}"
    );
    assert!(
        !payouts.to_string().contains("OCEAN lightning"),
        "no foreign text"
    );
    for (path, code) in [
        ("/api/audit/3.json", 404),
        ("/api/audit/0.json", 404),
        ("/api/audit/1.xml", 404),
        ("/api/audit/..%2f..%2freceipt.key", 404),
        ("/api/audit?newest=x", 400),
        ("/api/epochs/99", 404),
        ("/api/epochs/x", 404),
    ] {
        let answer = fetch(address, path, "").await;
        assert_eq!(answer.code, code, "{path}: {answer:?}");
        assert!(answer.json()["detail"].is_string(), "{path}: {answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
    }
}

/// With a mint that is switched off as well: they are not the mint's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_is_signed_whether_or_not_the_mint_is_open() {
    for sections in ["", "[mint]\nenabled = false\n"] {
        let (mut pool, _stratum) = stopped_pool(sections).await;
        pool.spawn().await;
        let address = http(&pool).await;
        let index = page(&pool, "/api/").await;
        assert_eq!(index["payout_address"], ADDRESS, "{index}");
        let [miner, other] = miners();
        for key in [miner.to_string(), miner.npub()] {
            let receipt = page(&pool, &format!("/api/miners/{key}/receipt")).await;
            assert_eq!(receipt["pool"], index["receipt_key"], "{receipt}");
            assert_eq!(receipt["ledger"], index["ledger"], "{receipt}");
            assert_eq!(
                (&receipt["epoch"], &receipt["work"]),
                (&json!(3), &json!("500"))
            );
            assert_eq!(receipt["miner"], miner.to_string());
        }
        let secret = "ab".repeat(32);
        for (path, code) in [
            (format!("/api/miners/{other}/receipt"), 404),
            (format!("/api/miners/{miner}/receipt?epoch=77"), 404),
            (format!("/api/miners/{miner}/receipt?epoch=x"), 400),
            (format!("/api/miners/{secret}/receipt"), 400),
        ] {
            let answer = fetch(address, &path, "").await;
            assert_eq!(answer.code, code, "{path}: {answer:?}");
            let said = answer.json()["detail"].to_string();
            assert!(!said.contains(&secret), "{said}");
        }
        if !sections.is_empty() {
            for path in ["/v1/info", "/api/miners/x/tokens"] {
                assert_eq!(fetch(address, path, "").await.code, 503, "{path}");
            }
            assert_eq!(fetch(address, "/nothing", "").await.code, 404);
        }
        let mode = fs::metadata(pool.data_dir().join("receipt.key")).expect("is there");
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
        // The same key after a restart.
        assert!(pool.stop().await.success());
        pool.spawn().await;
        let again = page(&pool, "/api").await;
        assert_eq!(again["receipt_key"], index["receipt_key"]);
    }
}

/// Stands for OCEAN's API: the same answer to whatever is asked.
async fn ocean_says(answer: Value) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 4096];
            let read = stream.read(&mut asked).await.expect("reads");
            assert!(asked[..read].starts_with(format!("GET /earnpay/{ADDRESS}/").as_bytes()));
            let body = answer.to_string();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            stream
                .write_all((head + &body).as_bytes())
                .await
                .expect("writes");
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ocean_is_asked_for_its_word_of_today() {
    let (mut pool, _stratum) = stopped_pool("").await;
    pool.spawn().await;
    let directory = fetched(&pool).await;
    let at = directory.path();
    let earning = |net: u64| {
        let (hash, _) = block(1);
        json!({"result": {"earnings": [{
            "block_hash": hash.to_string(), "satoshis_net_earned": net.to_string(), "shares_in_window": "9",
        }], "payouts": []}})
    };
    for (answer, code, words) in [
        (
            earning(1_000),
            0,
            "1000 sat, 9 shares in the window as OCEAN says",
        ),
        (
            earning(1_001),
            1,
            "NOT EQUAL: epoch 1, block 100: 1000 sat, 9 shares in the window in the file, 1001 sat",
        ),
        (
            json!({"result": {"earnings": []}}),
            0,
            "OCEAN does not list it",
        ),
        (json!({"error": "no such user"}), 1, "no such user"),
    ] {
        let api = format!("http://{}", ocean_says(answer).await);
        let (text, exit) = audit(at, &["1.json", "--ocean", ADDRESS, "--ocean-api", &api]);
        assert_eq!(exit, code, "{text}");
        assert!(text.contains(words), "{words}: {text}");
    }
}
