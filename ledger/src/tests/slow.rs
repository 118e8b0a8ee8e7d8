//! Disks whose sync takes long, as cards' and worn ones' do: what it costs a share.
//!
//! `cargo test --release -p ledger --lib slow_disks -- --nocapture` prints figures, and
//! `make bench` shows them.

use std::fs::{File, OpenOptions};
use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use accounting::{EpochTerms, SessionId, ShareId, ShareRecord};
use prometheus::Registry;
use redb::backends::FileBackend;
use redb::{Database, StorageBackend};

use crate::store::{Opener, journal_path};
use crate::testing::share;
use crate::{Ledger, LedgerOptions, OpenError, ShareAck, StoreError};

/// Devices with one share in flight each.
const SESSIONS: u32 = 1_000;

/// How long each disk is looked at.
const MEASURED: Duration = Duration::from_secs(1);

/// A real file, and a sync that takes so much longer.
#[derive(Debug)]
struct SlowDisk {
    path: PathBuf,
    sync: Duration,
}

#[derive(Debug)]
struct SlowFile {
    file: FileBackend,
    sync: Duration,
}

impl StorageBackend for SlowFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        std::thread::sleep(self.sync);
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

impl Opener for SlowDisk {
    fn open(&self, create: bool) -> Result<Database, OpenError> {
        let file: io::Result<File> = OpenOptions::new()
            .read(true)
            .write(true)
            .create(create)
            .truncate(false)
            .open(&self.path);
        let file = FileBackend::new(file.expect("a file")).expect("alone");
        Database::builder()
            .create_with_backend(SlowFile {
                file,
                sync: self.sync,
            })
            .map_err(|error| OpenError::Store(StoreError::from(error)))
    }

    fn open_journal(&self) -> io::Result<Option<Box<dyn StorageBackend>>> {
        Ok(None)
    }

    fn make_journal(&self, bytes: &[u8]) -> io::Result<Box<dyn StorageBackend>> {
        std::fs::write(self.journal_path(), bytes)?;
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).open(self.journal_path())?;
        let file = FileBackend::new(file).map_err(io::Error::other)?;
        let sync = self.sync;
        Ok(Box::new(SlowFile { file, sync }))
    }

    fn set_journal_aside(&self) -> io::Result<()> {
        Ok(())
    }

    fn journal_path(&self) -> PathBuf {
        journal_path(&self.path)
    }
}

/// One device until `end`: how long each of its answers took.
async fn device(ledger: Ledger, number: u32, end: Instant) -> Vec<Duration> {
    let session = SessionId::new(ledger.boot(), number);
    let (shares, ack) = (ledger.shares(), Arc::new(ShareAck::default()));
    let like = share(u8::try_from(number % 200 + 1).expect("small"), 1, 1_000_000);
    let mut took = Vec::new();
    for sequence in 1.. {
        let sent = Instant::now();
        if sent >= end {
            break;
        }
        let id = ShareId { session, sequence };
        let permit = shares.reserve().await.expect("open");
        permit.send(ShareRecord { id, ..like.clone() }, ack.clone());
        poll_fn(|cx| ack.poll_decided(cx, sequence - 1)).await;
        took.push(sent.elapsed());
    }
    took
}

/// The answers' times on such a disk, sorted.
async fn measure(sync: Duration) -> Vec<Duration> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ledger.redb");
    let disk = Arc::new(SlowDisk {
        path: path.clone(),
        sync,
    });
    let options = LedgerOptions::new(path, EpochTerms::default(), 1_700_000_000_000);
    let ledger = Ledger::open_with(disk, options, &Registry::new()).expect("opens");
    let end = Instant::now() + MEASURED;
    let devices: Vec<_> = (0..SESSIONS)
        .map(|number| tokio::spawn(device(ledger.clone(), number, end)))
        .collect();
    let mut took = Vec::new();
    for device in devices {
        took.extend(device.await.expect("a device"));
    }
    ledger.close().await;
    took.sort_unstable();
    took
}

#[tokio::test]
async fn slow_disks_make_answers_late_and_lose_none() {
    for sync_ms in [0, 5, 20, 50] {
        let took = measure(Duration::from_millis(sync_ms)).await;
        let at = |percent: usize| took[(took.len() - 1) * percent / 100].as_millis();
        println!(
            "sync + {sync_ms:>2} ms: {:>6} shares/s, answers p50 {:>4} ms, p99 {:>4} ms",
            took.len() / usize::try_from(MEASURED.as_secs()).expect("small"),
            at(50),
            at(99),
        );
        // Each device had an answer; a batch waits for a few syncs, never for many.
        assert!(took.len() >= SESSIONS as usize);
        assert!(at(50) <= 200 + 20 * u128::from(sync_ms), "{sync_ms} ms");
    }
}
