//! Closed while the ledger has been unable to store shares for too long, or does not
//! answer at all.
//!
//! A moment's trouble with the disk costs a few shares, and the devices are kept. A disk
//! that stays full would have them hash in vain: they are sent to their fallback then,
//! in the way in which the loss of the upstream does it, and nobody is given work until
//! the ledger has stored again for a while. A disk that hangs gives no error, and the
//! ledger's writer hangs in it: the [watchdog](super::store_watchdog) sees that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ledger::Health;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::close::CloseReason;
use super::shared::Shared;
use super::store_watchdog::{self, bound};
use crate::clock::monotonic_ms;

/// A ledger that works for less than this is not well: on a disk that is almost full its
/// probe, which is small, may work where the next shares fail.
const WELL_AFTER: Duration = Duration::from_secs(15);

/// Those who must leave do so in so many parts, lest all devices look for their
/// fallback in the same instant.
const PARTS: u32 = 50;

/// How long that takes.
const LEAVE_OVER: Duration = Duration::from_secs(5);

/// Not hung.
const ANSWERS: u64 = u64::MAX;

/// Whether miners are served. Open at first.
#[derive(Debug)]
pub(crate) struct StoreGate {
    closed: AtomicBool,
    /// The operator winds the pool down.
    winding_down: AtomicBool,
    /// Since when the ledger has not answered, milliseconds of the monotonic clock;
    /// [`ANSWERS`] while it does.
    hung_since_ms: AtomicU64,
}

impl Default for StoreGate {
    fn default() -> Self {
        StoreGate {
            closed: AtomicBool::new(false),
            winding_down: AtomicBool::new(false),
            hung_since_ms: AtomicU64::new(ANSWERS),
        }
    }
}

impl StoreGate {
    /// Why nobody is to be given work, while that is so.
    pub(crate) fn refusal(&self) -> Option<CloseReason> {
        if self.winding_down.load(Ordering::Relaxed) {
            return Some(CloseReason::WindingDown);
        }
        let closed = self.closed.load(Ordering::Relaxed);
        closed.then_some(CloseReason::StoreFailing)
    }

    /// Closes the gate at the operator's word, or takes that back; true if it was the
    /// other way before.
    pub(crate) fn wind_down(&self, winding_down: bool) -> bool {
        self.winding_down.swap(winding_down, Ordering::Relaxed) != winding_down
    }

    /// For how long the ledger has not answered, while that is too long.
    pub(crate) fn hung_for(&self) -> Option<Duration> {
        let since_ms = self.hung_since_ms.load(Ordering::Relaxed);
        let ms = monotonic_ms().saturating_sub(since_ms);
        (since_ms != ANSWERS).then(|| Duration::from_millis(ms))
    }
}

/// Sends everybody away at the operator's word, until `stopping`.
pub(crate) async fn wind_down(shared: Arc<Shared>, stopping: CancellationToken) {
    let leaving = send_away(&shared, LEAVE_OVER, CloseReason::WindingDown);
    stopping.run_until_cancelled(leaving).await;
}

/// Closes and opens the gate as the ledger's health says and the watchdog sees, until
/// `stopping`.
pub(crate) async fn keep(shared: Arc<Shared>, grace: Duration, stopping: CancellationToken) {
    let watched = async {
        let mut health = shared.health.clone();
        // Ends with the ledger's writer, and the pool with it.
        while let Some(trouble) = trouble(&shared, &mut health, grace).await {
            shared.store.closed.store(true, Ordering::Relaxed);
            trouble.tell(grace);
            if let Trouble::Hung { since_ms } = trouble {
                shared
                    .store
                    .hung_since_ms
                    .store(since_ms, Ordering::Relaxed);
                shared.metrics.store_hung.set(1);
            }
            // Beside it: one that is well again meanwhile is not waited for.
            let leaving = send_away(&shared, grace.min(LEAVE_OVER), CloseReason::StoreFailing);
            let well = async { while !is_well(&shared, &mut health, grace).await {} };
            tokio::join!(leaving, well);
            shared.store.hung_since_ms.store(ANSWERS, Ordering::Relaxed);
            shared.metrics.store_hung.set(0);
            shared.store.closed.store(false, Ordering::Relaxed);
            tracing::info!("shares can be stored again: miners are served");
        }
    };
    stopping.run_until_cancelled(watched).await;
}

