//! From a share to a quote that its owner finds: `axepool run` as a process with its
//! mint, and with a mint that cannot be opened or written.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use crate::common::{PATIENCE, PoolProcess, stderr, stdout};
use crate::world::{agrees, bitaxe, credited_to, earns, get, key, metric, ocean, pool};
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::secp256k1::{Keypair, Message, Secp256k1};
use pool::admin::MintState;
use serde_json::{Value, json};
use simnet::keys::SimKey;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A quote at the first share.
const AT_ONCE: &str = "[expert.mint]\nquote_min_work = 0\n";

async fn http(pool: &PoolProcess) -> SocketAddr {
    pool.status().await.http[0]
}

async fn post(address: SocketAddr, path: &str, body: &Value) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).await.expect("connect");
    let body = body.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("write");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");
    let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = answer.split_once("\r\n\r\n").expect("a body").1;
    (
        code.expect("a status code"),
        serde_json::from_str(body).expect("JSON"),
    )
}

/// The JSON of a page that is there.
async fn page(pool: &PoolProcess, path: &str) -> Value {
    let (code, body) = get(http(pool).await, path).await;
    assert_eq!(code, 200, "{path}: {body}");
    serde_json::from_str(&body).expect("JSON")
}

/// What the holder of `key` finds by look-up.
async fn quotes(pool: &PoolProcess, key: &SimKey) -> Vec<Value> {
    let info = page(pool, "/v1/info").await;
    let mint = info["pubkey"].as_str().expect("the mint's key");
    let text = format!("Cashu_MintQuoteLookup_v1{mint}{}", key.hex);
    let digest = sha256::Hash::hash(text.as_bytes()).to_byte_array();
    let secp = Secp256k1::new();
    let pair = Keypair::from_seckey_slice(&secp, &key.secret).expect("a secret key");
    let signature = secp.sign_schnorr_no_aux_rand(&Message::from_digest(digest), &pair);
    let asked = json!({
        "pubkeys": [key.hex],
        "pubkey_signatures": [signature.to_string()],
    });
    let (code, answer) = post(http(pool).await, "/v1/mint/quote/axepool/pubkey", &asked).await;
    assert_eq!(code, 200, "{answer}");
    answer["quotes"].as_array().expect("a list").clone()
}

/// Waits until the holder of `key` finds so many quotes.
async fn find(pool: &PoolProcess, key: &SimKey, count: usize) -> Vec<Value> {
    mint_is(pool, MintState::Open).await;
    pool.poll("quotes", async |pool| {
        let found = quotes(pool, key).await;
        assert!(found.len() <= count, "{found:?}");
        (found.len() == count).then_some(found)
    })
    .await
}

async fn mint_is(pool: &PoolProcess, state: MintState) {
    pool.poll("the mint's state", async |pool| {
        (pool.status().await.mint.state == state).then_some(())
    })
    .await;
}

/// Waits until the mint is in trouble with work left to do, which nobody at the mining
/// side notices.
async fn mint_is_in_trouble(pool: &PoolProcess) -> String {
    pool.poll("the mint's trouble", async |pool| {
        let status = pool.status().await;
        assert!(status.not_ready.is_empty(), "{status:?}");
        let waits = status.mint.outbox_waiting > 0;
        status.mint.failing.filter(|_| waits)
    })
    .await
}

#[tokio::test]
async fn a_quote_is_locked_to_the_key_as_the_device_types_it() {
    let ocean = ocean(|_| {}).await;
    let mut pool = pool(&ocean, |setup| setup.stratum.push_str(AT_ONCE)).await;
    let owner = key(1);
    let even = owner.hex.clone();
    let odd = even.replacen("02", "03", 1);
    for (typed, spelled, epoch) in [(&odd, &odd, 1), (&even, &even, 2), (&owner.npub, &even, 3)] {
        let axe = bitaxe(pool.stratum().await, &owner, |options| {
            options.primary.username = format!("{typed}.axe");
        });
        earns(&axe, 1).await;
        // Both are one miner: the holder finds the quotes of both.
        let found = find(&pool, &owner, epoch).await;
        let quote = found.iter().find(|quote| quote["epoch"] == json!(epoch));
        let id = quote.expect("of this epoch")["quote"].clone();
        let id = id.as_str().expect("an id");
        let quote = page(&pool, &format!("/v1/mint/quote/axepool/{id}")).await;
        assert_eq!(quote["pubkey"], spelled.as_str(), "{quote}");
        axe.stop().await;
        pool.close_epoch().await;
    }
    pool.stop().await;
}

