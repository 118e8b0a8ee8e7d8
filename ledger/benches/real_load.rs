//! What the ledger writes where pools really are: `cargo bench --profile dev -p ledger
//! --bench real_load`.
//!
//! A thousand devices (and ten) that send eight shares a minute each, on a real file with
//! real syncs, for each of some windows. Beside it, in the same run, the floor: the same
//! shares at the same times, gathered for the 20 ms that every batch gathers and for the
//! window, and appended to a plain file with one `fdatasync` for each batch. Printed per
//! share: bytes as the kernel was handed them (`wchar`), blocks of 4,096 bytes that the disk
//! has to write for that, and syncs. A checkpoint is measured by itself, and counts as it
//! does at one in five minutes.

#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use accounting::{
    EpochTerms, Identity, MinerId, SessionId, ShareId, ShareRecord, Work, WorkerName,
};
use bitcoin::BlockHash;
use bitcoin::hashes::{Hash, sha256};
use ledger::{Ledger, LedgerOptions, ShareAck};
use prometheus::Registry;

const NOW_MS: u64 = 1_700_000_000_000;

/// From one share of a device to its next.
const BETWEEN: Duration = Duration::from_millis(7_500);

/// How long each row is measured.
const MEASURED: Duration = Duration::from_secs(16);

/// What a share takes as it is: an entry of the journal with a short worker's name.
const SHARE_BYTES: usize = 137;

const BLOCK: u64 = 4096;

/// Bytes that this process has handed to the kernel.
fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: "));
    line.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// When the next share comes, and of which device: evenly, but not in step with anything.
fn arrivals(devices: u32) -> impl Iterator<Item = (Duration, u32)> {
    let between = BETWEEN / devices;
    (0_u32..).map(move |number| {
        let shift = number.wrapping_mul(2_654_435_761) % 1000;
        (between * number + between * shift / 1000, number % devices)
    })
}

fn share(device: u32, sequence: u64, boot: u32) -> ShareRecord {
    let hash = sha256::Hash::hash(&[device.to_be_bytes(), boot.to_be_bytes()].concat());
    ShareRecord {
        typed: None,
        id: ShareId {
            session: SessionId::new(boot, device),
            sequence,
        },
        who: Arc::new(Identity {
            miner: MinerId::from_stored(hash.to_byte_array()),
            worker: WorkerName::clean("bitaxe"),
        }),
        work: Work::from_hashes(4_294_967_296_000),
        hash: BlockHash::from_byte_array(hash.to_byte_array()),
        upstream_work: Work::from_hashes(562_949_953_421_312),
        meets_upstream: false,
        meets_network: false,
        time_ms: NOW_MS + sequence,
    }
}

fn count(registry: &Registry, name: &str) -> u64 {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == name);
    family.map_or(0, |family| {
        family.get_metric()[0].get_histogram().get_sample_count()
    })
}

fn gauge(registry: &Registry, name: &str) -> f64 {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == name);
    family.map_or(0.0, |family| family.get_metric()[0].get_gauge().get_value())
}

async fn of_the_ledger(directory: &Path, devices: u32, window_ms: u64) {
    let path = directory.join(format!("{devices}-{window_ms}.redb"));
    let mut options = LedgerOptions::new(path, EpochTerms::default(), NOW_MS);
    options.quiet_window = Duration::from_millis(window_ms);
    let interval = options.checkpoint_interval;
    let registry = Registry::new();
    let ledger = Ledger::open(options, &registry).expect("opens");
    let shares = ledger.shares();
    let acks: Vec<Arc<ShareAck>> = (0..devices).map(|_| Arc::default()).collect();
    // The packing that comes with each start is written by itself.
    while gauge(&registry, "axepool_ledger_old_rows_wait") > 0.0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let commits = || count(&registry, "axepool_ledger_commit_seconds");
    let (before, commits_before, begun) = (written(), commits(), Instant::now());
    let mut sent = 0_u64;
    for (at, device) in arrivals(devices).take_while(|(at, _)| *at < MEASURED) {
        tokio::time::sleep_until((begun + at).into()).await;
        sent += 1;
        let sequence = sent.div_ceil(devices.into());
        let permit = shares.reserve().await.expect("open");
        permit.send(
            share(device, sequence, ledger.boot()),
            acks[device as usize].clone(),
        );
    }
    shares.turn().await.expect("open");
    let (journal, commits) = (written() - before, commits() - commits_before);
    let before = written();
    ledger.close().await;
    let checkpoint = written() - before;
    // In five minutes there are so many shares to one checkpoint.
    let to_a_checkpoint = sent * interval.as_secs() / MEASURED.as_secs();
    let (of_journal, of_checkpoint) = (journal / sent, checkpoint / to_a_checkpoint);
    println!(
        "{devices:>5} devices, {window_ms:>4} ms: {:>5} bytes a share ({of_journal} in the journal, \
         {of_checkpoint} of a checkpoint of {} KB), {:.3} syncs a share, {:>6.2} GB a day",
        of_journal + of_checkpoint,
        checkpoint / 1024,
        ratio(commits, sent),
        per_day(of_journal + of_checkpoint, devices),
    );
}

/// The same shares at the same times in a plain file.
fn of_a_plain_file(directory: &Path, devices: u32, window_ms: u64) {
    let path = directory.join(format!("{devices}-{window_ms}.plain"));
    let mut options = OpenOptions::new();
    let mut file: File = options.create(true).append(true).open(path).expect("opens");
    let begun = Instant::now();
    let (mut sent, mut syncs, mut blocks, mut length) = (0_u64, 0_u64, 0_u64, 0_u64);
    let mut arrivals = arrivals(devices)
        .take_while(|(at, _)| *at < MEASURED)
        .peekable();
    let before = written();
    while let Some((first, _)) = arrivals.peek().copied() {
        let end = first + Duration::from_millis(window_ms);
        let mut batch = Vec::new();
        while arrivals.next_if(|(at, _)| *at <= end).is_some() {
            batch.resize(batch.len() + SHARE_BYTES, 7);
            sent += 1;
        }
        std::thread::sleep((begun + end).saturating_duration_since(Instant::now()));
        file.write_all(&batch).expect("writes");
        file.sync_data().expect("syncs");
        let end = length + batch.len() as u64;
        blocks += end.div_ceil(BLOCK) - length / BLOCK;
        (length, syncs) = (end, syncs + 1);
    }
    println!(
        "{devices:>5} devices, {window_ms:>4} ms: {:>5} bytes a share in blocks ({} as handed over), \
         {:.3} syncs a share: a plain file",
        blocks * BLOCK / sent,
        (written() - before) / sent,
        ratio(syncs, sent),
    );
}

#[expect(clippy::cast_precision_loss, reason = "a bench prints")]
fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b as f64
}

fn per_day(bytes: u64, devices: u32) -> f64 {
    /// Eight a minute.
    const OF_A_DEVICE: u64 = 8 * 60 * 24;
    let shares = OF_A_DEVICE * u64::from(devices);
    ratio(bytes * shares, 1_000_000_000)
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let directory = tempfile::tempdir_in(".").expect("a directory on a real disk");
    for devices in [1_000, 10] {
        of_a_plain_file(directory.path(), devices, 20);
        for window_ms in [100, 500] {
            of_a_plain_file(directory.path(), devices, window_ms);
            runtime.block_on(of_the_ledger(directory.path(), devices, window_ms));
        }
    }
    // What a card is spared by the longest window.
    runtime.block_on(of_the_ledger(directory.path(), 10, 2_000));
}
