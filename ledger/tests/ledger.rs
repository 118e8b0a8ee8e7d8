//! The ledger as the other rooms see it, on a real file.

use std::future::poll_fn;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use accounting::{
    CloseCause, EpochId, EpochState, EpochTerms, Identity, KeyPrefix, MinerId, OutboxId,
    OutboxKind, Resolution, SessionId, ShareId, ShareRecord, UpstreamResult, Work, Worker,
    WorkerName,
};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use ledger::{Health, Ledger, LedgerOptions, OpenError, Reader, ShareAck};
use prometheus::Registry;

const NOW_MS: u64 = 1_700_000_000_000;
const KEYS: [&str; 2] = [
    "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
    "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5",
];

fn miner(index: usize) -> MinerId {
    KEYS[index].parse().expect("a key")
}

fn options(directory: &Path) -> LedgerOptions {
    let mut options =
        LedgerOptions::new(directory.join("ledger.redb"), EpochTerms::default(), NOW_MS);
    options.window = Duration::from_millis(1);
    options.quiet_window = options.window;
    options
}

fn open(directory: &Path) -> Ledger {
    Ledger::open(options(directory), &Registry::new()).expect("opens")
}

/// A session that sends shares and waits for them.
struct Session {
    ledger: Ledger,
    id: SessionId,
    ack: Arc<ShareAck>,
    sequence: u64,
}

impl Session {
    fn new(ledger: &Ledger, number: u32) -> Self {
        let id = SessionId::new(ledger.boot(), number);
        Session {
            ledger: ledger.clone(),
            id,
            ack: Arc::default(),
            sequence: 0,
        }
    }

    fn share(&mut self, index: usize, worker: &str, work: u128) -> ShareRecord {
        self.sequence += 1;
        ShareRecord {
            typed: Some(KeyPrefix::Even),
            id: ShareId {
                session: self.id,
                sequence: self.sequence,
            },
            who: Arc::new(Identity {
                miner: miner(index),
                worker: WorkerName::clean(worker),
            }),
            work: Work::from_hashes(work),
            hash: BlockHash::from_byte_array([self.sequence.to_le_bytes()[0]; 32]),
            upstream_work: Work::from_hashes(work * 2),
            meets_upstream: true,
            meets_network: false,
            time_ms: NOW_MS + 1000 * self.sequence,
        }
    }

    async fn send(&self, share: ShareRecord) {
        let permit = self.ledger.shares().reserve().await.expect("open");
        permit.send(share, self.ack.clone());
    }

    async fn decided(&self) {
        let mut seen = 0;
        while seen < self.sequence {
            seen = poll_fn(|cx| self.ack.poll_decided(cx, seen)).await;
        }
    }
}

#[tokio::test]
async fn what_is_stored_is_there_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let ledger = open(directory.path());
    assert_eq!((ledger.boot(), ledger.open_epoch().id), (1, EpochId::FIRST));
    let mut session = Session::new(&ledger, 1);
    for work in 1..=10 {
        let share = session.share(0, "garage", work);
        session.send(share).await;
    }
    session.decided().await;
    assert!((1..=10).all(|sequence| !session.ack.take_refused(sequence)));
    let tally = ledger
        .tally(EpochId::FIRST, &miner(0))
        .expect("reads")
        .expect("there");
    assert_eq!((tally.work, tally.shares), (Work::from_hashes(55), 10));
    let incarnation = ledger.incarnation();
    ledger.close().await;

    let ledger = open(directory.path());
    assert_eq!((ledger.boot(), ledger.incarnation()), (2, incarnation));
    assert_eq!(
        ledger.tally(EpochId::FIRST, &miner(0)).expect("reads"),
        Some(tally)
    );
    assert_eq!(ledger.workers(&miner(0)).expect("reads")[0].shares, 10);
    assert_eq!(*ledger.health().borrow(), Health::Ok);
    ledger.close().await;
}

