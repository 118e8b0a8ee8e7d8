//! How a Bitaxe finds out that we are back, and how it is sent away for good.

use std::time::Duration;

use simnet::bitaxe::{PoolAddress, PoolSide};
use simnet::keys::SimKey;
use simnet::pool::SimPoolHandle;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{Client, authorize, handshake, subscribe};
use crate::common::{PATIENCE, PoolProcess};
use crate::world::{agrees, bitaxe, credited, earns, get, key, metric, ocean, pool};

/// ESP-Miner's buffer is of 1024 bytes, the last for the string's end.
const PROBE_READ: usize = 1_023;

pub(crate) fn fallback(pool: &SimPoolHandle) -> Option<PoolAddress> {
    Some(PoolAddress::new(pool.address().to_string(), "fallback"))
}

#[tokio::test]
async fn a_bitaxe_comes_home_when_the_pool_is_back() {
    let (ocean, other) = (ocean(|_| {}).await, ocean(|_| {}).await);
    let mut pool = pool(&ocean, |_| {}).await;
    let home = pool.stratum().await;
    pool.setup().listen = home;
    let key = key(1);
    let axe = bitaxe(home, &key, |options| options.fallback = fallback(&other));
    earns(&axe, 5).await;
    pool.kill();
    axe.wait_for(|stats| stats.side == PoolSide::Fallback, PATIENCE)
        .await
        .expect("three failures lead to the fallback");
    earns(&axe, 5).await;

    pool.spawn().await;
    axe.wait_for(
        |stats| stats.side == PoolSide::Primary && stats.authorized,
        PATIENCE,
    )
    .await
    .expect("a probe finds the pool");
    assert_eq!(axe.read_stats(|stats| stats.good_probes), 1);
    earns(&axe, 5).await;
    let stats = axe.drain(PATIENCE).await.expect("every answer comes");
    assert_eq!(stats.switches, 2);
    let home = |share: &&simnet::bitaxe::AcceptedShare| share.side == PoolSide::Primary;
    let at_home = stats.accepted_shares.iter().filter(home).count();
    let (shares, _) = credited(&pool).await[&key.npub];
    let at_home = u64::try_from(at_home).expect("few");
    assert!(
        (at_home..=at_home + stats.lost).contains(&shares),
        "{shares} in the ledger, {at_home} answered"
    );
}

/// One connection as the firmware probes: two writes, one read.
async fn probe(pool: &PoolProcess, username: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(pool.stratum().await)
        .await
        .expect("connect");
    for line in [
        subscribe(1, "bitaxe/BM1370/v2.11.0"),
        authorize(2, username),
    ] {
        stream.write_all(line.as_bytes()).await.expect("write");
    }
    let mut answer = vec![0; PROBE_READ];
    let reading = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut answer)).await;
    let read = reading.expect("an answer within five seconds");
    answer.truncate(read.expect("read"));
    answer
}

#[tokio::test]
async fn a_probe_finds_notify_in_its_first_read_and_is_no_worker() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |_| {}).await;
    for index in 0..20 {
        let answer = probe(&pool, &key(index).username("axe")).await;
        let text = String::from_utf8_lossy(&answer);
        assert!(text.contains("mining.notify"), "{text}");
    }
    assert_eq!(probe(&pool, "bc1qnobody").await, b"");
    pool.poll("the probes to be gone", async |pool| {
        (pool.status().await.connections == 0).then_some(())
    })
    .await;
    assert_eq!(pool.status().await.workers, 0);
    let miners = pool.miners(None).await;
    assert_eq!((miners.epoch.totals.miners, miners.miners.len()), (0, 0));
}

/// Names that nobody can be paid by, with what the metric calls them.
fn unpayable() -> Vec<(&'static str, String, &'static str)> {
    let SimKey { secret, npub, .. } = key(1);
    use bitcoin::hex::DisplayHex as _;
    let secret_hex = secret.to_lower_hex_string();
    let mistyped = npub.replacen(
        &npub[20..21],
        if &npub[20..21] == "q" { "p" } else { "q" },
        1,
    );
    let address = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4.axe";
    let nsec = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5";
    vec![
        ("an address", address.to_owned(), "format"),
        ("a secret key", nsec.to_owned(), "maybe_secret"),
        ("a secret key in hex", secret_hex, "maybe_secret"),
        ("a mistyped npub", format!("{mistyped}.axe"), "checksum"),
        (
            "off the curve",
            format!("02{}", "f".repeat(64)),
            "not_on_curve",
        ),
    ]
}

