//! Bodies that do not come, come slowly, or are too long.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;

use super::{ask, beside, connect, crowd, get, mint_is_open, refused, rest};
use crate::world::{key, ocean, pool};

const MINT: &[&str] = &["/v1/info", "/v1/keys", "/v1/keysets"];

/// A request whose body never comes.
fn promise(path: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n")
}

async fn http(pool: &crate::common::PoolProcess) -> SocketAddr {
    pool.status().await.http[0]
}

#[tokio::test]
async fn claims_without_a_body_do_not_close_the_mint() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |_| {}).await;
    mint_is_open(&pool).await;
    let to = http(&pool).await;
    let claim = promise(&format!("/api/miners/{}/token", key(7).hex), 9);
    // More than the mint works on at once, of four addresses.
    let crowd = beside(to, MINT, crowd(10..14, 60, to, &claim)).await;
    // What looks at the mint's store is answered, too.
    let path = "/v1/mint/quote/axepool/019b0000-0000-7000-8000-000000000000";
    let (status, answer) = ask(20, to, &get(path)).await.expect("an answer");
    assert_ne!(status, 503, "{answer}");
    assert_eq!(crowd.len(), 240);
}

#[tokio::test]
async fn forms_without_a_body_do_not_close_the_listener() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |_| {}).await;
    let to = http(&pool).await;
    let form = promise("/miners", 9);
    let attack = crowd(10..34, 60, to, &form);
    let crowd = beside(to, &["/healthz", "/", "/api/pool"], attack).await;
    assert_eq!(crowd.len(), 24 * 60);
    assert!(refused(&pool, "http", "made_room").await > 0.0);
}

#[tokio::test]
async fn a_request_has_one_clock_and_a_body_a_length() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |setup| {
        setup.http_lines += "request_timeout_secs = 3\n";
    })
    .await;
    mint_is_open(&pool).await;
    let to = http(&pool).await;
    let claim = format!("/api/miners/{}/token", key(7).hex);
    for path in ["/miners", claim.as_str(), "/v1/swap", "/nowhere"] {
        // Byte by byte: each comes in time, all of them do not.
        let mut slow = connect(10, to).await.expect("connect");
        let begun = Instant::now();
        let drip = promise(path, 4000);
        slow.write_all(drip.as_bytes()).await.expect("written");
        let (mut read, mut write) = slow.into_split();
        let dripping = tokio::spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_millis(100));
            while write.write_all(b"x").await.is_ok() {
                pace.tick().await;
            }
        });
        let mut answer = Vec::new();
        let reading = tokio::io::AsyncReadExt::read_to_end(&mut read, &mut answer);
        let _ = tokio::time::timeout(crate::common::PATIENCE, reading).await;
        dripping.abort();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 408"), "{path}: {answer}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{path}");
    }
    assert!(refused(&pool, "http", "body_too_slow").await >= 4.0);

    // The clock began with the head's first byte.
    let mut slow = connect(10, to).await.expect("connect");
    let begun = Instant::now();
    for piece in ["POST /miners HTTP/1.1\r\n", "Host: test\r\n"] {
        slow.write_all(piece.as_bytes()).await.expect("written");
        tokio::time::timeout(Duration::from_millis(600), std::future::pending::<()>())
            .await
            .expect_err("a slow sender");
    }
    let end = "Content-Length: 4000\r\n\r\nkey=";
    slow.write_all(end.as_bytes()).await.expect("written");
    let answer = String::from_utf8_lossy(&rest(&mut slow).await).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_long_body_is_refused_before_it_is_sent() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |_| {}).await;
    mint_is_open(&pool).await;
    let to = http(&pool).await;
    let claim = format!("/api/miners/{}/token", key(7).hex);
    let sweep = format!("/api/miners/{}/sweep-only", key(7).hex);
    for (path, length) in [
        ("/miners", 2_000_000),
        ("/miners", 4097),
        (claim.as_str(), 4097),
        (sweep.as_str(), 4097),
        // 15,000 points.
        ("/v1/checkstate", 1_035_000),
        ("/v1/restore", 200_000),
        ("/v1/swap", (1 << 20) + 1),
        ("/nowhere", 4097),
    ] {
        let (status, answer) = ask(10, to, &promise(path, length)).await.expect(path);
        assert_eq!(status, 413, "{path} {length}: {answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
    // The same without a word of its length before.
    let chunked = format!(
        "POST /miners HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n\
         2000\r\n{}\r\n",
        "x".repeat(0x2000)
    );
    let (status, answer) = ask(10, to, &chunked).await.expect("an answer");
    assert_eq!(status, 413, "{answer}");
    assert_eq!(refused(&pool, "http", "body_too_long").await, 9.0);
    // And what is as long as it may be is read.
    let form = format!("key={}", "x".repeat(4000));
    let form = format!("{}{form}", promise("/miners", form.len())).replace(
        "Content-Length",
        "Connection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length",
    );
    let (status, answer) = ask(10, to, &form).await.expect("an answer");
    assert_eq!(status, 400, "no key, and read: {answer}");
    assert!(answer.contains("nosniff"), "{answer}");
}
