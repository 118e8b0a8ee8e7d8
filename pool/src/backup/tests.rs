use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use accounting::EpochTerms;
use accounting::settle::Held;
use ledger::{Ledger, LedgerOptions, Reader};
use prometheus::Registry;
use tempfile::TempDir;

use super::*;
use crate::data_dir;

/// A data directory with a ledger that nobody has open, and some of the small files.
async fn pool() -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    data_dir::prepare(&data).expect("prepares");
    let options = LedgerOptions::new(data_dir::ledger(&data), EpochTerms::default(), 1);
    let ledger = Ledger::open(options, &Registry::new()).expect("opens");
    ledger.close().await;
    fs::create_dir(data.join("node")).expect("mkdir");
    for (name, text) in [
        ("offers.json", "[]"),
        ("node/outgoing.jsonl", ""),
        ("node/ldk_node_data.sqlite", "channels"),
        ("node-mnemonic", WORDS),
    ] {
        fs::write(data.join(name), text).expect("writes");
    }
    dir
}

const WORDS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon \
                     abandon abandon about\n";

fn sources(dir: &TempDir) -> Sources {
    let data = dir.path().join("data");
    let node = (data.join("node"), data.join("node-mnemonic"));
    Sources::for_tests(data, Some(node))
}

fn made(dir: &TempDir, with_secrets: bool) -> anyhow::Result<PathBuf> {
    let order = Order {
        to: dir.path().join("backup"),
        config: None,
        with_secrets,
        channel_peers: Vec::new(),
    };
    let reader = Reader::open(&data_dir::ledger(&dir.path().join("data")))?;
    make(&sources(dir), &reader, &order, &mut |_| ())?;
    Ok(order.to)
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("reads");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("reads")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_restored_pool_is_another_one_with_the_same_books() {
    let dir = pool().await;
    let backup = made(&dir, false).expect("made");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&backup), 0o700);
    assert_eq!(mode(&backup.join("ledger.redb")), 0o600);
    assert_eq!(
        names(&backup.join("node")),
        ["outgoing.jsonl"],
        "no channels"
    );
    assert!(!backup.join("node-mnemonic").exists(), "no secrets");
    let last = read_last(&dir.path().join("data"))
        .expect("reads")
        .expect("made");
    assert_eq!(last.to, backup);
    made(&dir, false).expect_err("it is there already");

    let to = dir.path().join("deep/restored");
    let Outcome { manifest, record } = restore(&backup, &to, &mut |_| ()).expect("restores");
    assert!(manifest.node_words.is_some_and(|print| print.len() == 64));
    assert_eq!(mode(&to), 0o700);
    let before = Reader::open(&data_dir::ledger(&dir.path().join("data"))).expect("opens");
    let after = Reader::open(&data_dir::ledger(&to)).expect("opens");
    assert_eq!(
        (record.before, record.after),
        (before.incarnation(), after.incarnation())
    );
    assert_ne!(record.before, record.after);
    assert_eq!(
        after.epochs(9).expect("reads"),
        before.epochs(9).expect("reads")
    );
    assert_eq!(read_restore(&to).expect("reads"), Some(record.clone()));
    restore(&backup, &to, &mut |_| ()).expect_err("it is not empty");

    // Everything waits until the operator's word, and what was before for ever.
    assert_eq!(held(before.lineage(), None), None);
    assert_eq!(held(after.lineage(), None), Some(Held::EVERYTHING));
    assert_eq!(held(after.lineage(), Some(&record)), Some(Held::EVERYTHING));
    let accepted = Accepted {
        at_ms: 7,
        height: Some(8),
        bound_sat: None,
        paid_since_sat: accounting::Sat::ZERO,
    };
    let record = write_accepted(&to, &record, accepted).expect("writes");
    let until = Held {
        until_ms: 7,
        until_height: 8,
    };
    assert_eq!(held(after.lineage(), Some(&record)), Some(until));
    // A word on another restore is none on this.
    drop(after);
    ledger::restore(&data_dir::ledger(&to)).expect("restores");
    let again = Reader::open(&data_dir::ledger(&to)).expect("opens");
    assert_eq!(held(again.lineage(), Some(&record)), Some(Held::EVERYTHING));
}

#[tokio::test]
async fn secrets_go_along_when_asked_for() {
    let dir = pool().await;
    let backup = made(&dir, true).expect("made");
    let words = backup.join("node-mnemonic");
    assert_eq!(fs::read_to_string(&words).expect("reads"), WORDS);
    let mode = fs::metadata(&words).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let text = fs::read_to_string(backup.join("manifest.json")).expect("reads");
    assert!(!text.contains("abandon"), "{text}");
}

/// What fails in the middle leaves neither a backup nor a part of one.
#[tokio::test]
async fn a_backup_that_fails_is_not_there() {
    let dir = pool().await;
    let watch = dir.path().join("data/ocean-watch.json");
    fs::create_dir(&watch).expect("what cannot be copied");
    let error = made(&dir, false).expect_err("fails");
    assert!(
        format!("{error:#}").contains("ocean-watch.json"),
        "{error:#}"
    );
    assert_eq!(names(dir.path()), ["data"]);
    fs::remove_dir(&watch).expect("removes");
    made(&dir, false).expect("made");
    assert_eq!(names(dir.path()), ["backup", "data"]);
}

#[tokio::test]
async fn a_damaged_backup_is_not_restored() {
    let dir = pool().await;
    let backup = made(&dir, false).expect("made");
    let to = dir.path().join("restored");
    let refused = |said: &str| {
        let error = restore(&backup, &to, &mut |_| ()).expect_err("damaged");
        assert!(format!("{error:#}").contains(said), "{error:#}");
        assert!(!to.exists(), "not a part of it");
    };
    let offers = backup.join("offers.json");
    let whole = fs::read(&offers).expect("reads");
    fs::write(&offers, "[1]").expect("writes");
    refused("is damaged");
    fs::remove_file(&offers).expect("removes");
    refused("cannot be restored");
    fs::write(&offers, whole).expect("writes");
    restore(&backup, &to, &mut |_| ()).expect("whole again");
    assert_eq!(names(dir.path()), ["backup", "data", "restored"]);
}
