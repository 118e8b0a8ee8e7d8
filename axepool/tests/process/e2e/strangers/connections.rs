//! Connections without end, at each listener.

use std::net::SocketAddr;

use super::{ask, beside, connect, crowd, get, open, refused};
use crate::client::Client;
use crate::common::PoolProcess;
use crate::e2e::hostile::goes_on;
use crate::world::{agrees, bitaxe, earns, key, ocean, pool};

/// Where the operator's page is; it may be bound a moment after the rest.
async fn operator(pool: &PoolProcess) -> SocketAddr {
    let url = pool.poll("the operator's page", async |pool| {
        pool.status().await.operator
    });
    let url = url.await;
    let rest = url.trim_start_matches("http://");
    let address = rest.split('/').next().expect("an address");
    address.parse().expect("an address")
}

#[tokio::test]
async fn silent_connections_of_one_address_take_nobodys_place() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |_| {}).await;
    let to = pool.status().await.http[0];
    let crowd = beside(
        to,
        &["/healthz", "/", "/epochs"],
        crowd(10..11, 300, to, ""),
    )
    .await;
    assert_eq!(crowd.len(), 300);
    pool.poll("the surplus is closed", async |_| {
        (open(&crowd) <= 64).then_some(())
    })
    .await;
    assert_eq!(open(&crowd), 64);
    assert_eq!(refused(&pool, "http", "address_connections").await, 236.0);
}

#[tokio::test]
async fn a_full_listener_takes_from_who_has_most() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |setup| {
        setup.http_lines += "max_connections = 100\nmax_connections_per_address = 20\n";
    })
    .await;
    let to = pool.status().await.http[0];
    // Ten addresses bring twice what all have; half of them in the middle of a head.
    let attack = async {
        let silent = crowd(10..15, 20, to, "").await;
        let half = crowd(15..20, 20, to, "GET / HTTP/1.1\r\nHost: ").await;
        (silent, half)
    };
    let (silent, half) = beside(to, &["/healthz", "/"], attack).await;
    assert!(open(&silent) + open(&half) <= 100);
    assert!(refused(&pool, "http", "made_room").await > 0.0);
    // Each newcomer gets in, once.
    for address in 30..60 {
        let answer = ask(address, to, &get("/api/pool")).await;
        assert_eq!(answer.expect("an answer").0, 200, "127.0.0.{address}");
    }
}

/// Few descriptors for all: the miners have them, whatever comes to the others.
#[tokio::test]
async fn no_listener_takes_the_miners_descriptors() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |setup| {
        setup.shell = Some("ulimit -n 300".to_owned())
    })
    .await;
    let status = pool.status().await;
    let operator = operator(&pool).await;
    let target = status.stratum[0];
    let key = key(1);
    let honest = bitaxe(target, &key, |_| {});
    earns(&honest, 1).await;

    let mut crowds = Vec::new();
    for listener in [status.metrics[0], operator, status.http[0]] {
        crowds.push(crowd(10..20, 40, listener, "").await);
    }
    goes_on(&honest).await;
    // New devices get in, and a hundred of them have their descriptors.
    let mut devices = Vec::new();
    for number in 0..100_u8 {
        let mut device = Client::connect_from(super::local(100 + number % 50), target).await;
        device.login(&key.npub).await.expect("a session");
        devices.push(device);
    }
    agrees(&pool, &honest, &key).await;
    drop(crowds);
    let shed = refused(&pool, "metrics", "descriptors").await
        + refused(&pool, "operator", "descriptors").await
        + refused(&pool, "http", "descriptors").await;
    assert!(shed > 0.0);
}

#[tokio::test]
async fn silent_connections_at_the_metrics_and_the_operators_page_end() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |_| {}).await;
    let status = pool.status().await;
    let operator = operator(&pool).await;
    let metrics = status.metrics[0];
    let crowd_at_metrics = crowd(10..12, 100, metrics, "");
    let crowd_at_metrics = beside(metrics, &["/healthz", "/metrics"], crowd_at_metrics).await;
    pool.poll("the metrics' listener closes most", async |_| {
        (open(&crowd_at_metrics) <= 32).then_some(())
    })
    .await;
    let crowd_at_operator = crowd(10..12, 100, operator, "").await;
    let asked = get("/").replace("Host: test", "Host: localhost");
    let (code, answer) = ask(30, operator, &asked).await.expect("an answer");
    assert_eq!(code, 401, "{answer}");
    assert!(answer.contains("nosniff"), "{answer}");
    // The system takes connections before the listener does: it closes them soon after.
    pool.poll("the operator's listener closes most", async |_| {
        (open(&crowd_at_operator) <= 32).then_some(())
    })
    .await;
    // A body has no business there, and no end of time.
    let mut body = connect(31, operator).await.expect("connect");
    let post = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut body, post.as_bytes())
        .await
        .expect("written");
    let answer = super::rest(&mut body).await;
    assert!(answer.starts_with(b"HTTP/1.1 413"));
}
