//! How long a ledger takes to open after a kill: `cargo bench --profile dev -p ledger --bench
//! opening`.
//!
//! A ledger of some 200 MB, many keys with a share each, is copied with its journal while it
//! is open, as a kill leaves it, and the copy is opened. Then the same after an orderly stop.

#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use accounting::{
    EpochTerms, Identity, MinerId, SessionId, ShareId, ShareRecord, Work, WorkerName,
};
use bitcoin::BlockHash;
use bitcoin::hashes::{Hash, sha256};
use ledger::{Ledger, LedgerOptions, ShareAck, journal_path};
use prometheus::Registry;

const NOW_MS: u64 = 1_700_000_000_000;
const KEYS: u32 = 100_000;
/// Shares that are in the journal alone when it is killed.
const LAST: u32 = 20_000;

fn open(path: &Path) -> Ledger {
    let options = LedgerOptions::new(path.to_owned(), EpochTerms::default(), NOW_MS);
    Ledger::open(options, &Registry::new()).expect("opens")
}

async fn mine(ledger: &Ledger, keys: u32, sequence: u64) {
    let ack = Arc::<ShareAck>::default();
    let session = SessionId::new(ledger.boot(), 1);
    let shares = ledger.shares();
    for key in 0..keys {
        let hash = sha256::Hash::hash(&key.to_be_bytes()).to_byte_array();
        let share = ShareRecord {
            typed: None,
            id: ShareId {
                session,
                sequence: sequence + u64::from(key),
            },
            who: Arc::new(Identity {
                miner: MinerId::from_stored(hash),
                worker: WorkerName::clean("bitaxe"),
            }),
            work: Work::from_hashes(4_294_967_296_000),
            hash: BlockHash::from_byte_array(hash),
            upstream_work: Work::from_hashes(562_949_953_421_312),
            meets_upstream: false,
            meets_network: false,
            time_ms: NOW_MS,
        };
        let permit = shares.reserve().await.expect("open");
        permit.send(share, ack.clone());
    }
    let last = sequence + u64::from(keys) - 1;
    let mut seen = 0;
    while seen < last {
        seen = poll_fn(|cx| ack.poll_decided(cx, seen)).await;
    }
}

fn copy(path: &Path, name: &str) -> PathBuf {
    let to = path.with_file_name(name);
    std::fs::copy(path, &to).expect("copies");
    std::fs::copy(journal_path(path), journal_path(&to)).expect("copies");
    to
}

async fn timed(path: &Path, what: &str) {
    let bytes = std::fs::metadata(path).expect("there").len();
    let begun = Instant::now();
    let ledger = open(path);
    println!(
        "{what}: {:?} for {} MB, {} shares",
        begun.elapsed(),
        bytes >> 20,
        ledger.open_epoch().totals.shares,
    );
    ledger.close().await;
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let directory = tempfile::tempdir_in(".").expect("a directory on a real disk");
    let path = directory.path().join("ledger.redb");
    runtime.expect("a runtime").block_on(async {
        let ledger = open(&path);
        mine(&ledger, KEYS, 1).await;
        ledger.close().await;
        let ledger = open(&path);
        mine(&ledger, LAST, 1).await;
        let killed = copy(&path, "killed.redb");
        ledger.close().await;
        let closed = copy(&path, "closed.redb");
        timed(&killed, "after a kill").await;
        timed(&closed, "after a stop").await;
    });
}
