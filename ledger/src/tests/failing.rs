//! A full disk: shares are refused and told why, and it goes on when there is room.

use std::sync::Arc;
use std::time::Duration;

use accounting::CloseCause;
use prometheus::Registry;
use tokio::time::timeout;

use super::disk::{Disk, Fault};
use super::driver::{Answer, Driver, options};
use super::history::{Teller, Telling};
use crate::entry::Entry;
use crate::message::Reply;
use crate::testing::share;
use crate::{Health, Ledger, LedgerError, Reader, ShareAck};

/// Far more than any of it takes.
const DEADLINE: Duration = Duration::from_secs(20);

fn share_of(teller: &mut Teller, miner: u8) -> Entry {
    let telling = Telling::Share {
        miner,
        session: miner,
        worker: 0,
        work: 40,
        block: false,
        minutes: 1,
    };
    teller.entry(&telling).expect("a share")
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let disk = Disk::new();
    let mut driver = Driver::open(&disk).expect("opens");
    let mut teller = Teller::default();
    assert_eq!(driver.append(&[share_of(&mut teller, 1)]), Answer::Stored);
    disk.set_fault(Fault::NoRoom);
    let mut refused = 0;
    while refused < 3 {
        let batch = [share_of(&mut teller, 1), share_of(&mut teller, 2)];
        match driver.append(&batch) {
            Answer::Stored => assert_eq!(refused, 0),
            Answer::Refused => refused += 1,
            Answer::Nothing => panic!("it can be reopened"),
        }
    }
    assert!(matches!(driver.health(), Health::Failing { .. }));
    disk.set_fault(Fault::None);
    driver.writer.probe();
    assert_eq!(driver.health(), Health::Ok);
    driver.check();
    assert_eq!(driver.append(&[share_of(&mut teller, 2)]), Answer::Stored);
    driver.check();
    disk.lose_power(1);
    driver.reopen();
    driver.check();
}

/// A refusal decides the session's earlier shares as well, so where their outcome is not
/// known there must not be one.
#[test]
fn an_unknown_outcome_is_not_covered_by_a_refusal() {
    let disk = Disk::new();
    let mut driver = Driver::open(&disk).expect("opens");
    // The record is written, and its sync fails.
    disk.set_fault(Fault::DeadFrom(3));
    let ack = Arc::<ShareAck>::default();
    for sequence in 1..=3 {
        let mut entries = vec![Entry::Share(share(1, sequence, 40))];
        driver
            .writer
            .append(&mut entries, &mut vec![Reply::Share(ack.clone())]);
        driver.writer.probe();
        assert_eq!(ack.decided(), 0);
    }
}

