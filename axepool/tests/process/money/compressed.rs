//! Compression of what the public listener sends, down to the bytes: who asks for it gets
//! it, and nobody else; each form has its entity tag; HEAD tells what GET would send.

use std::io::Read as _;
use std::net::SocketAddr;

use flate2::read::GzDecoder;

use crate::common::PoolProcess;
use crate::money::fetch::{Answer, ask, fetch, http};
use crate::money::prepare::{miners, stopped_pool};

const GZIP: &str = "Accept-Encoding: gzip, deflate, br\r\n";

async fn running() -> (PoolProcess, simnet::pool::SimPoolHandle, SocketAddr) {
    let (mut pool, stratum) = stopped_pool("").await;
    pool.spawn().await;
    let address = http(&pool).await;
    (pool, stratum, address)
}

fn has(answer: &Answer, name: &str) -> bool {
    let name = format!("{name}: ");
    answer.head.lines().any(|line| line.starts_with(&name))
}

#[track_caller]
fn unpacked(path: &str, answer: &Answer) -> String {
    assert_eq!(answer.header("content-encoding"), "gzip", "{path}");
    let mut text = String::new();
    let read = GzDecoder::new(answer.body.as_slice()).read_to_string(&mut text);
    read.unwrap_or_else(|error| panic!("{path}: {error}"));
    text
}

/// The links of a page to its files.
fn files_of(page: &[u8]) -> Vec<String> {
    let page = String::from_utf8_lossy(page).into_owned();
    let links = page.split('"').filter(|part| part.starts_with("/assets/"));
    links.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_json_and_files_take_a_fraction() {
    let (_pool, _stratum, address) = running().await;
    let [miner, _] = miners();
    let miner_page = format!("/miners/{miner}");
    let mut paths = vec![
        "/".to_owned(),
        miner_page.clone(),
        format!("/api{miner_page}"),
    ];
    let more = [
        "/epochs",
        "/epochs/1",
        "/solvency",
        "/api/openapi.json",
        "/api/epochs",
    ];
    paths.extend(more.map(str::to_owned));
    for page in ["/", &miner_page] {
        paths.extend(files_of(&fetch(address, page, "").await.body));
    }
    paths.sort();
    paths.dedup();
    for path in &paths {
        let plain = fetch(address, path, "").await;
        assert_eq!(plain.code, 200, "{path}");
        assert!(!has(&plain, "content-encoding"), "{path}");
        assert_eq!(plain.header("vary"), "accept-encoding", "{path}");
        let packed = fetch(address, path, GZIP).await;
        assert_eq!(packed.header("vary"), "accept-encoding", "{path}");
        println!(
            "{path}: {} bytes, {} as gzip",
            plain.body.len(),
            packed.body.len()
        );
        if plain.body.len() < 1024 {
            continue;
        }
        let text = unpacked(path, &packed);
        let mime = |answer: &Answer| answer.header("content-type").to_owned();
        assert_eq!(mime(&plain), mime(&packed), "{path}");
        assert!(2 * packed.body.len() < plain.body.len() + 512, "{path}");
        if path.starts_with("/assets/") || path == "/api/openapi.json" {
            assert_eq!(text.as_bytes(), plain.body, "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compression_is_for_who_asks_for_it() {
    let (_pool, _stratum, address) = running().await;
    let [miner, _] = miners();
    let file = files_of(&fetch(address, "/", "").await.body);
    let style = file.iter().find(|file| file.contains("style.css"));
    let paths = [
        "/".to_owned(),
        format!("/miners/{miner}"),
        style.expect("a style sheet").clone(),
    ];
    for path in &paths {
        for (accepts, expected) in [
            ("gzip", true),
            ("br;q=1, *;q=0.1", true),
            ("identity;q=0, gzip;q=0.001", true),
            ("gzip;q=0", false),
            ("gzip;q=0.0, *", false),
            ("identity", false),
            ("identity;q=1, gzip;q=0.5", false),
            ("br, zstd", false),
            ("gzip;q=nonsense", false),
            ("", false),
        ] {
            let asked = format!("Accept-Encoding: {accepts}\r\n");
            let answer = fetch(address, path, &asked).await;
            assert_eq!(answer.code, 200, "{path}");
            let is_packed = has(&answer, "content-encoding");
            assert_eq!(is_packed, expected, "{path} {accepts:?}");
            let length = answer.body.len().to_string();
            assert_eq!(answer.header("content-length"), length);
        }
        // Two headers are one list.
        let two = "Accept-Encoding: br\r\nAccept-Encoding: gzip\r\n";
        unpacked(path, &fetch(address, path, two).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_and_conditions_know_the_form() {
    let (_pool, _stratum, address) = running().await;
    // Pages that do not change from one second to the next.
    for path in ["/epochs/1", "/api/epochs/1", "/api/openapi.json"] {
        let plain = fetch(address, path, "").await;
        let packed = fetch(address, path, GZIP).await;
        let tag = |answer: &Answer| answer.header("etag").to_owned();
        if has(&packed, "content-encoding") {
            assert_ne!(tag(&plain), tag(&packed), "{path}");
        }
        for (answer, asked) in [(&plain, ""), (&packed, GZIP)] {
            let head = ask(address, "HEAD", path, asked, "").await;
            assert_eq!(head.code, 200, "{path}");
            assert!(head.body.is_empty(), "{path}");
            for name in ["content-length", "content-type", "etag", "vary"] {
                assert_eq!(head.header(name), answer.header(name), "{path} {name}");
            }
            let known = format!("If-None-Match: {}\r\n", tag(answer));
            let again = fetch(address, path, &format!("{asked}{known}")).await;
            assert_eq!(again.code, 304, "{path} {asked}");
            assert!(again.body.is_empty() && !has(&again, "content-encoding"));
            assert_eq!(tag(&again), tag(answer));
            assert_eq!(again.header("vary"), "accept-encoding");
        }
        // A client that has the compressed form and reads it no more gets the other one.
        if has(&packed, "content-encoding") {
            let known = format!("If-None-Match: {}\r\n", tag(&packed));
            let other = fetch(address, path, &known).await;
            assert_eq!((other.code, &other.body), (200, &plain.body), "{path}");
        }
    }
}

/// Beside a secret, compression would betray it by the length of the answer; and what is
/// hashed or streamed goes out as it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn some_answers_are_never_compressed() {
    let (_pool, _stratum, address) = running().await;
    let [miner, _] = miners();
    for path in [
        "/api/audit/1.json".to_owned(),
        "/api/audit/1.csv".to_owned(),
        format!("/api/miners/{miner}/notices"),
        format!("/api/miners/{miner}/receipt"),
        "/nowhere".to_owned(),
        "/healthz".to_owned(),
    ] {
        let answer = fetch(address, &path, GZIP).await;
        assert!(!has(&answer, "content-encoding"), "{path}: {answer:?}");
    }
    let typed = ask(address, "POST", "/miners", GZIP, "key=nonsense").await;
    assert!(!has(&typed, "content-encoding"), "{typed:?}");
    // A request's body is counted as it comes, and never unpacked.
    let more = format!("{GZIP}Content-Encoding: gzip\r\n");
    let bomb = "x".repeat(5000);
    let refused = ask(address, "POST", "/miners", &more, &bomb).await;
    assert_eq!(refused.code, 413);
}
