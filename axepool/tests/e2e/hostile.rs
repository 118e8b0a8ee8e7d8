//! Slow, broken and hostile peers; an honest Bitaxe earns beside all of them.

use std::net::{IpAddr, SocketAddr};

use serde_json::json;
use simnet::bitaxe::{Misbehaviour, SimBitaxe};
use socket2::SockRef;
use tokio::net::TcpSocket;

use crate::client::{Client, Verdict, handshake, line, subscribe};
use crate::common::PoolProcess;
use crate::world::{STRATUM, agrees, bitaxe, earns, key, metric, metric_reaches, ocean, pool};

const CLOSED: &str = "axepool_connections_closed_total";
const REFUSED: &str = "axepool_connections_refused_total";

fn local(last: u8) -> IpAddr {
    IpAddr::from([127, 0, 0, last])
}

/// Goes on as if nothing were there, on its one connection.
async fn goes_on(honest: &SimBitaxe) {
    earns(honest, 3).await;
    let stats = honest.stats();
    assert_eq!((stats.connections, stats.failures), (1, 0));
    assert_eq!(stats.rejected, [].into());
}

#[tokio::test]
async fn broken_and_slow_peers_are_closed() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |setup| {
        setup.stratum = format!("{STRATUM}authorize_timeout_secs = 1\nmax_line_bytes = 2048\n");
    })
    .await;
    let target = pool.stratum().await;
    let key = key(1);
    let honest = bitaxe(target, &key, |_| {});
    earns(&honest, 1).await;

    // Half a line, and silence.
    let mut half = Client::connect(target).await;
    half.send("{\"id\":1,\"method\":\"mining.subs").await;
    let mut mute = Client::connect(target).await;
    // Half a session: subscribed, and silence.
    let mut idle = Client::connect(target).await;
    idle.send(subscribe(1, "x")).await;
    half.until_closed().await;
    mute.until_closed().await;
    idle.until_closed().await;
    assert_eq!(metric(&pool, CLOSED, "authorize_timeout").await, 3.0);
    goes_on(&honest).await;

    // A line without an end, from a stranger and within a session.
    let mut endless = Client::connect(target).await;
    while endless.send([b'['; 1024]).await {}
    let mut session = Client::connect(target).await;
    session.login(&key.npub).await.expect("a session");
    session.send([b' '; 4096]).await;
    session.until_closed().await;
    metric_reaches(&pool, CLOSED, "line_too_long", 2.0).await;

    // What is no Stratum at all.
    let strangers: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n\n",
        b"\x00\xff\xfe\n",
        b"[[[[[[[[[[[[[[[[[[[[\n",
    ];
    for bytes in strangers {
        let mut stranger = Client::connect(target).await;
        stranger.send(bytes).await;
        stranger.rest().await;
    }
    metric_reaches(&pool, CLOSED, "malformed", 4.0).await;
    goes_on(&honest).await;
    agrees(&pool, &honest, &key).await;
}

#[tokio::test]
async fn floods_of_messages_and_of_rejects_end_the_session() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |setup| {
        setup.stratum = format!("{STRATUM}max_rejects_in_a_row = 30\n");
    })
    .await;
    let target = pool.stratum().await;
    let key = key(1);
    let honest = bitaxe(target, &key, |_| {});
    earns(&honest, 1).await;

    // Fifty a second are fine, and ten seconds' worth at once.
    let mut flood = Client::connect(target).await;
    flood.login(&key.npub).await.expect("a session");
    let pings = line(9, "mining.ping", &json!([])).repeat(600);
    flood.send(pings).await;
    flood.until_closed().await;
    assert_eq!(metric(&pool, CLOSED, "flood").await, 1.0);
    goes_on(&honest).await;

    let junk = bitaxe(target, &key, |options| {
        options.hashrate = 0.0;
        options.misbehaviours = vec![Misbehaviour::Flood { per_second: 40 }];
    });
    metric_reaches(&pool, CLOSED, "reject_storm", 2.0).await;
    assert!(junk.stats().rejected_with(21) >= 30);
    junk.stop().await;

    // A miner that submits everything twice, too little, and as somebody else gets what
    // is its own, under the name that it authorized.
    let cheat_key = crate::world::key(2);
    let cheat = bitaxe(target, &cheat_key, |options| {
        options.hashrate *= 0.5;
        let username = crate::world::key(3).username("victim");
        options.misbehaviours = vec![
            Misbehaviour::Duplicate { every: 2 },
            Misbehaviour::WrongDifficulty { factor: 0.8 },
            Misbehaviour::SubmitAs { username },
        ];
    });
    earns(&cheat, 20).await;
    agrees(&pool, &cheat, &cheat_key).await;
    let stats = cheat.stats();
    assert!(stats.rejected_with(22) >= 5, "{:?}", stats.rejected);
    assert!(stats.rejected_with(23) >= 1, "{:?}", stats.rejected);
    goes_on(&honest).await;
    agrees(&pool, &honest, &key).await;
}

/// Small windows and small segments, so that the kernel keeps little for it.
async fn connect_narrow(target: SocketAddr) -> Client {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("SO_RCVBUF");
    SockRef::from(&socket).set_tcp_mss(536).expect("TCP_MAXSEG");
    Client::over(socket.connect(target).await.expect("connect"))
}

#[tokio::test]
async fn who_never_reads_is_closed() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |setup| {
        setup.stratum = format!("{STRATUM}max_unsent_bytes = 8192\n");
    })
    .await;
    let target = pool.stratum().await;
    let key = key(1);
    let honest = bitaxe(target, &key, |_| {});
    let mut deaf = connect_narrow(target).await;
    deaf.send(handshake(&key.npub)).await;
    earns(&honest, 1).await;
    let mut jobs = 0;
    while metric(&pool, CLOSED, "slow_reader").await == 0.0 {
        jobs += 1;
        assert!(jobs < 2_000, "its buffer grows for ever");
        ocean.new_job(false);
    }
    goes_on(&honest).await;
    agrees(&pool, &honest, &key).await;
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

async fn full_house(most: usize) -> (PoolProcess, simnet::pool::SimPoolHandle) {
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
