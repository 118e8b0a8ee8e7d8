//! Nobody reads the log.

use tokio::net::TcpStream;

use crate::world::{agrees, bitaxe, earns, key, metric_reaches, ocean, pool};

/// As under a journal whose disk is full, or a terminal on hold: a write to stderr would
/// wait for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_nobody_reads_holds_up_nothing() {
    let ocean = ocean(|_| {}).await;
    let mut pool = pool(&ocean, |setup| {
        setup.log = "trace".to_owned();
        setup.is_log_unread = true;
    })
    .await;
    let key = key(1);
    let stratum = pool.stratum().await;
    let axe = bitaxe(stratum, &key, |_| {});
    earns(&axe, 5).await;
    // A line each: taken or refused, and gone.
    for _ in 0..2_000 {
        drop(TcpStream::connect(stratum).await);
    }
    metric_reaches(&pool, "axepool_log_lines_dropped_total", "", 100.0).await;
    earns(&axe, 20).await;
    agrees(&pool, &axe, &key).await;
    // It ends in time, whatever could not be said.
    assert!(pool.stop().await.success());
}