#[tokio::test]
async fn shares_become_quotes_of_their_key() {
    let ocean = ocean(|_| {}).await;
    let mut pool = pool(&ocean, |setup| setup.stratum.push_str(AT_ONCE)).await;
    let (owner, stranger) = (key(1), key(2));
    let axe = bitaxe(pool.stratum().await, &owner, |_| {});
    earns(&axe, 2).await;
    let first = find(&pool, &owner, 1).await;
    assert_eq!(first[0]["pubkey"], owner.hex.as_str(), "{first:?}");
    assert_eq!(
        (&first[0]["amount_paid"], &first[0]["amount_issued"]),
        (&json!(0), &json!(0))
    );
    pool.close_epoch().await;
    earns(&axe, 3).await;
    find(&pool, &owner, 2).await;
    find(&pool, &stranger, 0).await;
    agrees(&pool, &axe, &owner).await;

    let info = page(&pool, "/v1/info").await;
    assert_eq!(info["nuts"]["5"]["disabled"], json!(true), "{info}");
    // Looked at every few seconds, the mint first.
    let solvency = pool
        .poll("what is owed", async |pool| {
            let solvency = page(pool, "/api/solvency").await;
            let is_known = !solvency["liabilities"]["total_msat"].is_null();
            is_known.then_some(solvency)
        })
        .await;
    assert_eq!(
        solvency["liabilities"]["outstanding_sat"],
        json!(0),
        "{solvency}"
    );
    assert_eq!(solvency["assets"], Value::Null);
    assert_eq!(page(&pool, "/api/").await["mint_info"], "/v1/info");
    let words = pool.data_dir().join("mint/mint.mnemonic");
    assert_eq!(
        fs::metadata(words).expect("there").permissions().mode() & 0o777,
        0o600
    );
    assert!(
        pool.log().contains("back this file up now"),
        "{}",
        pool.log()
    );
    let parked = pool.command(&["mint", "parked", "--retry"]);
    assert!(parked.status.success(), "{}", stderr(&parked));
    assert!(
        stdout(&parked).contains("nothing is parked"),
        "{}",
        stdout(&parked)
    );
    let ended = pool.stop().await;
    assert!(ended.success(), "{ended}; {}", pool.log());
}

#[tokio::test]
async fn a_mint_that_cannot_be_opened_holds_up_nobody() {
    let ocean = ocean(|_| {}).await;
    let mut pool = pool(&ocean, |setup| setup.stratum.push_str(AT_ONCE)).await;
    mint_is(&pool, MintState::Open).await;
    pool.stop().await;
    // Nothing can be in a directory that is a file.
    let (mint, away) = (pool.data_dir().join("mint"), pool.data_dir().join("away"));
    fs::rename(&mint, &away).expect("rename");
    fs::write(&mint, "in the way").expect("write");

    let owner = key(3);
    for _ in 0..2 {
        pool.spawn().await;
        pool.wait_ready().await;
        let axe = bitaxe(pool.stratum().await, &owner, |_| {});
        earns(&axe, 3).await;
        mint_is_in_trouble(&pool).await;
        let (code, body) = get(http(&pool).await, "/v1/info").await;
        assert_eq!(code, 503, "{body}");
        let (code, body) = get(pool.metrics().await, "/readyz").await;
        assert_eq!(code, 200);
        assert!(body.starts_with("ready\nthe mint: "), "{body}");
        assert!(stdout(&pool.command(&["status"])).contains("NOT OPEN"));
        assert_eq!(pool.command(&["mint", "parked"]).status.code(), Some(1));
        axe.stop().await;
        pool.kill();
    }
    pool.spawn().await;
    pool.wait_ready().await;
    fs::remove_file(&mint).expect("remove");
    fs::rename(&away, &mint).expect("rename");
    find(&pool, &owner, 1).await;
    caught_up(&pool).await;
}

#[tokio::test]
async fn a_mint_that_cannot_write_holds_up_nobody() {
    let ocean = ocean(|_| {}).await;
    let mut pool = pool(&ocean, |setup| setup.stratum.push_str(AT_ONCE)).await;
    mint_is(&pool, MintState::Open).await;
    let path = pool.data_dir().join("mint/mint.sqlite");
    let holder = rusqlite::Connection::open(path).expect("opens");
    holder
        .execute_batch("BEGIN IMMEDIATE")
        .expect("the write lock");

    let (one, other) = (key(4), key(5));
    let axe = bitaxe(pool.stratum().await, &one, |_| {});
    earns(&axe, 3).await;
    mint_is_in_trouble(&pool).await;
    earns(&axe, 3).await;
    axe.stop().await;
    // Killed with rows that the mint has not seen, and opened beside the same lock.
    pool.kill();
    pool.spawn().await;
    pool.wait_ready().await;
    let axe = bitaxe(pool.stratum().await, &other, |_| {});
    earns(&axe, 3).await;
    agrees(&pool, &axe, &other).await;
    holder.execute_batch("ROLLBACK").expect("lets go");
    find(&pool, &one, 1).await;
    find(&pool, &other, 1).await;
    caught_up(&pool).await;
}

async fn caught_up(pool: &PoolProcess) {
    pool.poll("an empty outbox and a mint that is well", async |pool| {
        let mint = pool.status().await.mint;
        (mint.outbox_waiting == 0 && mint.failing.is_none()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_quote_waits_until_it_is_worth_a_row() {
    // Some thirty shares.
    const MIN_WORK: u128 = 130_000;
    let lines = format!("[expert.mint]\nquote_min_work = {MIN_WORK}\n");
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |setup| setup.stratum.push_str(&lines)).await;
    mint_is(&pool, MintState::Open).await;
    let owner = key(6);
    let axe = bitaxe(pool.stratum().await, &owner, |_| {});
    earns(&axe, 1).await;
    let deadline = Instant::now() + PATIENCE;
    let mut seen_below = 0;
    loop {
        // Work only grows: what is below the bound now was below it before.
        let found = quotes(&pool, &owner).await.len();
        let (_, work) = credited_to(&pool, &owner).await;
        if found == 1 {
            assert!(work >= MIN_WORK, "a quote for work {work}");
            break;
        }
        if work < MIN_WORK {
            seen_below += 1;
        }
        assert!(Instant::now() < deadline, "no quote for work {work}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(seen_below > 0, "it was never seen below the bound");
    assert_eq!(
        metric(&pool, "axepool_mint_quotes_created_total", "").await,
        1.0
    );
}