#[tokio::test]
async fn a_close_divides_the_shares_sent_before_and_after() {
    let directory = tempfile::tempdir().expect("a directory");
    let ledger = open(directory.path());
    let mut session = Session::new(&ledger, 1);
    let share = session.share(0, "a", 5);
    session.send(share).await;
    let share = session.share(1, "a", 7);
    session.send(share).await;
    ledger
        .shares()
        .upstream_result(UpstreamResult {
            miner: miner(0),
            upstream_work: Work::from_hashes(100),
            accepted: true,
        })
        .await
        .expect("open");
    let cause = CloseCause::OceanBlock {
        hash: BlockHash::all_zeros(),
        height: 900_000,
    };
    let closed = ledger
        .close_epoch(cause, NOW_MS + 60_000)
        .await
        .expect("closes");
    assert_eq!(closed.id, EpochId::FIRST);
    assert_eq!(
        closed.state,
        EpochState::Closed {
            at_ms: NOW_MS + 60_000,
            cause
        }
    );
    assert_eq!(
        (closed.totals.work, closed.totals.miners),
        (Work::from_hashes(12), 2)
    );
    assert_eq!(closed.totals.upstream_accepted_work, Work::from_hashes(100));

    let share = session.share(0, "a", 11);
    session.send(share).await;
    session.decided().await;
    let second = EpochId::FIRST.next();
    assert_eq!(ledger.open_epoch().id, second);
    assert_eq!(ledger.open_epoch().totals.work, Work::from_hashes(11));
    // The same block again closes nothing.
    assert_eq!(
        ledger
            .close_epoch(cause, NOW_MS + 90_000)
            .await
            .expect("answers"),
        closed
    );
    assert_eq!(ledger.open_epoch().id, second);
    let of_miner = ledger.tallies_of(&miner(0), 8).expect("reads");
    let works: Vec<_> = of_miner
        .iter()
        .map(|(id, tally)| (id.get(), tally.work.hashes()))
        .collect();
    assert_eq!(works, [(2, 11), (1, 5)]);
    assert_eq!(ledger.epochs(8).expect("reads").len(), 2);
    assert_eq!(ledger.tallies(EpochId::FIRST).expect("reads").len(), 2);
    ledger.close().await;
}

#[tokio::test]
async fn the_outbox_asks_for_each_quote_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut options = options(directory.path());
    options.terms.quote_min_work = Work::from_hashes(10);
    let ledger = Ledger::open(options, &Registry::new()).expect("opens");
    let mut session = Session::new(&ledger, 1);
    for (index, work) in [(0, 9), (1, 9), (0, 1), (0, 50)] {
        let share = session.share(index, "a", work);
        session.send(share).await;
    }
    session.decided().await;
    let rows = ledger.outbox(OutboxId::START, 10).expect("reads");
    let expected = OutboxKind::CreateQuote {
        miner: miner(0),
        epoch: EpochId::FIRST,
        share: None,
        typed: Some(KeyPrefix::Even),
    };
    assert_eq!(
        rows.iter().map(|row| row.kind).collect::<Vec<_>>(),
        [expected]
    );
    assert_eq!(ledger.outbox(rows[0].id, 10).expect("reads"), []);
    ledger
        .outbox_done(vec![rows[0].id, OutboxId::new(99)])
        .await
        .expect("done");
    assert_eq!(ledger.outbox(OutboxId::START, 10).expect("reads"), []);
    ledger.close().await;
    let ledger = open(directory.path());
    assert_eq!(ledger.outbox(OutboxId::START, 10).expect("reads"), []);
    ledger.close().await;
}

