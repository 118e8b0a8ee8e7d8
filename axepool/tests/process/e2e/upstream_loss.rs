//! The upstream goes: for a moment, for longer, and for another one.

use simnet::bitaxe::{Firmware, PoolSide};
use simnet::pool::{Books, SimPoolHandle};

use crate::client::{Client, Verdict, authorize, handshake, subscribe};
use crate::common::{PATIENCE, PoolProcess};
use crate::e2e::fallback::fallback;
use crate::world::{
    STRATUM, agrees, bitaxe, earns, key, metric, metric_reaches, ocean, pool, upstream_is,
};

async fn lose(ocean: &SimPoolHandle, pool: &PoolProcess) {
    ocean.stop_accepting().await;
    ocean.drop_connections();
    upstream_is(pool, false).await;
}

#[tokio::test]
async fn within_the_grace_miners_stay_and_go_on() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |_| {}).await;
    let key = key(1);
    let axe = bitaxe(pool.stratum().await, &key, |_| {});
    earns(&axe, 5).await;
    lose(&ocean, &pool).await;
    // Nothing that it finds now has a job: told so, and not credited.
    axe.wait_for(|stats| stats.rejected_with(21) >= 3, PATIENCE)
        .await
        .expect("shares of dead jobs are stale");
    ocean.resume_accepting().await;
    upstream_is(&pool, true).await;
    earns(&axe, 20).await;
    agrees(&pool, &axe, &key).await;
    let stats = axe.stats();
    assert_eq!((stats.connections, stats.failures), (1, 0));
    assert_eq!(
        stats.rejected(),
        stats.rejected_with(21),
        "{:?}",
        stats.rejected
    );
    // Another session with another extranonce1: the upstream takes the new work.
    assert_eq!(ocean.read_books(Books::rejected), 0);
}

#[tokio::test]
async fn after_the_grace_everybody_leaves_and_comes_back() {
    let (ocean, other) = (ocean(|_| {}).await, ocean(|_| {}).await);
    let pool = pool(&ocean, |setup| {
        setup.stratum = format!("{STRATUM}upstream_grace_secs = 1\n");
    })
    .await;
    let target = pool.stratum().await;
    let (homing, patient) = (key(1), key(2));
    let axe = bitaxe(target, &homing, |options| {
        options.fallback = fallback(&other)
    });
    // Without a fallback: it tries on and on.
    let loyal = bitaxe(target, &patient, |options| {
        options.firmware = Firmware::Minerd;
        options.user_agent = "cpuminer/2.5.1".to_owned();
    });
    earns(&axe, 3).await;
    earns(&loyal, 3).await;
    let mut raw = Client::connect(target).await;
    raw.login(&key(3).npub).await.expect("a session");

    lose(&ocean, &pool).await;
    raw.until_closed().await;
    axe.wait_for(|stats| stats.side == PoolSide::Fallback, PATIENCE)
        .await
        .expect("no work leads to the fallback");
    earns(&axe, 3).await;
    pool.poll("everybody to be gone", async |pool| {
        (pool.status().await.workers == 0).then_some(())
    })
    .await;
    metric_reaches(
        &pool,
        "axepool_connections_closed_total",
        "upstream_lost",
        3.0,
    )
    .await;

    // New ones are refused: in silence who speaks in one breath, with the reason who waits.
    let mut breath = Client::connect(target).await;
    breath.send(handshake(&key(3).npub)).await;
    assert_eq!(breath.rest().await, b"");
    let mut waiting = Client::connect(target).await;
    let ping = crate::client::line(1, "mining.ping", &serde_json::json!([]));
    waiting.send(ping).await;
    waiting.reply(1).await.expect("a pong");
    waiting.send(subscribe(2, "cgminer/4.12")).await;
    let reply = waiting.reply(2).await.expect("the reason");
    assert_eq!(reply["error"][1], "the upstream has no work", "{reply}");
    assert_eq!(waiting.rest().await, b"");
    let mut authorized = Client::connect(target).await;
    authorized.send(authorize(1, &key(3).npub)).await;
    assert_eq!(authorized.rest().await, b"");

    ocean.resume_accepting().await;
    axe.wait_for(|stats| stats.side == PoolSide::Primary, PATIENCE)
        .await
        .expect("a probe finds the pool");
    earns(&axe, 3).await;
    earns(&loyal, 3).await;
    agrees(&pool, &loyal, &patient).await;
    let mut raw = Client::connect(target).await;
    raw.login(&key(3).npub).await.expect("a session");
    let share = raw.find();
    assert_eq!(raw.submit(&share).await, Verdict::Accepted);
}

#[tokio::test]
async fn the_second_upstream_takes_over_until_the_first_is_well() {
    let (first, second) = (ocean(|_| {}).await, ocean(|_| {}).await);
    let pool = pool(&first, |setup| setup.upstreams.push(second.address())).await;
    let keys = [key(1), key(2)];
    let target = pool.stratum().await;
    let axes = [
        bitaxe(target, &keys[0], |_| {}),
        bitaxe(target, &keys[1], |options| {
            options.user_agent = "cgminer/4.12".to_owned();
        }),
    ];
    let mined = async |ocean: &SimPoolHandle| {
        let before = ocean.read_books(Books::accepted);
        ocean
            .wait_for(|books| books.accepted() >= before + 3, PATIENCE)
            .await
            .expect("shares arrive");
    };
    mined(&first).await;
    assert_eq!(second.read_books(|books| books.connections), 0);

    first.stop_accepting().await;
    first.drop_connections();
    mined(&second).await;
    let status = pool.status().await;
    assert!(status.upstream.url.ends_with(&second.address().to_string()));

    first.resume_accepting().await;
    mined(&first).await;
    let status = pool.status().await;
    assert!(status.upstream.url.ends_with(&first.address().to_string()));
    second
        .wait_for(|books| books.open_connections == 0, PATIENCE)
        .await
        .expect("the second is left");

    for (axe, key) in axes.iter().zip(&keys) {
        agrees(&pool, axe, key).await;
    }
    // The upstreams' books and ours: each share that they took is one that we sent and
    // were told of, but for those whose answer was lost with the connection.
    let totals = pool.miners(None).await.epoch.totals;
    let taken = first.read_books(Books::accepted) + second.read_books(Books::accepted);
    let unanswered = metric(&pool, "axepool_upstream_unanswered_total", "").await;
    assert!(unanswered < 10.0, "{unanswered}");
    let untold: u64 = unanswered.to_string().parse().expect("a count");
    let told = totals.upstream_accepted;
    assert!((told..=told + untold).contains(&taken), "{taken} of {told}");
    assert!(taken <= totals.upstream_found);
    if untold == 0 {
        let work = first.read_books(Books::work) + second.read_books(Books::work);
        assert_eq!(work, totals.upstream_accepted_work.hashes());
    }
    assert_eq!(second.read_books(Books::rejected), 0);
}
