//! An upgrade: the process is replaced under a thousand miners at work.

use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use simnet::pool::SimPoolHandle;
use socket2::{Domain, Socket, Type};

use crate::common::{HeldSockets, PoolProcess, STOP_DEADLINE};
use crate::loaded::{Load, Pace, Told, compare};
use crate::world::{LOADED, bitaxe, credited, earns, get, key, ocean, pool};

/// How many miners, each with one share in flight.
const MINERS: u64 = 1_000;

/// What is promised: all are back and at work after so long.
const BACK_WITHIN: Duration = Duration::from_secs(30);

/// Some thousand shares a second in all: they flow, and leave the pool room on a small
/// machine.
const PACE: Pace = Pace {
    between_shares: Duration::from_millis(300),
    before_retry: Duration::from_millis(100),
};

/// A socket for each miner and some more.
fn allow_open_files() {
    let now = getrlimit(Resource::Nofile);
    let wanted = now.maximum.unwrap_or(u64::MAX).min(8_192);
    let wanted = Rlimit {
        current: Some(now.current.unwrap_or(u64::MAX).max(wanted)),
        maximum: now.maximum,
    };
    setrlimit(Resource::Nofile, wanted).expect("open files");
}

async fn loaded_pool(held: Option<Arc<HeldSockets>>) -> (SimPoolHandle, PoolProcess) {
    let ocean = ocean(|_| {}).await;
    let mut pool = pool(&ocean, |setup| {
        setup.stratum = LOADED.to_owned();
        setup.sockets = held;
    })
    .await;
    pool.setup().listen = pool.stratum().await;
    (ocean, pool)
}

/// Replaces the process while all mine; how often a connection was refused.
async fn replace_under_load(pool: &mut PoolProcess) -> u64 {
    allow_open_files();
    let load = Load::start_at(PACE, pool.stratum().await, MINERS);
    load.everybody_accepts(BACK_WITHIN).await;
    let asked = Instant::now();
    let ended = pool.stop().await;
    assert!(ended.success(), "{ended}");
    assert!(asked.elapsed() < STOP_DEADLINE, "{:?}", asked.elapsed());
    pool.spawn().await;
    let left = BACK_WITHIN.saturating_sub(asked.elapsed());
    load.everybody_accepts(left).await;
    let told = load.stop().await;
    let sums = credited(pool).await;
    for (key, told) in &told {
        compare(key, told, sums.get(&key.npub), 1);
    }
    let sum = |of: fn(&Told) -> u64| told.iter().map(|(_, told)| of(told)).sum::<u64>();
    let shares: u64 = sums.values().map(|(shares, _)| shares).sum();
    assert!(shares >= sum(|told| told.accepted) && sum(|told| told.accepted) >= 2 * MINERS);
    sum(|told| told.refused)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_costs_a_thousand_miners_no_share_and_half_a_minute_at_most() {
    let (_ocean, mut pool) = loaded_pool(None).await;
    let refused = replace_under_load(&mut pool).await;
    assert!(refused > 0, "nobody noticed: was it restarted?");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_sockets_handed_in_a_restart_refuses_no_connection() {
    let held = Arc::new(HeldSockets {
        stratum: listening(),
        http: listening(),
    });
    let stratum = held.stratum.local_addr().expect("an address");
    let http = held.http.local_addr().expect("an address");
    let (_ocean, mut pool) = loaded_pool(Some(held)).await;
    let status = pool.status().await;
    assert_eq!(
        status.stratum,
        [stratum],
        "the config's address is not used"
    );
    assert_eq!(status.http, [http]);
    let refused = replace_under_load(&mut pool).await;
    assert_eq!(refused, 0);
    assert_eq!(pool.status().await.stratum, [stratum]);

    // Who comes while nobody serves waits in the queue.
    assert!(pool.stop().await.success());
    let asking = tokio::spawn(get(http, "/api/solvency"));
    let axe = bitaxe(stratum, &key(1), |_| {});
    pool.spawn().await;
    assert_eq!(asking.await.expect("no panic").0, 200);
    earns(&axe, 1).await;
}

fn listening() -> std::net::TcpListener {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&free.into()).expect("bind");
    // A service manager's queue is as long as the system lets it be.
    socket.listen(4_096).expect("listen");
    socket.into()
}

/// What is said at `ear`, whoever else talks: waits for `wanted`.
fn hears(ear: &UnixDatagram, wanted: &str) {
    let deadline = Instant::now() + BACK_WITHIN;
    ear.set_read_timeout(Some(BACK_WITHIN)).expect("a timeout");
    let mut said = [0; 256];
    loop {
        let length = ear.recv(&mut said).expect("something is said");
        if &said[..length] == wanted.as_bytes() {
            return;
        }
        assert!(Instant::now() < deadline, "{wanted} was never said");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_manager_hears_when_it_is_ready_alive_and_stopping() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("notify");
    let ear = UnixDatagram::bind(&path).expect("bind");
    let ocean = ocean(|_| {}).await;
    let mut pool = pool(&ocean, |setup| {
        let line = format!(
            "export NOTIFY_SOCKET={} WATCHDOG_USEC=100000",
            path.display()
        );
        setup.shell = Some(line);
    })
    .await;
    hears(&ear, "READY=1");
    hears(&ear, "WATCHDOG=1");
    hears(&ear, "WATCHDOG=1");
    assert!(pool.stop().await.success());
    hears(&ear, "STOPPING=1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_nobody_would_serve_is_refused() {
    #[track_caller]
    fn case(pool: &PoolProcess, names: &str, said: &str) {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_axepool"))
            .args(["run", "--config"])
            .arg(pool.config_path())
            .env("LISTEN_FDS", "1")
            .env("LISTEN_FDNAMES", names)
            .env("AXEPOOL__POOL__DATA_DIR", "elsewhere")
            .stdin(std::process::Stdio::null())
            .output()
            .expect("axepool starts");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(said), "{text}");
    }
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |_| {}).await;
    case(&pool, "", "LISTEN_FDNAMES names 0 of them");
    case(&pool, "axepool.socket", "\"axepool.socket\"");
    // Nothing is open under that number.
    case(&pool, "stratum", "\"stratum\" cannot be used");
}
