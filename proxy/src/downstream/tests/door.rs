//! Admission of connections, and refusals.

use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::config::IpNetwork;

fn localhost() -> IpNetwork {
    IpNetwork {
        address: "127.0.0.1".parse().unwrap(),
        prefix_len: 32,
    }
}

#[tokio::test]
async fn a_name_that_cannot_be_paid_is_met_with_silence_and_explained_to_who_waits() {
    let house = House::start(config()).await;
    let mut device = house.device().await;
    let breath = format!(
        "{{\"id\":1,\"method\":\"mining.subscribe\"}}\n{}\n",
        authorize(2, "bc1qnobody")
    );
    device.send(&breath).await;
    assert_eq!(device.rest().await, b"");
    let mut patient = house.device().await;
    patient
        .send("{\"id\":1,\"method\":\"mining.subscribe\"}\n")
        .await;
    patient.expect("1").await;
    patient
        .send(&format!("{}\n", authorize(2, "bc1qnobody")))
        .await;
    assert_eq!(patient.expect("2").await["error"][0], 24);
    assert_eq!(patient.rest().await, b"");
    assert_eq!(house.metric("authorizations_refused_total", "format"), 2.0);
    assert_eq!(house.proxy.status(10).downstream.workers, 0);
    house.stop().await;
}

#[tokio::test]
async fn a_storm_of_rejects_sends_a_device_to_its_fallback() {
    let mut config = config();
    config.limits.max_rejects_in_a_row = 3;
    let house = House::start(config).await;
    let mut device = house.device().await;
    device.begin(MINER).await;
    device
        .send(&submit(9, "77", "0000000000", 1).repeat(3))
        .await;
    device.rest().await;
    house.metric_becomes("connections", "", 0.0).await;
    // It comes again at once, and later probes whether we are back: not a word.
    let subscribe = "{\"id\":1,\"method\":\"mining.subscribe\"}\n";
    for _ in 0..2 {
        let mut again = house.device().await;
        again
            .send(&format!("{subscribe}{}\n", authorize(2, MINER)))
            .await;
        assert_eq!(again.rest().await, b"");
    }
    let closed = |reason| house.metric("connections_closed_total", reason);
    assert_eq!(closed("reject_storm"), 1.0);
    assert_eq!(closed("after_reject_storm"), 2.0);
    // Its neighbour is served.
    let neighbour = format!("{MINER}.other");
    house.device().await.begin(&neighbour).await;
    house.stop().await;
}

#[tokio::test]
async fn an_address_has_its_share_of_connections_and_gets_it_back() {
    let mut config = config();
    config.limits.max_connections_per_address = 2;
    let house = House::start(config).await;
    let (mut first, mut second) = (house.device().await, house.device().await);
    first.begin(MINER).await;
    second.begin(MINER).await;
    assert_eq!(house.device().await.rest().await, b"");
    assert_eq!(
        house.metric("connections_refused_total", "address_limit"),
        1.0
    );
    drop(first);
    house.metric_becomes("connections", "", 1.0).await;
    house.device().await.begin(MINER).await;
    house.stop().await;
}

#[tokio::test]
async fn an_address_that_connects_too_often_is_refused() {
    let mut config = config();
    config.limits.new_burst_per_address = 3;
    config.limits.new_per_second_per_address = 1;
    let house = House::start(config).await;
    for _ in 0..10 {
        drop(house.device().await);
    }
    house.metric_becomes("connections_total", "", 3.0).await;
    assert!(house.metric("connections_refused_total", "address_rate") >= 6.0);
    house.stop().await;
}

#[tokio::test]
async fn a_full_server_drops_who_never_worked() {
    let mut config = config();
    config.limits.max_connections = 2;
    let house = House::start(config).await;
    let (mut worker, mut loafer) = (house.device().await, house.device().await);
    worker.begin(MINER).await;
    worker.send(&submit(7, "1", "0000000001", 1)).await;
    worker.expect("7").await;
    loafer.begin(MINER).await;
    let mut newcomer = house.device().await;
    newcomer.begin(MINER).await;
    assert_eq!(loafer.rest().await, b"");
    house
        .metric_becomes("connections_closed_total", "evicted", 1.0)
        .await;
    newcomer.send(&submit(7, "1", "0000000001", 2)).await;
    newcomer.expect("7").await;
    assert_eq!(house.device().await.rest().await, b"", "full of workers");
    assert_eq!(house.metric("connections_refused_total", "full"), 1.0);
    house.stop().await;
}

#[tokio::test]
async fn long_lines_and_silent_peers_are_closed() {
    let mut config = config();
    config.limits.authorize_timeout = Duration::from_millis(100);
    let house = House::start(config).await;
    let mut long = house.device().await;
    long.send(&"x".repeat(5_000)).await;
    assert!(
        String::from_utf8(long.rest().await)
            .unwrap()
            .contains("line longer than 4096 bytes")
    );
    assert_eq!(house.device().await.rest().await, b"");
    house
        .metric_becomes("connections_closed_total", "authorize_timeout", 1.0)
        .await;
    house.stop().await;
}

