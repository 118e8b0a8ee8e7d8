//! Being told, with the program on both sides: `axepool notices set` signs a wish, the
//! pool sends what changes to a receiver on this machine, and a restart repeats nothing.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::common::{PATIENCE, PoolProcess, PoolSetup, axepool, stderr, stdout};
use crate::earned::{Earned, earned, key_file};
use crate::world::{STRATUM, get, key};
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use serde_json::Value;
use simnet::keys::SimKey;
use simnet::pool::{SimPool, SimPoolOptions};
use tokio::net::TcpListener;

/// A pool for its operator's own miners, which looks at them every second.
const NOTICES: &str = "[notices]\nwebhooks = true\nallow_private_targets = true\n\
    silent_after_secs = 5\n[expert.notices]\nlook_secs = 1\n";

/// What arrived at a receiver.
type Received = Arc<Mutex<Vec<Value>>>;

/// A receiver of webhooks, and its URL.
async fn receiver() -> (String, Received) {
    let received = Received::default();
    let take = async |State(received): State<Received>, body: String| {
        let body = serde_json::from_str(&body).expect("JSON");
        received.lock().expect("no panics").push(body);
    };
    let router = Router::new()
        .route("/hook", post(take))
        .with_state(Arc::clone(&received));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("bound"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, received)
}

/// The kinds of news that arrived, in order.
fn kinds(received: &Received) -> Vec<String> {
    let bodies = received.lock().expect("no panics");
    let entries = bodies
        .iter()
        .flat_map(|body| body["entries"].as_array().expect("a list"));
    entries
        .map(|entry| entry["news"]["kind"].as_str().expect("a kind").to_owned())
        .collect()
}