#[tokio::test]
async fn names_that_cannot_be_paid_lead_to_the_fallback_and_are_told_to_nobody() {
    let (ocean, other) = (ocean(|_| {}).await, ocean(|_| {}).await);
    // Everything that can be logged is.
    let pool = pool(&ocean, |setup| setup.log = "trace".to_owned()).await;
    let target = pool.stratum().await;
    for (what, name, label) in &unpayable() {
        let refused = metric(&pool, "axepool_authorizations_refused_total", label).await;
        let mut breath = Client::connect(target).await;
        breath.send(handshake(name)).await;
        assert_eq!(breath.rest().await, b"", "{what}: silence");

        let mut patient = Client::connect(target).await;
        patient.send(subscribe(1, "cgminer/4.12")).await;
        patient.reply(1).await.expect("an answer");
        patient.send(authorize(2, name)).await;
        let reply = patient.reply(2).await.expect("the reason");
        assert_eq!(reply["error"][0], 24, "{what}: {reply}");
        let text = reply["error"][1].as_str().expect("a text");
        assert!(!text.contains(name.as_str()), "{what}: {text}");
        assert_eq!(patient.rest().await, b"", "{what}: closed");

        let now = metric(&pool, "axepool_authorizations_refused_total", label).await;
        assert_eq!(now - refused, 2.0, "{what} is counted as {label}");
    }

    let (_, nsec, _) = unpayable().swap_remove(1);
    let axe = bitaxe(target, &key(1), |options| {
        options.primary.username.clone_from(&nsec);
        options.fallback = fallback(&other);
    });
    axe.wait_for(|stats| stats.side == PoolSide::Fallback, PATIENCE)
        .await
        .expect("silence leads to the fallback");
    axe.wait_for(|stats| stats.probes >= 3, PATIENCE)
        .await
        .expect("it probes");
    earns(&axe, 3).await;
    let stats = axe.stats();
    assert_eq!((stats.good_probes, stats.switches), (0, 1));
    assert_eq!(stats.authorize_refused, 0, "it was never answered");

    let (_, metrics) = get(pool.metrics().await, "/metrics").await;
    let status = pool.command(&["status", "--json"]).stdout;
    let told = [
        pool.log(),
        metrics,
        String::from_utf8_lossy(&status).into_owned(),
    ];
    for (what, name, _) in &unpayable() {
        let key = name.split('.').next().expect("a first part");
        for text in &told {
            assert!(!text.contains(key), "{what} is in the open:\n{text}");
        }
    }
    assert_eq!(pool.status().await.workers, 0);
}

/// A good name beside the bad ones keeps its work.
#[tokio::test]
async fn every_way_to_write_a_key_is_the_same_miner() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |_| {}).await;
    let key = key(1);
    let axe = bitaxe(pool.stratum().await, &key, |_| {});
    earns(&axe, 1).await;
    agrees(&pool, &axe, &key).await;
    let before = credited(&pool).await[&key.npub].0;
    let spellings = [
        key.hex.clone(),
        format!("03{}", &key.hex[2..]),
        format!("nostr:{}.x", key.npub),
        format!("{}.X", key.npub.to_uppercase()),
        format!("nostr%3A{}%2Ex", key.npub),
    ];
    for (spelling, count) in spellings.iter().zip(1..) {
        let mut client = Client::connect(pool.stratum().await).await;
        client.login(spelling).await.expect("a good name");
        let share = client.find();
        let verdict = client.submit(&share).await;
        assert_eq!(verdict, crate::client::Verdict::Accepted, "{spelling}");
        let sums = credited(&pool).await;
        assert_eq!(sums.len(), 1, "{spelling}: {sums:?}");
        assert_eq!(sums[&key.npub].0, before + count, "{spelling}");
    }
}
