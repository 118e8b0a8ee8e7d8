//! Nobody reads the log.

use tokio::net::TcpStream;

use crate::client::Client;
use crate::world::{agrees, bitaxe, earns, get, key, metric_reaches, ocean, pool};

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