/// Why devices are sent away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// The ledger says that it cannot write.
    Failing,
    /// It says nothing, since this millisecond of the monotonic clock.
    Hung { since_ms: u64 },
}

impl Trouble {
    fn tell(self, grace: Duration) {
        match self {
            Trouble::Failing => tracing::error!(
                ?grace,
                "shares could not be stored for too long: miners are sent to their fallback"
            ),
            Trouble::Hung { .. } => tracing::error!(
                within = ?bound(grace),
                "the disk hangs, and shares are not answered: miners are sent to their fallback"
            ),
        }
    }
}

/// Waits until devices are to be sent away; `None` when the ledger is closed.
async fn trouble(
    shared: &Shared,
    health: &mut watch::Receiver<Health>,
    grace: Duration,
) -> Option<Trouble> {
    let failing = async {
        while health.wait_for(is_failing).await.is_ok() {
            if !recovers(health, grace).await {
                return Some(Trouble::Failing);
            }
        }
        None
    };
    let hangs = store_watchdog::hangs(|| shared.shares.turn(), bound(grace));
    tokio::select! {
        failing = failing => failing,
        since_ms = hangs => since_ms.map(|since_ms| Trouble::Hung { since_ms }),
    }
}

/// Whether the ledger answers, stores, and has done so for a while. Waits for as long as
/// it does not answer.
async fn is_well(shared: &Shared, health: &mut watch::Receiver<Health>, grace: Duration) -> bool {
    if shared.shares.turn().await.is_err() {
        // Its writer is gone, and there is nothing to wait for.
        return true;
    }
    if !recovers(health, grace).await {
        return false;
    }
    store_watchdog::writes(shared.shares.tries_the_disk()).await
}

/// True once the ledger has stored for a while without a failure, false when it fails
/// at the end of the grace time.
async fn recovers(health: &mut watch::Receiver<Health>, grace: Duration) -> bool {
    let deadline = Instant::now() + grace;
    loop {
        let works = health.wait_for(|health| !is_failing(health));
        if timeout_at(deadline, works).await.is_err() {
            return false;
        }
        let fails = timeout(WELL_AFTER.min(grace / 2), health.wait_for(is_failing)).await;
        // Well for long enough; or its writer is gone, and there is nothing to wait for.
        if !matches!(fails, Ok(Ok(_))) {
            return true;
        }
    }
}

async fn send_away(shared: &Shared, over: Duration, why: CloseReason) {
    for part in 0..PARTS {
        shared.registry.close_part(part.into(), PARTS.into(), why);
        sleep(over / PARTS).await;
    }
}

fn is_failing(health: &Health) -> bool {
    *health != Health::Ok
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(300);

    /// What becomes of a ledger that fails from 0 s on, and whose health changes at
    /// these seconds.
    #[track_caller]
    fn case(changes: &[u64], recovered: bool, after_secs: u64) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let failing = Health::Failing {
            reason: "no space".to_owned(),
        };
        let (sender, mut health) = watch::channel(failing.clone());
        let changes = changes.to_vec();
        let (done, took) = runtime.block_on(async {
            let start = Instant::now();
            tokio::spawn(async move {
                for at in changes {
                    tokio::time::sleep_until(start + Duration::from_secs(at)).await;
                    sender.send_modify(|health| {
                        *health = match health {
                            Health::Ok => failing.clone(),
                            Health::Failing { .. } => Health::Ok,
                        };
                    });
                }
                std::future::pending::<()>().await;
            });
            (recovers(&mut health, GRACE).await, start.elapsed())
        });
        assert_eq!((done, took.as_secs()), (recovered, after_secs));
    }

    #[test]
    fn a_ledger_recovers_when_it_works_for_a_while() {
        case(&[], false, 300);
        case(&[20], true, 35);
        case(&[299], true, 314);
        // Works for moments only: each time somebody brings it a share.
        case(&[20, 30, 40], true, 55);
        case(&[20, 30, 290, 304], false, 304);
    }
}
