//! Slow, broken and hostile peers; an honest Bitaxe earns beside all of them.

use std::net::SocketAddr;

use serde_json::json;
use simnet::bitaxe::{Misbehaviour, SimBitaxe};
use socket2::SockRef;
use tokio::net::TcpSocket;

use crate::client::{Client, handshake, line, subscribe};
use crate::world::{STRATUM, agrees, bitaxe, earns, key, metric, metric_reaches, ocean, pool};

pub(crate) const CLOSED: &str = "axepool_connections_closed_total";

/// Goes on as if nothing were there, on its one connection.
pub(crate) async fn goes_on(honest: &SimBitaxe) {
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
    // Closed for it once, and not a word to who comes again: its fallback begins.
    metric_reaches(&pool, CLOSED, "after_reject_storm", 2.0).await;
    assert_eq!(metric(&pool, CLOSED, "\"reject_storm\"").await, 1.0);
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
    assert_eq!(stats.unexplained, 0, "{:?}", stats.rejected);
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