async fn until(received: &Received, kind: &str, pool: &PoolProcess) {
    let deadline = Instant::now() + PATIENCE;
    while !kinds(received).iter().any(|known| known == kind) {
        assert!(
            Instant::now() < deadline,
            "no {kind} in {:?}; the log:\n{}",
            kinds(received),
            pool.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn feed(pool: &PoolProcess, key: &SimKey) -> String {
    let path = format!("/miners/{}/feed.atom", key.hex);
    let (code, xml) = get(pool.status().await.http[0], &path).await;
    assert_eq!(code, 200, "{xml}");
    xml
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_is_told_what_changes_and_nothing_twice() {
    let keys: Vec<SimKey> = (1..=2).map(key).collect();
    let change = |setup: &mut PoolSetup| setup.stratum = format!("{STRATUM}{NOTICES}");
    let Earned {
        mut pool,
        ocean: _ocean,
        paid_sat,
    } = earned(&keys, &[], 2, change).await;
    let dir = tempfile::tempdir().expect("a directory");
    let file = key_file(dir.path(), &keys[0]);
    let (url, received) = receiver().await;
    let mint = format!("http://{}", pool.status().await.http[0]);
    let notices = |what: &[&str]| {
        let place = ["--mint", &mint, "--key", &file];
        axepool(&[&["notices"], what, &place].concat(), dir.path())
    };

    // A feed reader needs no signature.
    let empty = feed(&pool, &keys[0]).await;
    assert!(empty.contains("<feed xmlns="), "{empty}");
    let set = notices(&["set", "--webhook", &url, "--least-sat", "2", "--json"]);
    assert!(set.status.success(), "{}", stderr(&set));
    let shown: Value = serde_json::from_str(&stdout(&set)).expect("JSON");
    assert_eq!(shown["setting"]["channel"], "webhook", "{shown}");
    assert!(!stdout(&set).contains("/hook"), "{shown}");
    until(&received, "begun", &pool).await;
    until(&received, "ready", &pool).await;

    // A device that stops, and mines again.
    let target = pool.stratum().await;
    let axe = crate::world::bitaxe(target, &keys[0], |_| {});
    crate::world::earns(&axe, 3).await;
    axe.stop().await;
    until(&received, "silent", &pool).await;
    let axe = crate::world::bitaxe(target, &keys[0], |_| {});
    until(&received, "back", &pool).await;
    axe.stop().await;

    let ready = received.lock().expect("no panics").clone();
    let ready = ready
        .iter()
        .flat_map(|body| body["entries"].as_array().cloned().unwrap_or_default())
        .find(|entry| entry["news"]["kind"] == "ready")
        .expect("it came");
    let sat = ready["news"]["sat"].as_u64().expect("sat");
    assert!(0 < sat && sat < paid_sat, "{ready}");
    let xml = feed(&pool, &keys[0]).await;
    let id = ready["id"].as_str().expect("an id");
    assert!(xml.contains(id), "the feed has what was sent: {xml}");

    // After a restart nothing comes again.
    let before = kinds(&received);
    pool.kill();
    pool.spawn().await;
    pool.wait_ready().await;
    let again = feed(&pool, &keys[0]).await;
    assert_eq!(again.matches("<entry>").count(), before.len(), "{again}");
    let mint = format!("http://{}", pool.status().await.http[0]);
    let off = axepool(
        &["notices", "off", "--mint", &mint, "--key", &file],
        dir.path(),
    );
    assert!(off.status.success(), "{}", stderr(&off));
    assert!(stdout(&off).contains("nowhere"), "{}", stdout(&off));
    assert_eq!(kinds(&received), before);
}

/// A stranger whose webhook never answers, and who signs one wish after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_holds_up_no_owner_and_wishes_seldom() {
    let keys: Vec<SimKey> = (1..=2).map(key).collect();
    let change = |setup: &mut PoolSetup| setup.stratum = format!("{STRATUM}{NOTICES}");
    let paid = earned(&keys, &[], 2, change).await;
    let dir = tempfile::tempdir().expect("a directory");
    let mint = format!("http://{}", paid.pool.status().await.http[0]);
    let set = |who: usize, url: &str| {
        let place = tempfile::tempdir().expect("a directory");
        let file = key_file(place.path(), &keys[who]);
        let what = [
            "notices",
            "set",
            "--webhook",
            url,
            "--mint",
            &mint,
            "--key",
            &file,
        ];
        axepool(&what, dir.path())
    };
    let slow = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let slow_url = format!("http://{}/hook", slow.local_addr().expect("bound"));
    let begun = Instant::now();
    let answers: Vec<_> = (0..10).map(|_| set(0, &slow_url)).collect();
    let granted = answers
        .iter()
        .filter(|answer| answer.status.success())
        .count();
    let most = begun.elapsed().as_secs() / 10 + 1;
    assert!(
        (1..=most).contains(&(granted as u64)),
        "{granted} of {most}"
    );
    for answer in answers.iter().filter(|answer| !answer.status.success()) {
        assert!(
            stderr(answer).contains("try again in"),
            "{}",
            stderr(answer)
        );
    }
    // Its request is waited for, while the owner's message comes.
    let (_held, _) = slow.accept().await.expect("a request");
    let (url, received) = receiver().await;
    let answer = set(1, &url);
    assert!(answer.status.success(), "{}", stderr(&answer));
    until(&received, "begun", &paid.pool).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_for_strangers_sends_nothing_inside() {
    let keys = [key(1)];
    let paid = earned(&keys, &[], 1, |_| {}).await;
    let dir = tempfile::tempdir().expect("a directory");
    let file = key_file(dir.path(), &keys[0]);
    let mint = format!("http://{}", paid.pool.status().await.http[0]);
    let refused = |what: &[&str], why: &str| {
        let place = ["--mint", &mint, "--key", &file];
        let output = axepool(&[&["notices", "set"], what, &place].concat(), dir.path());
        assert!(!output.status.success(), "{}", stdout(&output));
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
    };
    refused(
        &["--webhook", "http://127.0.0.1/"],
        "does not allow webhooks",
    );
    refused(&["--ntfy", "https://ntfy.example/a"], "https://ntfy.sh");
    // A key that never mined has nothing to be told of.
    let stranger = format!("/miners/{}/feed.atom", key(77).hex);
    let http = paid.pool.status().await.http[0];
    assert_eq!(get(http, &stranger).await.0, 404);
    assert_eq!(get(http, "/miners/nsec1secret/feed.atom").await.0, 400);
    let (_, page) = get(http, &format!("/miners/{}", keys[0].hex)).await;
    for part in ["/feed.atom", "--ntfy https://ntfy.sh/A-SECRET-WORD"] {
        assert!(page.contains(part), "no {part} in {page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_tells_nobody_says_nothing_of_it() {
    let upstream = SimPool::start(SimPoolOptions::default()).await;
    let upstream = upstream.expect("a simulated pool");
    let mut setup = PoolSetup::regtest(upstream.address());
    setup.stratum = format!("{STRATUM}[notices]\nenabled = false\n");
    let pool = PoolProcess::start(setup).await;
    let http = pool.status().await.http[0];
    let miner = format!("/miners/{}", key(1).hex);
    let (code, page) = get(http, &miner).await;
    assert_eq!(code, 200, "{page}");
    for part in ["feed.atom", "axepool-wallet notices"] {
        assert!(!page.contains(part), "{part} in {page}");
    }
    assert_eq!(get(http, &format!("{miner}/feed.atom")).await.0, 404);
}
