//! A pool that ran before, or whose config cannot be written, is not set up.

use std::fs;
use std::path::Path;

use super::{Waiting, command, free_address, proof_of, text};
use crate::common::ELSEWHERE;

/// How a process ended in `dir`, and what it said.
fn ended(dir: &Path) -> (Option<i32>, String) {
    let mut child = command(dir, free_address(), &[]).spawn().expect("axepool");
    let deadline = std::time::Instant::now() + crate::common::PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().expect("wait") {
            break status.code();
        }
        if std::time::Instant::now() > deadline {
            child.kill().expect("kill");
            child.wait().expect("its end");
            break None;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    let log = fs::read_to_string(dir.join("log")).expect("the log");
    (status, log)
}

#[test]
fn a_pool_that_lost_its_config_is_not_set_up_anew() {
    for store in [
        "ledger.redb",
        "mint/mint.sqlite",
        "node/ldk_node_data.sqlite",
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        let store = dir.path().join("data").join(store);
        fs::create_dir_all(store.parent().expect("a parent")).expect("its directory");
        fs::write(&store, "").expect("a store");
        let (status, log) = ended(dir.path());
        assert_eq!(status, Some(78), "{log}");
        assert!(log.contains("restore the config"), "{log}");
        assert!(log.contains(&*store.to_string_lossy()), "{log}");
    }
}

#[test]
fn a_config_that_cannot_be_written_is_told_of_before_there_are_words() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = dir.path().join("axepool.toml");
    std::os::unix::fs::symlink(dir.path().join("nothing"), config).expect("a link");
    let (status, log) = ended(dir.path());
    assert_eq!(status, Some(78), "{log}");
    assert!(log.contains("a link to a file that is not there"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_that_were_there_before_are_not_shown() {
    let waiting = Waiting::start(&[]).await;
    let page = waiting.enter().await;
    let words = "zoo ".repeat(23) + "vote\n";
    let file = waiting.dir.path().join("data/mint/mint.mnemonic");
    fs::create_dir_all(file.parent().expect("a parent")).expect("a directory");
    basics::files::create(&file, words.as_bytes()).expect("words");
    let proof = proof_of(&page);
    let fields = [
        ("proof", proof.as_str()),
        ("network", "regtest"),
        ("upstream", "stratum+tcp://127.0.0.1:1"),
        ("chain", "none"),
        ("lightning", "none"),
        ("address", ELSEWHERE),
    ];
    // A restored backup is seen at this moment, too.
    let store = waiting.dir.path().join("data/mint/mint.sqlite");
    fs::write(&store, "").expect("a store");
    let page = text(&waiting.send("/first-run", &fields).await);
    assert!(page.contains("restore the config"), "{page}");
    assert!(!waiting.has_config());
    fs::remove_file(&store).expect("no store");

    let page = text(&waiting.send("/first-run", &fields).await);
    assert!(page.contains("data/mint/mint.mnemonic"), "{page}");
    assert!(
        page.contains("were there before") && !page.contains("zoo"),
        "{page}"
    );
    assert_eq!(fs::read_to_string(&file).expect("words"), words);
}
