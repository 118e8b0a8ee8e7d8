//! A disk that is full, or refuses to be written: nothing is answered with `true` that is
//! not on it.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use simnet::bitaxe::PoolSide;

use crate::common::{PATIENCE, PoolProcess};
use crate::e2e::fallback::fallback;
use crate::loaded::{Load, compare};
use crate::world::{
    LOADED, NO_SIGNAL, STRATUM, bitaxe, credited, earns, get, key, limit, metric, metric_reaches,
    ocean, pool,
};

/// Under load: the disk goes, mining stops answering `true` and says why; the disk comes
/// back, and so does mining. In the end the books are right.
async fn fails_and_recovers(pool: &PoolProcess, fail: impl FnOnce(), recover: impl FnOnce()) {
    let load = Load::start(pool.stratum().await, 4);
    load.accepts(20).await;
    fail();
    load.refuses(10).await;

    let why = pool
        .poll("the reason", async |pool| {
            pool.status().await.ledger.failing
        })
        .await;
    assert!(!why.is_empty());
    let status = pool.status().await;
    let reason = format!("shares cannot be stored: {why}");
    assert!(status.not_ready.contains(&reason), "{:?}", status.not_ready);
    let metrics = pool.metrics().await;
    let (code, text) = get(metrics, "/readyz").await;
    assert!(
        code == 503 && text.contains("shares cannot be stored"),
        "{code} {text}"
    );
    // A restart would mend nothing.
    assert_eq!(get(metrics, "/healthz").await.0, 200);
    assert_eq!(metric(pool, "axepool_ledger_healthy", "").await, 0.0);
    assert!(metric(pool, "axepool_shares_not_stored_total", "").await >= 10.0);
    // The devices keep their connections and their jobs.
    assert_eq!(status.connections, 4);
    load.refuses(10).await;

    recover();
    load.accepts(20).await;
    pool.wait_ready().await;
    assert_eq!(metric(pool, "axepool_ledger_healthy", "").await, 1.0);
    let told = load.stop().await;
    let sums = credited(pool).await;
    for (key, told) in &told {
        assert_eq!((told.lost, told.stale), (0, 0), "{told:?}");
        compare(key, told, sums.get(&key.npub), 0);
    }
}

/// A small filesystem in memory, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `Err` says why there is none: it takes root.
    fn mount(at: &Path, size: &str) -> Result<SmallDisk, String> {
        let output = Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={size},mode=0700"),
                "tmpfs",
            ])
            .arg(at)
            .output()
            .map_err(|error| format!("mount: {error}"))?;
        match output.status.success() {
            true => Ok(SmallDisk(at.to_owned())),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Takes all the room that is left.
fn fill(path: &Path) {
    let mut file = File::create(path).expect("a file");
    for size in [65_536, 4_096, 1] {
        loop {
            match file.write_all(&vec![0; size]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_answers_and_nothing_else() {
    let ocean = ocean(|_| {}).await;
    let mut pool = pool(&ocean, |setup| setup.stratum = LOADED.to_owned()).await;
    // The directory is there now; the small disk comes over it.
    pool.stop().await;
    let _disk = match SmallDisk::mount(&pool.data_dir(), "16m") {
        Ok(disk) => disk,
        Err(why) => {
            println!(
                "NOT TESTED on a full filesystem, for want of one: {why}\
                 a_disk_that_refuses_writes_stops_answers_and_nothing_else covers the rest"
            );
            return;
        }
    };
    pool.spawn().await;
    pool.wait_ready().await;
    // It is told before the first share fails.
    pool.poll("the room that is left", async |pool| {
        let beside = pool.status().await.beside;
        let told = |said: &String| said.contains("NEARLY FULL") && said.contains("MB are left");
        beside.iter().any(told).then_some(())
    })
    .await;
    let filler = pool.data_dir().join("filler");
    let free = || std::fs::remove_file(&filler).expect("it is there");
    fails_and_recovers(&pool, || fill(&filler), free).await;
    pool.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_refuses_writes_stops_answers_and_nothing_else() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |setup| {
        setup.stratum = LOADED.to_owned();
        setup.shell = Some(NO_SIGNAL.to_owned());
    })
    .await;
    fails_and_recovers(&pool, || limit(&pool, Some(4_096)), || limit(&pool, None)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_stays_full_sends_the_devices_to_their_fallback() {
    let (ocean, other) = (ocean(|_| {}).await, ocean(|_| {}).await);
    let pool = pool(&ocean, |setup| {
        setup.stratum = format!("{STRATUM}store_grace_secs = 1\n");
        setup.shell = Some(NO_SIGNAL.to_owned());
    })
    .await;
    let axe = bitaxe(pool.stratum().await, &key(1), |options| {
        options.fallback = fallback(&other);
    });
    earns(&axe, 5).await;

    limit(&pool, Some(4_096));
    axe.wait_for(|stats| stats.side == PoolSide::Fallback, PATIENCE)
        .await
        .expect("nobody hashes in vain");
    earns(&axe, 5).await;
    let closed = "axepool_connections_closed_total";
    metric_reaches(&pool, closed, "store_failing", 2.0).await;
    assert_eq!(axe.read_stats(|stats| stats.good_probes), 0);

    limit(&pool, None);
    axe.wait_for(
        |stats| stats.side == PoolSide::Primary && stats.authorized,
        PATIENCE,
    )
    .await
    .expect("the pool is back by itself");
    earns(&axe, 5).await;
}
