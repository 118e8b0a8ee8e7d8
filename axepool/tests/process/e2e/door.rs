//! Who gets in: limits of an address, a full server, load balancers before us.

use std::net::{IpAddr, SocketAddr};

use serde_json::json;
use simnet::pool::SimPoolHandle;

use crate::client::{Client, Verdict, handshake, line};
use crate::common::PoolProcess;
use crate::e2e::hostile::{CLOSED, goes_on};
use crate::world::{STRATUM, agrees, bitaxe, earns, key, metric, metric_reaches, ocean, pool};

const REFUSED: &str = "axepool_connections_refused_total";

fn local(last: u8) -> IpAddr {
    IpAddr::from([127, 0, 0, last])
}

#[tokio::test]
async fn an_address_that_connects_too_often_or_too_much_is_refused() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |setup| {
        setup.stratum = format!(
            "{STRATUM}new_per_second_per_address = 1\nnew_burst_per_address = 20\n\
             max_connections_per_address = 10\n"
        );
    })
    .await;
    let target = pool.stratum().await;
    let key = key(1);
    let honest = bitaxe(target, &key, |_| {});
    earns(&honest, 1).await;

    let mut kept = Vec::new();
    for _ in 0..10 {
        kept.push(Client::connect_from(local(9), target).await);
    }
    // The eleventh is one too many, and further ones are too fast.
    for _ in 0..15 {
        let mut further = Client::connect_from(local(9), target).await;
        assert_eq!(further.rest().await, b"");
    }
    assert!(metric(&pool, REFUSED, "address_limit").await >= 5.0);
    assert!(metric(&pool, REFUSED, "address_rate").await >= 1.0);
    let mut other = Client::connect_from(local(10), target).await;
    other
        .login(&key.npub)
        .await
        .expect("others are not affected");
    goes_on(&honest).await;
    agrees(&pool, &honest, &key).await;
}

async fn idle(target: SocketAddr, count: u8) -> Vec<Client> {
    let mut idle = Vec::new();
    for _ in 0..count {
        let mut client = Client::connect(target).await;
        client.login(&key(9).npub).await.expect("a session");
        idle.push(client);
    }
    idle
}

async fn full_house(most: usize) -> (PoolProcess, SimPoolHandle) {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |setup| {
        setup.stratum = format!("{STRATUM}max_connections = {most}\n");
    })
    .await;
    (pool, ocean)
}

#[tokio::test]
async fn a_full_server_sends_away_who_never_worked() {
    let (pool, _ocean) = full_house(8).await;
    let target = pool.stratum().await;
    let key = key(1);
    let honest = bitaxe(target, &key, |_| {});
    earns(&honest, 1).await;
    let mut sitters = idle(target, 7).await;
    // Each newcomer takes the place of the one that sat there longest.
    let newcomers = idle(target, 3).await;
    for sitter in &mut sitters[..3] {
        sitter.until_closed().await;
    }
    assert_eq!(metric(&pool, CLOSED, "evicted").await, 3.0);
    for sitter in &mut sitters[3..] {
        sitter.send(line(1, "mining.ping", &json!([]))).await;
        sitter.reply(1).await.expect("it still has its place");
    }
    assert_eq!(newcomers.len(), 3);
    goes_on(&honest).await;
    agrees(&pool, &honest, &key).await;
}

#[tokio::test]
async fn a_server_full_of_earners_takes_nobody() {
    let (pool, _ocean) = full_house(2).await;
    let target = pool.stratum().await;
    let key = key(1);
    let axes = [bitaxe(target, &key, |_| {}), bitaxe(target, &key, |_| {})];
    for axe in &axes {
        earns(axe, 1).await;
    }
    for _ in 0..3 {
        let mut third = Client::connect(target).await;
        assert_eq!(third.rest().await, b"");
    }
    assert_eq!(metric(&pool, REFUSED, "full").await, 3.0);
    for axe in &axes {
        goes_on(axe).await;
    }
    // A place that becomes free is had.
    axes[0].stop().await;
    pool.poll("a free place", async |pool| {
        (pool.status().await.connections == 1).then_some(())
    })
    .await;
    let mut third = Client::connect(target).await;
    third.login(&key.npub).await.expect("a session");
}

/// PROXY protocol v2 for TCP over IPv4: 203.0.113.`last`:7 to 192.0.2.1:3333.
fn header_v2(last: u8) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend([203, 0, 113, last, 192, 0, 2, 1]);
    header.extend([0, 7, 0x0d, 0x05]);
    header
}

#[tokio::test]
async fn the_proxy_protocol_is_for_listed_peers() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |setup| {
        setup.stratum = format!(
            "{STRATUM}proxy_protocol_from = [\"127.0.0.5\"]\nmax_connections_per_address = 2\n"
        );
    })
    .await;
    let target = pool.stratum().await;
    let key = key(1);
    let honest = bitaxe(target, &key, |_| {});
    earns(&honest, 1).await;

    let v1 = |last: u8| format!("PROXY TCP4 203.0.113.{last} 192.0.2.1 7 3333\r\n").into_bytes();
    // From anybody else it is a line that is no request.
    for header in [v1(1), header_v2(1)] {
        let mut unlisted = Client::connect_from(local(6), target).await;
        unlisted
            .send([&header[..], handshake(&key.npub).as_bytes()].concat())
            .await;
        let told = unlisted.rest().await;
        assert!(!String::from_utf8_lossy(&told).contains("mining.notify"));
    }
    metric_reaches(&pool, CLOSED, "malformed", 2.0).await;

    // From the listed one it names whose connection it is: the limits are theirs.
    let mut served = Vec::new();
    for header in [v1(1), header_v2(1), v1(2), header_v2(3)] {
        let mut client = Client::connect_from(local(5), target).await;
        client.send(&header).await;
        client
            .login(&key.username("behind"))
            .await
            .expect("a session");
        let share = client.find();
        assert_eq!(client.submit(&share).await, Verdict::Accepted);
        served.push(client);
    }
    let mut third = Client::connect_from(local(5), target).await;
    third.send(header_v2(1)).await;
    assert_eq!(third.rest().await, b"");
    assert_eq!(metric(&pool, REFUSED, "address_limit").await, 1.0);
    // And without a header it is not listened to.
    let mut bare = Client::connect_from(local(5), target).await;
    bare.send(handshake(&key.npub)).await;
    assert_eq!(bare.rest().await, b"");
    metric_reaches(&pool, CLOSED, "proxy_header", 1.0).await;
    goes_on(&honest).await;
}
