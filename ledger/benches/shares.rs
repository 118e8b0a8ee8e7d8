//! What a share costs the ledger: `cargo bench -p ledger`.
//!
//! A thousand sessions with one share in flight each, on a real file with real syncs.
//! Printed per round size: shares a second, and the processor time of the ledger's
//! thread and of the whole process per share.

#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::future::poll_fn;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use accounting::{
    EpochTerms, Identity, MinerId, SessionId, ShareId, ShareRecord, Work, WorkerName,
};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use bitcoin::secp256k1::{PublicKey, Secp256k1, SecretKey};
use ledger::{Ledger, LedgerOptions, ShareAck};
use prometheus::Registry;

const NOW_MS: u64 = 1_700_000_000_000;

fn identity(number: u32) -> Arc<Identity> {
    let mut secret = [1; 32];
    secret[28..].copy_from_slice(&number.to_be_bytes());
    let secret = SecretKey::from_slice(&secret).expect("below the order");
    let key = PublicKey::from_secret_key(&Secp256k1::new(), &secret);
    let miner = MinerId::from_public_key(&key);
    Arc::new(Identity {
        miner,
        worker: WorkerName::clean("bitaxe"),
    })
}

fn share(who: &Arc<Identity>, session: SessionId, sequence: u64) -> ShareRecord {
    ShareRecord {
        typed: Some(accounting::KeyPrefix::Even),
        id: ShareId { session, sequence },
        who: who.clone(),
        work: Work::from_hashes(4_294_967_296_000),
        hash: BlockHash::from_byte_array([7; 32]),
        upstream_work: Work::from_hashes(562_949_953_421_312),
        meets_upstream: sequence.is_multiple_of(128),
        meets_network: false,
        time_ms: NOW_MS + sequence,
    }
}

/// Processor time so far of the threads whose name begins so, from Linux' accounting.
fn processor_time(name: &str) -> Duration {
    let threads = std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let of = |path: &Path| -> Option<u64> {
        let comm = std::fs::read_to_string(path.join("comm")).ok()?;
        let stat = std::fs::read_to_string(path.join("schedstat")).ok()?;
        comm.starts_with(name)
            .then(|| stat.split(' ').next()?.parse().ok())
            .flatten()
    };
    Duration::from_nanos(threads.filter_map(|thread| of(&thread.path())).sum())
}

async fn run(directory: &Path, miners: u32, sessions: u32, rounds: u64) {
    let path = directory.join(format!("{miners}-{sessions}.redb"));
    let mut options = LedgerOptions::new(path, EpochTerms::default(), NOW_MS);
    options.window = Duration::from_millis(5);
    options.quiet_window = options.window;
    let ledger = Ledger::open(options, &Registry::new()).expect("opens");
    let who: Vec<_> = (1..=miners).map(identity).collect();
    let acks: Vec<Arc<ShareAck>> = (0..sessions).map(|_| Arc::default()).collect();
    let shares = ledger.shares();
    // Once before the clock runs: the rows are read and made.
    let mut begun = (Instant::now(), processor_time("ledger"), processor_time(""));
    for round in 1..=rounds + 1 {
        if round == 2 {
            begun = (Instant::now(), processor_time("ledger"), processor_time(""));
        }
        for (number, ack) in (0..sessions).zip(&acks) {
            let session = SessionId::new(ledger.boot(), number);
            let who = &who[(number % miners) as usize];
            let permit = shares.reserve().await.expect("open");
            permit.send(share(who, session, round), ack.clone());
        }
        for ack in &acks {
            poll_fn(|cx| ack.poll_decided(cx, round - 1)).await;
        }
    }
    let count = u64::from(sessions) * rounds;
    let per = |time: Duration| time.as_nanos() / u128::from(count.max(1));
    let (wall, thread, process) = begun;
    println!(
        "{miners:>6} miners, {sessions:>5} shares a batch: {:>8} shares/s, {:>6} ns of the \
         ledger's thread, {:>6} ns of the process per share",
        1_000_000_000 / per(wall.elapsed()).max(1),
        per(processor_time("ledger").saturating_sub(thread)),
        per(processor_time("").saturating_sub(process)),
    );
    ledger.close().await;
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let directory = tempfile::tempdir_in(".").expect("a directory on a real disk");
    runtime.expect("a runtime").block_on(async {
        run(directory.path(), 10, 10, 200).await;
        run(directory.path(), 100, 100, 200).await;
        run(directory.path(), 1000, 1000, 300).await;
        run(directory.path(), 4000, 4000, 100).await;
        run(directory.path(), 10, 1000, 300).await;
    });
}
