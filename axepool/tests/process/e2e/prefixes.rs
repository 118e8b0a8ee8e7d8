//! Our share of the upstream's extranonce2: nobody has another's, and it runs out.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use simnet::pool::SimPoolHandle;

use crate::client::{Client, Verdict, handshake, line, subscribe};
use crate::common::{PATIENCE, PoolProcess};
use crate::world::{LOADED, TINY, UPSTREAM_LINES, credited, key, metric, ocean, pool};

/// An extranonce2 of two bytes has a prefix of one: so many miners on a connection.
const PER_LANE: usize = 256;

async fn world(max_lanes: usize) -> (SimPoolHandle, PoolProcess) {
    let ocean = ocean(|options| options.extranonce2_size = 2).await;
    let pool = pool(&ocean, |setup| {
        setup.stratum = LOADED.to_owned();
        setup.upstream = format!("{UPSTREAM_LINES}max_lanes = {max_lanes}\n");
    })
    .await;
    (ocean, pool)
}

async fn fill(target: SocketAddr, count: usize) -> Vec<Client> {
    let mut clients = Vec::with_capacity(count);
    for index in 0..count {
        let mut client = Client::connect(target).await;
        let name = key(u64::try_from(index % 7).expect("small")).username("x");
        client.login(&name).await.expect("there is room");
        assert_eq!(client.extranonce2_size, 1);
        clients.push(client);
    }
    clients
}

/// Tries until there is room: a full lane refuses in silence, and a device tries again.
async fn enter(target: SocketAddr) -> Client {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut client = Client::connect(target).await;
        if client.login(&key(1).npub).await.is_some() {
            return client;
        }
        assert!(Instant::now() < deadline, "no room within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn is_refused(target: SocketAddr) {
    let mut breath = Client::connect(target).await;
    breath.send(handshake(&key(1).npub)).await;
    assert_eq!(breath.rest().await, b"", "in one breath: silence");
    let mut waiting = Client::connect(target).await;
    waiting
        .send(line(1, "mining.ping", &serde_json::json!([])))
        .await;
    waiting.reply(1).await.expect("a pong");
    waiting.send(subscribe(2, "cgminer/4.12")).await;
    let reply = waiting.reply(2).await.expect("the reason");
    assert_eq!(reply["error"][1], "every extranonce prefix is taken");
    assert_eq!(waiting.rest().await, b"");
}

/// No two live sessions have one extranonce1.
#[track_caller]
fn all_differ<'a>(clients: impl Iterator<Item = &'a Client>) {
    let mut seen = BTreeSet::new();
    for client in clients {
        let extranonce1 = &client.extranonce1;
        assert!(
            seen.insert(extranonce1.clone()),
            "{extranonce1:?} is given twice"
        );
    }
}

#[tokio::test]
async fn a_full_connection_gets_a_second_one() {
    let (ocean, pool) = world(2).await;
    let target = pool.stratum().await;
    let mut clients = fill(target, PER_LANE).await;
    assert_eq!(ocean.read_books(|books| books.open_connections), 1);
    for _ in 0..5 {
        clients.push(enter(target).await);
    }
    assert_eq!(ocean.read_books(|books| books.open_connections), 2);
    all_differ(clients.iter());
    // The two connections are different to the upstream, and both mine.
    let upstream = |client: &Client| client.extranonce1[..4].to_vec();
    let lanes: BTreeSet<_> = clients.iter().map(upstream).collect();
    assert_eq!(lanes.len(), 2);
    let last = clients.len() - 1;
    for index in [0, PER_LANE - 1, PER_LANE, last] {
        let client = &mut clients[index];
        let share = client.find_at(&client.job(), client.job().notify.ntime, 1e-5);
        assert_eq!(client.submit(&share).await, Verdict::Accepted);
    }
    // Each was of the upstream's grade.
    ocean
        .wait_for(|books| books.accepted() == 4, PATIENCE)
        .await
        .expect("passed on by either connection");
    let shares: u64 = credited(&pool)
        .await
        .values()
        .map(|(shares, _)| shares)
        .sum();
    assert_eq!(shares, 4);
}

#[tokio::test]
async fn a_full_pool_refuses_and_a_prefix_rests_while_its_job_lives() {
    let (ocean, pool) = world(1).await;
    let target = pool.stratum().await;
    let mut clients = fill(target, PER_LANE).await;
    all_differ(clients.iter());
    is_refused(target).await;
    assert_eq!(ocean.read_books(|books| books.open_connections), 1);

    // One leaves with a share of the living job behind it.
    let mut leaver = clients.swap_remove(100);
    let share = leaver.find();
    assert_eq!(leaver.submit(&share).await, Verdict::Accepted);
    let left = leaver.extranonce1.clone();
    drop(leaver);
    pool.poll("it to be gone", async |pool| {
        (pool.status().await.connections == PER_LANE - 1).then_some(())
    })
    .await;
    is_refused(target).await;
    // A further job that leaves the older ones alive frees nothing.
    ocean.new_job(false);
    clients[0].jobs(1).await.expect("the job");
    is_refused(target).await;
    // One that ends them does.
    ocean.new_job(true);
    clients[0].jobs(1).await.expect("the job");
    let newcomer = enter(target).await;
    assert_eq!(newcomer.extranonce1, left);
    clients.push(newcomer);
    all_differ(clients.iter());
    is_refused(target).await;
    assert_eq!(clients[0].difficulty, TINY);
    assert!(metric(&pool, "axepool_connections_closed_total", "no_work").await >= 8.0);
}
