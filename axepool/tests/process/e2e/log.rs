//! Nobody reads the log.

use pool::admin::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::Client;
use crate::world::{agrees, bitaxe, earns, get, key, metric, metric_reaches, ocean, pool};

/// As under a journal whose disk is full, or a terminal on hold: a write to stderr would
/// wait for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_nobody_reads_holds_up_nothing() {
    let ocean = ocean(|_| {}).await;
    let mut pool = pool(&ocean, |setup| {
        setup.log = "trace".to_owned();
        setup.is_log_unread = true;
    })
    .await;
    let key = key(1);
    let stratum = pool.stratum().await;
    let axe = bitaxe(stratum, &key, |_| {});
    earns(&axe, 5).await;
    // A line each: taken or refused, and gone.
    for _ in 0..2_000 {
        drop(TcpStream::connect(stratum).await);
    }
    metric_reaches(&pool, "axepool_log_lines_dropped_total", "", 100.0).await;
    earns(&axe, 20).await;
    agrees(&pool, &axe, &key).await;
    // It ends in time, whatever could not be said.
    assert!(pool.stop().await.success());
}

/// A seed phrase typed as the username, the token of a stranger's own, an address: what
/// comes by mistake, or is nobody's business.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_level_tells_a_secret_or_whose_address_it_is() {
    const WORDS: &str =
        "legal winner thank year wave sausage worth useful legal winner thank yellow";
    const NSEC: &str = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5";
    const WORKER: &str = "grandmothersattic";
    const PASSWORD: &str = "correcthorsebatterystaple";
    const ADDRESS: [u8; 4] = [127, 66, 77, 88];

    let ocean = ocean(|_| {}).await;
    let mut pool = pool(&ocean, |setup| {
        setup.log = "trace".to_owned();
        setup.upstream += &format!("password = \"{PASSWORD}\"\n");
        setup.stratum += "[log]\ndir = \"logs\"\n";
    })
    .await;
    let stratum = pool.stratum().await;
    let key = key(1);
    let names = [
        WORDS.to_owned(),
        NSEC.to_owned(),
        format!("{NSEC}.{WORKER}"),
        format!("{}.{WORKER}", key.npub),
    ];
    for name in &names {
        let mut client = Client::connect_from(ADDRESS.into(), stratum).await;
        // The last one is taken, the others are sent away.
        let _ = client.login(name).await;
    }
    let http = pool.status().await.http[0];
    get(http, &format!("/miners/{NSEC}")).await;
    let axe = bitaxe(stratum, &key, |_| {});
    earns(&axe, 3).await;
    assert!(pool.stop().await.success());

    let path = pool.config_path().with_file_name("logs/axepool.jsonl");
    let file = std::fs::read_to_string(path).expect("a file");
    let address = std::net::Ipv4Addr::from(ADDRESS).to_string();
    for (place, text) in [("stderr", pool.log()), ("the file", file)] {
        // Much was told: who was sent away and why, and from which network one asked.
        for told in ["bad_username", "127.0.0.0/24"] {
            assert!(text.contains(told), "{place} does not tell {told}");
        }
        for secret in ["sausage", NSEC, WORKER, PASSWORD, &address] {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{place} tells {secret}");
        }
    }
}

/// Opens a websocket of the mint at `address` and writes `frames`, unless it is refused.
async fn websocket(address: std::net::SocketAddr, frames: &[u8]) {
    let mut stream = TcpStream::connect(address).await.expect("connect");
    let head = "GET /v1/ws HTTP/1.1\r\nHost: pool\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("writes");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.expect("an answer");
    // The pool may end it at any of them.
    let _ = stream.write_all(frames).await;
    let _ = stream.shutdown().await;
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

/// Pongs that nobody asked for, and frames that are no request: an ERROR line each in the
/// library that reads them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_fill_no_log() {
    let ocean = ocean(|_| {}).await;
    let mut pool = pool(&ocean, |_| {}).await;
    let http = pool.status().await.http[0];
    pool.poll("the mint", async |_| {
        (get(http, "/v1/keys").await.0 == 200).then_some(())
    })
    .await;
    let before = pool.log().lines().count();
    // Masked, with a mask of zeros.
    let pongs = [0x8a, 0x80, 0, 0, 0, 0].repeat(5_000);
    let texts = [0x81, 0x81, 0, 0, 0, 0, b'x'].repeat(5_000);
    for frames in [&pongs, &texts] {
        for _ in 0..5 {
            websocket(http, frames).await;
        }
    }
    let change = |levels: &str| Request::Log {
        levels: Some(levels.to_owned()),
    };
    pool.ask(change("info,cdk=error")).await;
    for frames in [&pongs, &texts] {
        for _ in 0..5 {
            websocket(http, frames).await;
        }
    }
    assert!(metric(&pool, "axepool_log_lines_dropped_total", "").await < 1.0);
    assert!(pool.stop().await.success());
    let log = pool.log();
    assert!(log.contains("the log levels were changed"), "{log}");
    let lines = log.lines().count() - before;
    assert!(lines < 200, "{lines} lines");
}

/// The same with a line of the pool's own: its first ones are there, the others are told
/// as a sum, and lines of other places are written all the while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_place_cannot_hide_another() {
    let ocean = ocean(|_| {}).await;
    let mut pool = pool(&ocean, |_| {}).await;
    for _ in 0..60 {
        let levels = Some("info".to_owned());
        pool.ask(Request::Log { levels }).await;
    }
    metric_reaches(&pool, "axepool_log_lines_left_out_total", "", 20.0).await;
    assert!(pool.stop().await.success());
    let log = pool.log();
    let changed = log.matches("the log levels were changed").count();
    assert!((20..=40).contains(&changed), "{changed} lines");
    for line in ["lines left out", "pool::run::view:", "stopped"] {
        assert!(log.contains(line), "no {line} in {log}");
    }
}
