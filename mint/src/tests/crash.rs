//! A crash at every single write of the mint's store and between the two stores:
//! afterwards nothing is lost, nothing is doubled, and going on changes nothing twice.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use accounting::OutboxId;
use async_trait::async_trait;
use basics::clock::now_ms;
use cdk_common::database::Error as StoreError;
use prometheus::Registry;

use super::support::{FakeLedger, Owner, config, row_sums, work};
use crate::metrics::Metrics;
use crate::store::WriteGuard;
use crate::worker::Worker;
use crate::{Claim, Expected, Mint, Outbox, OutboxError, QuoteKey, Row};

/// Lets so many writes through; the next fails, and so does everything after it, as
/// when the process is gone.
pub(super) struct Crash {
    left: AtomicUsize,
    dead: AtomicBool,
}

impl Crash {
    pub(super) fn after(writes: usize) -> Arc<Self> {
        Arc::new(Crash {
            left: AtomicUsize::new(writes),
            dead: AtomicBool::new(false),
        })
    }

    /// From now on so many writes are let through.
    pub(super) fn comes_after(&self, writes: usize) {
        self.left.store(writes, Ordering::SeqCst);
    }

    pub(super) fn happened(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    fn step(&self) -> bool {
        let step = |left: usize| left.checked_sub(1);
        if self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, step)
            .is_err()
        {
            self.dead.store(true, Ordering::SeqCst);
        }
        !self.happened()
    }
}

impl WriteGuard for Crash {
    fn before(&self, operation: &'static str) -> Result<(), StoreError> {
        if self.step() {
            Ok(())
        } else {
            Err(StoreError::Internal(format!("crashed at {operation}")))
        }
    }
}

/// The ledger, whose own commit can be the one before the crash or after it.
struct CrashingLedger {
    ledger: Arc<FakeLedger>,
    crash: Arc<Crash>,
}

impl CrashingLedger {
    fn step(&self) -> Result<(), OutboxError> {
        if self.crash.step() {
            Ok(())
        } else {
            Err(OutboxError("crashed".into()))
        }
    }
}

#[async_trait]
impl Outbox for CrashingLedger {
    async fn pending(&self, after: OutboxId, limit: usize) -> Result<Vec<Row>, OutboxError> {
        // Two at a time, so that there is a crash between batches too.
        self.ledger.pending(after, limit.min(2)).await
    }

    async fn done(&self, ids: Vec<OutboxId>) -> Result<(), OutboxError> {
        self.step()?;
        self.ledger.done(ids).await?;
        self.step()
    }

    async fn expected(
        &self,
        after: Option<QuoteKey>,
        limit: usize,
    ) -> Result<Vec<Expected>, OutboxError> {
        self.ledger.expected(after, limit).await
    }
}

/// Everything that the pool does: outbox, payments, settlement, a token for each.
async fn day(
    dir: &Path,
    ledger: &Arc<FakeLedger>,
    owners: &[Owner],
    crash: &Arc<Crash>,
) -> Result<Mint, Box<dyn std::error::Error>> {
    let metrics = Arc::new(Metrics::register(&Registry::new())?);
    let config = config(dir, "http://127.0.0.1:1".into());
    let mint = Mint::open_guarded(config, None, metrics, Arc::clone(crash) as _).await?;
    let outbox = CrashingLedger {
        ledger: Arc::clone(ledger),
        crash: Arc::clone(crash),
    };
    let mut worker = Worker::new(mint.clone(), Arc::new(outbox));
    while worker.step().await? {}
    for owner in owners {
        mint.claim(&owner.miner, None, None, now_ms()).await?;
    }
    Ok(mint)
}

/// What must be the same after any number of crashes and runs.
async fn check(mint: &Mint, ledger: &FakeLedger, owners: &[Owner]) {
    assert_eq!(ledger.waiting(), 0);
    let (paid, issued) = row_sums(mint).await;
    assert_eq!(paid, ledger.paid_sat(), "paid, by the rows");
    assert_eq!(issued, paid, "all was claimed");
    let owed = mint.liabilities().await.expect("reads");
    assert_eq!(
        (owed.outstanding_sat.get(), owed.paid_unissued_sat.get()),
        (paid, 0)
    );
    let mut tokens = 0;
    for owner in owners {
        for (token, _) in mint.tokens(&owner.miner, 10).await.expect("lists") {
            tokens += token.amount.get();
        }
    }
    assert_eq!(
        tokens, issued,
        "every issued satoshi is in a token that is kept"
    );
    assert!(mint.parked().await.expect("reads").is_empty());
}

fn script(ledger: &FakeLedger, owners: &[Owner]) {
    for owner in owners {
        ledger.create(owner.quote(1));
        ledger.pay(owner.quote(1), "one", 21);
    }
    ledger.pay(owners[0].quote(2), "one", 5);
    ledger.pay(owners[0].quote(1), "two", 8);
    ledger.settle(1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_write_loses_and_doubles_nothing() {
    let mut crashes = 0;
    loop {
        let dir = tempfile::tempdir().expect("a directory");
        let ledger = Arc::new(FakeLedger::default());
        let owners = [Owner::new(), Owner::new()];
        script(&ledger, &owners);
        let crash = Crash::after(crashes);
        let first = day(dir.path(), &ledger, &owners, &crash).await;
        if !crash.happened() {
            let mint = first.expect("an undisturbed day");
            check(&mint, &ledger, &owners).await;
            break;
        }
        assert!(first.is_err(), "crash {crashes} went unnoticed");
        drop(first);

        let never = Crash::after(usize::MAX);
        let mint = day(dir.path(), &ledger, &owners, &never)
            .await
            .unwrap_or_else(|error| panic!("after crash {crashes}: {error}"));
        check(&mint, &ledger, &owners).await;
        // A second run, from the very first row on, changes nothing.
        work(&mint, Arc::new(ledger.forgetful())).await;
        check(&mint, &ledger, &owners).await;
        for owner in &owners {
            let again = mint
                .claim(&owner.miner, None, None, now_ms())
                .await
                .expect("claims");
            assert!(
                matches!(again, Claim::Earlier { .. }),
                "crash {crashes}: {again:?}"
            );
        }
        crashes += 1;
    }
    assert!(crashes > 50, "only {crashes} writes were tried");
}
