//! What every answer has, and names that are none.

use serde_json::json;

use super::{ask, get, mint_is_open};
use crate::world::{bitaxe, earns, key, ocean, pool};

#[tokio::test]
async fn every_answer_says_that_it_is_what_it_says_it_is() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |_| {}).await;
    mint_is_open(&pool).await;
    let status = pool.status().await;
    let to = status.http[0];
    for path in [
        "/",
        "/api/",
        "/api/pool",
        "/api/epochs",
        "/api/epochs/1/split?format=csv",
        "/api/audit/1.csv",
        "/api/nowhere",
        "/nowhere",
        "/v1/info",
        "/v1/keys",
        "/v1/nowhere",
        "/v1/ws",
        "/healthz",
        "/api/miners/nobody",
    ] {
        let (_, answer) = ask(10, to, &get(path)).await.expect(path);
        let head = answer.split("\r\n\r\n").next().expect("a head");
        assert!(
            head.contains("x-content-type-options: nosniff"),
            "{path}: {head}"
        );
    }
    let (_, answer) = ask(10, status.metrics[0], &get("/metrics"))
        .await
        .expect("metrics");
    assert!(answer.contains("x-content-type-options: nosniff"));
    // An audit file that may be kept for ever has one name.
    for path in [
        "/api/audit/0001.json",
        "/api/audit/01.csv",
        "/api/audit/0.json",
    ] {
        let (code, answer) = ask(10, to, &get(path)).await.expect(path);
        assert_eq!(code, 404, "{path}: {answer}");
        assert!(!answer.contains("immutable"), "{answer}");
    }
    // HEAD is GET without its body.
    for path in ["/", "/api/pool", "/v1/info"] {
        let head = get(path).replace("GET ", "HEAD ");
        let (code, answer) = ask(10, to, &head).await.expect(path);
        assert_eq!(code, 200, "{answer}");
        assert!(answer.contains("etag: "), "from what is kept: {answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    }
}

/// Browsers ask before a page of another origin may send JSON.
#[tokio::test]
async fn browsers_are_told_that_pages_of_any_origin_may_ask() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |_| {}).await;
    mint_is_open(&pool).await;
    let to = pool.status().await.http[0];
    let token = format!("/api/miners/{}/token", key(1).hex);
    for path in [
        "/api",
        "/api/",
        "/api/pool",
        "/api/epochs/1",
        "/api/miners/nobody/notices",
        &token,
        "/v1/info",
        "/v1/swap",
        "/v1/mint/quote/axepool/pubkey",
    ] {
        let asked = get(path).replace("GET ", "OPTIONS ");
        let (code, answer) = ask(10, to, &asked).await.expect(path);
        let answer = answer.to_lowercase();
        assert_eq!(code, 200, "{path}: {answer}");
        for line in [
            "access-control-allow-origin: *\r\n",
            "access-control-allow-methods: get, post, options\r\n",
            "access-control-allow-headers: *\r\n",
        ] {
            assert_eq!(answer.matches(line).count(), 1, "{path}: {answer}");
        }
    }
    // Pages for people are for their own origin.
    let asked = get("/").replace("GET ", "OPTIONS ");
    let (code, answer) = ask(10, to, &asked).await.expect("/");
    assert_eq!(code, 405, "{answer}");
    assert!(
        !answer.to_lowercase().contains("access-control"),
        "{answer}"
    );
}

#[tokio::test]
async fn news_is_of_keys_with_work() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |_| {}).await;
    let to = pool.status().await.http[0];
    let (worker, stranger) = (key(1), key(2));
    let axe = bitaxe(pool.stratum().await, &worker, |_| {});
    earns(&axe, 1).await;
    for path in ["/api/miners/KEY/events", "/miners/KEY/live"] {
        let (code, answer) = ask(10, to, &get(&path.replace("KEY", &stranger.hex)))
            .await
            .expect(path);
        assert_eq!(code, 404, "{answer}");
        let mut stream = super::connect(10, to).await.expect("connect");
        let asked = get(&path.replace("KEY", &worker.hex));
        tokio::io::AsyncWriteExt::write_all(&mut stream, asked.as_bytes())
            .await
            .expect("written");
        let mut begin = [0; 12];
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut begin)
            .await
            .expect("an answer");
        assert_eq!(&begin, b"HTTP/1.1 200");
    }
}

#[tokio::test]
async fn a_command_with_something_unknown_in_it_is_no_command() {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |_| {}).await;
    let epoch = pool.epochs().await.len();
    for request in [
        json!({ "command": "close_epoch", "dry_run": true }),
        json!({ "command": "status", "x": null }),
        json!({ "command": "node", "order": "info", "x": 1 }),
        json!({ "command": "backup", "order": "state", "x": 1 }),
        json!({ "command": "wind_down", "order": "status", "x": 1 }),
    ] {
        let socket = pool.data_dir().join("admin.sock");
        let mut stream = tokio::net::UnixStream::connect(socket)
            .await
            .expect("connect");
        let line = format!("{request}\n");
        stream.write_all(line.as_bytes()).await.expect("written");
        let mut answer = String::new();
        BufReader::new(stream)
            .read_line(&mut answer)
            .await
            .expect("an answer");
        assert!(answer.contains("not a request"), "{request}: {answer}");
    }
    assert_eq!(pool.epochs().await.len(), epoch, "nothing was closed");
}
