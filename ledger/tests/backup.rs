//! A copy of a ledger that runs, and what a restore makes of it.

use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use accounting::settle::{Event, Held, PaidTo, Payment, PayoutState, Suspense, Via};
use accounting::{
    CloseCause, EpochId, EpochTerms, Identity, MinerId, Msat, SessionId, ShareId, ShareRecord,
    Work, WorkerName,
};
use bitcoin::BlockHash;
use bitcoin::hashes::{Hash, sha256};
use ledger::{Ledger, LedgerOptions, Reader, ShareAck, restore};
use prometheus::Registry;

const NOW_MS: u64 = 1_700_000_000_000;

fn miner() -> MinerId {
    let key = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    key.parse().expect("a key")
}

fn open(path: &Path, held: Option<Held>) -> Ledger {
    let mut options = LedgerOptions::new(path.to_owned(), EpochTerms::default(), NOW_MS);
    options.window = Duration::from_millis(1);
    options.quiet_window = options.window;
    options.policy.held = held;
    Ledger::open(options, &Registry::new()).expect("opens")
}

/// A share in the open epoch.
async fn mine(ledger: &Ledger, session: u32) {
    let (ack, session) = (Arc::<ShareAck>::default(), SessionId::new(9, session));
    let share = ShareRecord {
        typed: Some(accounting::KeyPrefix::Even),
        id: ShareId {
            session,
            sequence: 1,
        },
        who: Arc::new(Identity {
            miner: miner(),
            worker: WorkerName::clean("w"),
        }),
        work: Work::from_hashes(1000),
        hash: BlockHash::from_byte_array(
            sha256::Hash::hash(&session.to_u64().to_be_bytes()).to_byte_array(),
        ),
        upstream_work: Work::from_hashes(9),
        meets_upstream: true,
        meets_network: false,
        time_ms: NOW_MS,
    };
    let permit = ledger.shares().reserve().await.expect("open");
    permit.send(share, ack.clone());
    poll_fn(|cx| ack.poll_decided(cx, 0)).await;
}

async fn close(ledger: &Ledger, number: u8) {
    let cause = CloseCause::OceanBlock {
        hash: BlockHash::from_byte_array([number; 32]),
        height: 100 * u32::from(number),
    };
    ledger.close_epoch(cause, NOW_MS).await.expect("closes");
}

fn payment(block: u8, received_ms: u64) -> Payment {
    Payment {
        amount: Msat::new(12_345),
        received_ms,
        via: Via::Lightning {
            payment_hash: sha256::Hash::hash(&[block]),
            preimage: None,
            paid_to: PaidTo::OceanOffer,
            note: Some(format!(
                "OCEAN lightning payout running at block `{}` at height `{}`",
                BlockHash::from_byte_array([block; 32]),
                100 * u32::from(block) + 30
            )),
            tip_height: None,
        },
    }
}

async fn pay(ledger: &Ledger, payment: Payment) {
    ledger.settle(Event::Paid(payment)).await.expect("books");
}

/// A ledger with a paid epoch, an unpaid one and one with a share in the journal alone,
/// and a copy of it that was made while it ran on.
async fn copied(directory: &Path) -> (Ledger, PathBuf) {
    let ledger = open(&directory.join("ledger.redb"), None);
    mine(&ledger, 1).await;
    close(&ledger, 1).await;
    pay(&ledger, payment(1, NOW_MS)).await;
    mine(&ledger, 2).await;
    close(&ledger, 2).await;
    mine(&ledger, 3).await;
    let path = directory.join("copy.redb");
    let mut seen = Vec::new();
    let told = |done, all| seen.push((done, all));
    ledger.copy_to(&path, told).expect("copies");
    assert!(seen.iter().all(|(done, all)| done <= all), "{seen:?}");
    let last = seen.last().expect("told");
    assert_eq!(last.0, last.1, "all rows");
    (ledger, path)
}

#[tokio::test]
async fn a_copy_is_the_ledger_of_that_moment() {
    let directory = tempfile::tempdir().expect("a directory");
    let (ledger, path) = copied(directory.path()).await;
    let copy = Reader::open(&path).expect("opens");
    assert_eq!(copy.incarnation(), ledger.incarnation());
    assert_eq!(
        copy.totals().expect("reads"),
        ledger.totals().expect("reads")
    );
    assert_eq!(
        copy.epochs(9).expect("reads"),
        ledger.epochs(9).expect("reads")
    );
    for epoch in 1..=3 {
        let of = |reader: &Reader| reader.tallies(EpochId::new(epoch)).expect("reads");
        assert_eq!(of(&copy), of(ledger.reader()), "epoch {epoch}");
    }
    mine(&ledger, 4).await;
    let shares = |reader: &Reader| reader.open_epoch().totals.shares;
    assert_eq!((shares(&copy), shares(ledger.reader())), (1, 2));
    // What is there is never overwritten.
    ledger.copy_to(&path, |_, _| ()).expect_err("it is there");
    ledger.close().await;
}

#[tokio::test]
async fn a_restored_ledger_names_unpaid_epochs_anew() {
    let directory = tempfile::tempdir().expect("a directory");
    let (ledger, path) = copied(directory.path()).await;
    let before = ledger.incarnation();
    ledger.close().await;
    let first = restore(&path).expect("restores");
    assert_eq!((first.before, first.from), (before, EpochId::new(2)));
    let second = restore(&path).expect("restores");
    assert_eq!((second.before, second.from), (first.after, first.from));
    let ledger = open(&path, None);
    assert_eq!(ledger.incarnation(), second.after);
    let names = ledger.lineage().clone();
    let of = |epoch| names.of(EpochId::new(epoch));
    assert_eq!((of(1), of(2), of(9)), (before, second.after, second.after));
    mine(&ledger, 5).await;
    ledger.close().await;
    assert_eq!(Reader::open(&path).expect("opens").lineage(), &names);
}

#[tokio::test]
async fn what_came_before_a_restore_waits_for_the_operator() {
    let directory = tempfile::tempdir().expect("a directory");
    let (ledger, path) = copied(directory.path()).await;
    ledger.close().await;
    restore(&path).expect("restores");
    let ledger = open(&path, Some(Held::EVERYTHING));
    let found_again = payment(2, NOW_MS);
    pay(&ledger, found_again.clone()).await;
    let until = Held {
        until_ms: NOW_MS,
        until_height: 0,
    };
    ledger.hold_payments(Some(until));
    mine(&ledger, 6).await;
    close(&ledger, 3).await;
    let new = payment(3, NOW_MS + 1);
    pay(&ledger, new.clone()).await;
    // Told again it waits all the same, though its block is known.
    pay(&ledger, found_again.clone()).await;
    let state = |payment: &Payment| {
        let payout = ledger.payout(&payment.key()).expect("reads");
        payout.expect("booked").state
    };
    assert_eq!(
        state(&found_again),
        PayoutState::Suspended(Suspense::BeforeRestore)
    );
    assert!(matches!(state(&new), PayoutState::Settled(_)));
    let assign = Event::Assign {
        payout: found_again.key(),
        epoch: EpochId::new(2),
    };
    ledger.settle(assign).await.expect("the operator's word");
    assert!(matches!(state(&found_again), PayoutState::Settled(_)));
    ledger.close().await;
}