/// The whole ledger with its thread, as the proxy has it.
#[tokio::test]
async fn whoever_waits_is_told_that_the_disk_is_full() {
    let disk = Disk::new();
    let ledger =
        Ledger::open_with(Arc::new(disk.clone()), options(), &Registry::new()).expect("opens");
    let ack = Arc::<ShareAck>::default();
    send(&ledger, &ack, 1).await;
    assert!(!decided(&ack, 1).await);

    // Not even what is there can be overwritten. What failed to be written is not there.
    disk.set_fault(Fault::Full);
    send(&ledger, &ack, 2).await;
    let mut health = ledger.health();
    let reason = timeout(DEADLINE, health.wait_for(|health| *health != Health::Ok)).await;
    let Health::Failing { reason } = reason.expect("in time").expect("open").clone() else {
        panic!("healthy");
    };
    assert!(
        reason.contains("no storage space") || reason.contains("full"),
        "{reason}"
    );
    assert!(decided(&ack, 2).await, "refused while the disk is full");
    // So is all that comes, after each try of the disk.
    for sequence in 3..6 {
        send(&ledger, &ack, sequence).await;
        assert!(decided(&ack, sequence).await);
        let calls = disk.calls();
        let tried = async {
            while disk.calls() == calls {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(DEADLINE, tried).await.expect("tries again");
    }
    // Whoever looks at the ledger sees it as it was.
    assert_eq!(ledger.epochs(1).expect("reads")[0].totals.shares, 1);
    disk.set_fault(Fault::None);
    timeout(DEADLINE, health.wait_for(|health| *health == Health::Ok))
        .await
        .expect("in time")
        .expect("open");
    send(&ledger, &ack, 6).await;
    assert!(!decided(&ack, 6).await);
    let closed = ledger
        .close_epoch(CloseCause::Command, 5)
        .await
        .expect("closes");
    assert_eq!(closed.totals.shares, 2);
    ledger.close().await;
}

/// Nobody waits for a checkpoint, so a store that cannot be opened anew after one holds up no
/// answer.
#[tokio::test]
async fn a_store_that_cannot_be_reopened_refuses_at_once() {
    let disk = Disk::new();
    let mut options = options();
    options.checkpoint_rows = 0;
    let ledger = Ledger::open_with(Arc::new(disk.clone()), options, &Registry::new());
    let ledger = ledger.expect("opens");
    let ack = Arc::<ShareAck>::default();
    send(&ledger, &ack, 1).await;
    assert!(!decided(&ack, 1).await);
    disk.set_fault(Fault::NoStore);
    // The journal takes it, and the checkpoint after it fails; or that of the first one does.
    send(&ledger, &ack, 2).await;
    let stored = 1 + u64::from(!decided(&ack, 2).await);
    let mut health = ledger.health();
    let failing = timeout(DEADLINE, health.wait_for(|health| *health != Health::Ok)).await;
    drop(failing.expect("in time").expect("open"));
    for sequence in 3..5 {
        send(&ledger, &ack, sequence).await;
        assert!(decided(&ack, sequence).await);
    }
    assert_eq!(ledger.open_epoch().totals.shares, stored);
    // A reader is told why there is nothing to see.
    let looked = ledger.epochs(1).map(drop);
    assert!(matches!(looked, Err(LedgerError::Reopening)), "{looked:?}");
    disk.set_fault(Fault::None);
    let healthy = timeout(DEADLINE, health.wait_for(|health| *health == Health::Ok)).await;
    drop(healthy.expect("in time").expect("open"));
    send(&ledger, &ack, 5).await;
    assert!(!decided(&ack, 5).await);
    assert_eq!(ledger.open_epoch().totals.shares, stored + 1);
    ledger.close().await;
    let ledger = Ledger::open_with(Arc::new(disk), self::options(), &Registry::new());
    let ledger = ledger.expect("opens");
    assert_eq!(ledger.open_epoch().totals.shares, stored + 1);
    ledger.close().await;
}

/// What is there can be overwritten, but there is no room for more: so it is certain
/// at once that nothing was stored, and while there is no room all is refused.
#[tokio::test]
async fn without_room_every_share_is_refused_at_once() {
    let disk = Disk::new();
    let ledger =
        Ledger::open_with(Arc::new(disk.clone()), options(), &Registry::new()).expect("opens");
    disk.set_fault(Fault::NoRoom);
    let ack = Arc::<ShareAck>::default();
    let (mut stored, mut refused) = (0, 0);
    let mut health = ledger.health();
    while refused < 20 {
        send(&ledger, &ack, stored + refused + 1).await;
        match decided(&ack, stored + refused + 1).await {
            true => refused += 1,
            false => stored += 1,
        }
        assert!(stored < 10_000, "there is room for ever");
    }
    disk.set_fault(Fault::None);
    let healthy = timeout(DEADLINE, health.wait_for(|health| *health == Health::Ok)).await;
    drop(healthy.expect("in time").expect("open"));
    send(&ledger, &ack, stored + refused + 1).await;
    assert!(!decided(&ack, stored + refused + 1).await);
    let epoch = ledger
        .close_epoch(CloseCause::Command, 5)
        .await
        .expect("closes");
    assert_eq!(epoch.totals.shares, stored + 1);
    ledger.close().await;
    let ledger = Ledger::open_with(Arc::new(disk), options(), &Registry::new()).expect("opens");
    assert_eq!(ledger.epochs(2).expect("reads")[1], epoch);
    ledger.close().await;
}

#[tokio::test]
async fn a_command_is_told_why_and_changes_nothing() {
    let disk = Disk::new();
    let mut options = options();
    options.checkpoint_interval = Duration::from_secs(3600);
    let ledger =
        Ledger::open_with(Arc::new(disk.clone()), options, &Registry::new()).expect("opens");
    disk.set_fault(Fault::Broken { from: 1, count: 1 });
    let error = ledger
        .close_epoch(CloseCause::Command, 5)
        .await
        .expect_err("the disk is broken");
    assert!(
        matches!(&error, LedgerError::Failing { reason } if reason.contains("broken")),
        "{error}"
    );
    let reader: Reader = ledger.reader().clone();
    assert_eq!(reader.open_epoch().id, accounting::EpochId::FIRST);
    let mut health = ledger.health();
    let healthy = timeout(DEADLINE, health.wait_for(|health| *health == Health::Ok)).await;
    drop(healthy.expect("in time").expect("open"));
    assert_eq!(
        ledger
            .close_epoch(CloseCause::Command, 6)
            .await
            .expect("closes")
            .closed_ms(),
        Some(6)
    );
    ledger.close().await;
}

async fn send(ledger: &Ledger, ack: &Arc<ShareAck>, sequence: u64) {
    let permit = ledger.shares().reserve().await.expect("open");
    permit.send(share(1, sequence, 10), ack.clone());
}

/// Whether the share was refused.
async fn decided(ack: &ShareAck, sequence: u64) -> bool {
    let wait = async {
        let mut seen = 0;
        while seen < sequence {
            seen = std::future::poll_fn(|cx| ack.poll_decided(cx, seen)).await;
        }
    };
    timeout(DEADLINE, wait).await.expect("in time");
    ack.take_refused(sequence)
}