#[tokio::test]
async fn behind_a_load_balancer_the_real_address_counts() {
    let mut config = config();
    config.proxy_protocol_from = vec![localhost()];
    config.limits.max_connections_per_address = 1;
    let house = House::start(config).await;
    let mut devices = Vec::new();
    for last in 1..=3 {
        let mut device = house.device().await;
        device
            .send(&format!(
                "PROXY TCP4 203.0.113.{last} 192.0.2.1 4660 3333\r\n"
            ))
            .await;
        device.begin(MINER).await;
        devices.push(device);
    }
    let mut again = house.device().await;
    again
        .send("PROXY TCP4 203.0.113.1 192.0.2.1 4661 3333\r\n")
        .await;
    assert_eq!(again.rest().await, b"");
    assert_eq!(
        house.metric("connections_refused_total", "address_limit"),
        1.0
    );
    let mut plain = house.device().await;
    plain.send(&format!("{}\n", authorize(1, MINER))).await;
    assert_eq!(plain.rest().await, b"");
    house
        .metric_becomes("connections_closed_total", "proxy_header", 1.0)
        .await;
    house.stop().await;
}

#[tokio::test]
async fn others_may_not_claim_an_address() {
    let house = House::start(config()).await;
    let mut device = house.device().await;
    device
        .send("PROXY TCP4 203.0.113.1 192.0.2.1 4661 3333\r\n")
        .await;
    device.rest().await;
    house
        .metric_becomes("connections_closed_total", "malformed", 1.0)
        .await;
    house.stop().await;
}

/// A TLS client of `house` that says `first` before its handshake.
async fn tls_device(
    house: &House,
    authority: &Authority,
    first: &str,
) -> Device<TlsStream<TcpStream>> {
    let mut stream = TcpStream::connect(house.proxy.tls_addresses()[0])
        .await
        .unwrap();
    stream.write_all(first.as_bytes()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    Device::new(
        soon(authority.connector().connect(name, stream))
            .await
            .unwrap(),
    )
}

#[tokio::test]
async fn tls_serves_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config();
    let (tls, authority) = tls_files(&directory);
    config.tls = Some(tls);
    let house = House::start(config).await;
    let mut device = tls_device(&house, &authority, "").await;
    device.begin(MINER).await;
    device.send(&submit(7, "1", "0000000001", 1)).await;
    assert_eq!(device.expect("7").await["result"], true);
    assert!(house.proxy.status(1).downstream.sessions[0].tls);
    // Plain Stratum at the TLS port is no handshake.
    let mut plain = Device::connect(house.proxy.tls_addresses()[0]).await;
    plain.send(&format!("{}\n", authorize(1, MINER))).await;
    plain.rest().await;
    house
        .metric_becomes("connections_closed_total", "tls", 1.0)
        .await;
    house.stop().await;
}

#[tokio::test]
async fn tls_behind_a_load_balancer_begins_after_the_header() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config();
    let (tls, authority) = tls_files(&directory);
    config.tls = Some(tls);
    config.proxy_protocol_from = vec![localhost()];
    config.limits.max_connections_per_address = 1;
    let house = House::start(config).await;
    let header = |last: u8| format!("PROXY TCP4 203.0.113.{last} 192.0.2.1 4660 3333\r\n");
    let mut first = tls_device(&house, &authority, &header(1)).await;
    let mut second = tls_device(&house, &authority, &header(2)).await;
    for (nonce, device) in [&mut first, &mut second].into_iter().enumerate() {
        device.begin(MINER).await;
        let nonce = u32::try_from(nonce).unwrap();
        device.send(&submit(7, "1", "0000000001", nonce)).await;
        assert_eq!(device.expect("7").await["result"], true);
    }
    // The real address counts: its second connection is refused before any handshake.
    let mut again = Device::connect(house.proxy.tls_addresses()[0]).await;
    again.send(&header(1)).await;
    assert_eq!(again.rest().await, b"");
    assert_eq!(
        house.metric("connections_refused_total", "address_limit"),
        1.0
    );
    // A handshake without a header is none that the balancer sent.
    let stream = TcpStream::connect(house.proxy.tls_addresses()[0])
        .await
        .unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    assert!(
        soon(authority.connector().connect(name, stream))
            .await
            .is_err()
    );
    house
        .metric_becomes("connections_closed_total", "proxy_header", 1.0)
        .await;
    house.stop().await;
}

#[tokio::test]
async fn sockets_bound_before_are_served() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let listeners = ProxyListeners {
        plain: vec![socket],
        tls: vec![],
    };
    let mut config = config();
    config.listen.clear();
    let house = House::start_with(config, EVERY_HASH, listeners).await;
    assert_eq!(house.proxy.addresses(), [address]);
    house.device().await.begin(MINER).await;
    house.stop().await;
}

#[tokio::test]
async fn a_taken_port_and_a_missing_certificate_are_said_at_the_start() {
    let house = House::start(config()).await;
    let start = |config| {
        let (upstream, ledger) = (upstream(&house.pool), house.ledger.clone());
        async move {
            let registry = prometheus::Registry::new();
            Proxy::start(
                config,
                upstream,
                ledger,
                &registry,
                CancellationToken::new(),
            )
            .await
            .unwrap_err()
            .to_string()
        }
    };
    let mut taken = config();
    taken.listen = house.proxy.addresses();
    assert!(start(taken).await.contains("cannot listen on 127.0.0.1"));
    let directory = tempfile::tempdir().unwrap();
    let mut tls = config();
    tls.tls = Some(tls_files(&directory).0);
    std::fs::remove_file(directory.path().join("key.pem")).unwrap();
    assert!(start(tls).await.contains("key.pem"));
    house.stop().await;
}