#[tokio::test]
async fn a_command_reads_when_nothing_runs_and_is_told_when_something_does() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ledger.redb");
    assert!(matches!(Reader::open(&path), Err(OpenError::NoLedger(_))));
    let ledger = open(directory.path());
    let mut session = Session::new(&ledger, 1);
    let share = session.share(0, "a", 5);
    session.send(share).await;
    session.decided().await;
    assert!(matches!(
        Reader::open(&path),
        Err(OpenError::LockedByAnother(_))
    ));
    let other = Ledger::open(options(directory.path()), &Registry::new());
    assert!(matches!(other, Err(OpenError::LockedByAnother(_))));
    let shares = ledger.shares();
    ledger.close().await;
    assert!(shares.reserve().await.is_err());
    let reader = Reader::open(&path).expect("opens");
    assert_eq!(reader.open_epoch().totals.work, Work::from_hashes(5));
    let buckets = reader
        .buckets(None, Resolution::TenMinutes, NOW_MS + 1000)
        .expect("reads");
    assert_eq!(buckets.len(), 145);
    assert_eq!(
        buckets.last().map(|bucket| bucket.work),
        Some(Work::from_hashes(5))
    );
}

#[tokio::test]
async fn a_miner_cannot_fill_the_disk_with_names() {
    let directory = tempfile::tempdir().expect("a directory");
    let ledger = open(directory.path());
    let mut session = Session::new(&ledger, 1);
    for number in 0..200 {
        let share = session.share(0, &format!("worker-{number}"), 1);
        session.send(share).await;
    }
    session.decided().await;
    let workers = ledger.workers(&miner(0)).expect("reads");
    assert_eq!(workers.len(), Worker::MAX_NAMED + 1);
    let others = workers
        .iter()
        .find(|worker| worker.name.as_str() == Worker::OTHERS);
    assert_eq!(others.map(|worker| worker.shares), Some(200 - 64));
    ledger.close().await;
}

#[tokio::test]
async fn a_share_delivered_again_counts_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let ledger = open(directory.path());
    let mut session = Session::new(&ledger, 1);
    let share = session.share(0, "a", 5);
    session.send(share.clone()).await;
    session.send(share.clone()).await;
    session.decided().await;
    let id = session.id;
    ledger.close().await;
    let ledger = open(directory.path());
    let session = Session {
        ledger: ledger.clone(),
        id,
        ack: Arc::default(),
        sequence: 1,
    };
    session.send(share).await;
    session.decided().await;
    assert_eq!(ledger.open_epoch().totals.shares, 1);
    ledger.close().await;
}

#[test]
fn a_newer_ledger_is_refused() {
    const META: redb::TableDefinition<'_, &str, &[u8]> = redb::TableDefinition::new("meta");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ledger.redb");
    let database = redb::Database::create(&path).expect("creates");
    let write = database.begin_write().expect("begins");
    const NEWER: u64 = 1_000;
    let version = NEWER.to_be_bytes();
    write
        .open_table(META)
        .expect("opens")
        .insert("schema", version.as_slice())
        .expect("inserts");
    write.commit().expect("commits");
    drop(database);
    let error = Reader::open(&path).expect_err("is newer");
    assert!(
        matches!(error, OpenError::NewerSchema { found: NEWER, .. }),
        "{error}"
    );
    let error = Ledger::open(options(directory.path()), &Registry::new()).expect_err("is newer");
    assert!(error.to_string().contains("newer version"), "{error}");
}

#[tokio::test]
async fn a_start_that_was_cut_off_leaves_nothing_in_the_way() {
    let directory = tempfile::tempdir().expect("a directory");
    let unfinished = directory.path().join("ledger.redb.new");
    std::fs::write(&unfinished, "half a header").expect("writes");
    open(directory.path()).close().await;
    assert!(!unfinished.exists());
    let ledger = open(directory.path());
    assert_eq!(ledger.boot(), 2);
    ledger.close().await;
}

#[test]
fn what_is_no_ledger_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ledger.redb");
    std::fs::write(&path, "this is a text, and longer than a magic number").expect("writes");
    let error = Reader::open(&path).expect_err("a text");
    assert!(matches!(error, OpenError::Store(_)), "{error}");
    std::fs::write(&path, "").expect("writes");
    assert!(matches!(Reader::open(&path), Err(OpenError::NoLedger(_))));
}
