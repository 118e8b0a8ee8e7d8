//! A disk whose sync does not come back: no error, and no answer to anybody.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};

use accounting::{EpochTerms, SessionId, ShareId, ShareRecord};
use prometheus::Registry;
use redb::backends::InMemoryBackend;
use redb::{Database, StorageBackend};
use tokio::time::{Duration, timeout};

use crate::store::Opener;
use crate::testing::share;
use crate::{Ledger, LedgerOptions, OpenError, ShareAck, StoreError};

/// Whether syncs hang.
#[derive(Debug, Default)]
struct Tap {
    is_shut: Mutex<bool>,
    changed: Condvar,
}

impl Tap {
    fn set(&self, is_shut: bool) {
        *self.is_shut.lock().expect("no panic") = is_shut;
        self.changed.notify_all();
    }

    fn wait(&self) {
        let mut is_shut = self.is_shut.lock().expect("no panic");
        while *is_shut {
            is_shut = self.changed.wait(is_shut).expect("no panic");
        }
    }
}

#[derive(Debug)]
struct HangingDisk {
    tap: Arc<Tap>,
}

#[derive(Debug)]
struct HangingFile {
    memory: InMemoryBackend,
    tap: Arc<Tap>,
}

impl StorageBackend for HangingFile {
    fn len(&self) -> io::Result<u64> {
        self.memory.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.memory.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.memory.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.tap.wait();
        self.memory.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.memory.write(offset, data)
    }
}

impl Opener for HangingDisk {
    fn open(&self, _create: bool) -> Result<Database, OpenError> {
        Database::builder()
            .create_with_backend(HangingFile {
                memory: InMemoryBackend::new(),
                tap: Arc::clone(&self.tap),
            })
            .map_err(|error| OpenError::Store(StoreError::from(error)))
    }

    fn open_journal(&self) -> io::Result<Option<Box<dyn StorageBackend>>> {
        Ok(None)
    }

    fn make_journal(&self, bytes: &[u8]) -> io::Result<Box<dyn StorageBackend>> {
        let memory = InMemoryBackend::new();
        memory.set_len(bytes.len() as u64)?;
        memory.write(0, bytes)?;
        let tap = Arc::clone(&self.tap);
        Ok(Box::new(HangingFile { memory, tap }))
    }

    fn set_journal_aside(&self) -> io::Result<()> {
        Ok(())
    }

    fn journal_path(&self) -> PathBuf {
        "nowhere.journal".into()
    }
}

#[tokio::test]
async fn a_writer_that_hangs_in_its_disk_never_comes_to_its_turn() {
    let tap = Arc::new(Tap::default());
    let options = LedgerOptions::new("nowhere".into(), EpochTerms::default(), 1_700_000_000_000);
    let disk = Arc::new(HangingDisk {
        tap: Arc::clone(&tap),
    });
    let ledger = Ledger::open_with(disk, options, &Registry::new()).expect("opens");
    let shares = ledger.shares();
    shares.turn().await.expect("open");
    assert_eq!(shares.tries_the_disk().await, Ok(true));

    tap.set(true);
    let ack = Arc::new(ShareAck::default());
    let session = SessionId::new(ledger.boot(), 1);
    let id = ShareId {
        session,
        sequence: 1,
    };
    let like = share(1, 1, 1_000_000);
    let permit = shares.reserve().await.expect("open");
    permit.send(ShareRecord { id, ..like }, Arc::clone(&ack));
    // It has the share, and no error.
    let short = Duration::from_millis(300);
    assert!(timeout(short, shares.turn()).await.is_err());
    assert!(timeout(short, shares.tries_the_disk()).await.is_err());
    assert_eq!(*ledger.health().borrow(), crate::Health::Ok);
    assert_eq!(ledger.open_epoch().totals.shares, 0);

    tap.set(false);
    shares.turn().await.expect("open");
    let decided = std::future::poll_fn(|cx| ack.poll_decided(cx, 0)).await;
    assert_eq!((decided, ledger.open_epoch().totals.shares), (1, 1));
    assert_eq!(shares.tries_the_disk().await, Ok(true));
    ledger.close().await;
}
