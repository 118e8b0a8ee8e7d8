//! The owner's commands as a person types them: the key, and a wallet without a mint.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use crate::common::{axepool, stderr, stdout};

#[track_caller]
fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    stdout(output)
}

#[track_caller]
fn failed(output: &Output, said: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", stdout(output));
    assert!(
        stderr(output).contains(said),
        "{said:?} is missing:\n{}",
        stderr(output)
    );
}

/// The word behind `name` in what a command printed.
#[track_caller]
fn word<'a>(printed: &'a str, name: &str) -> &'a str {
    let line = printed
        .lines()
        .find_map(|line| line.trim().strip_prefix(name));
    line.unwrap_or_else(|| panic!("{name} is missing:\n{printed}"))
        .trim()
}

#[test]
fn a_key_is_made_once_and_shown_as_often_as_needed() {
    let dir = tempfile::tempdir().unwrap();
    let place = ["--wallet", "purse"];
    let new = [
        &["key", "new", "--key", "miner.key", "--secret"],
        &place[..],
    ]
    .concat();
    let made = succeeded(&axepool(&new, dir.path()));
    let (npub, public) = (word(&made, "npub"), word(&made, "public key"));
    assert!(npub.starts_with("npub1") && npub.len() == 63, "{npub}");
    assert!(public.starts_with("02") && public.len() == 66, "{public}");
    assert!(made.contains('█'), "no QR code:\n{made}");
    let path = dir.path().join("miner.key");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    failed(&axepool(&new, dir.path()), "not overwritten");
    let shown = succeeded(&axepool(
        &[
            &["key", "show", "--key", "miner.key", "--no-qr"],
            &place[..],
        ]
        .concat(),
        dir.path(),
    ));
    assert_eq!(
        (word(&shown, "npub"), word(&shown, "public key")),
        (npub, public)
    );
    assert!(!shown.contains("nsec1") && !shown.contains('█'), "{shown}");

    let nsec = word(&made, "nsec");
    let again = [
        "key",
        "new",
        "--key",
        "again.key",
        "--from",
        nsec,
        "--secret",
    ];
    assert_eq!(word(&succeeded(&axepool(&again, dir.path())), "npub"), npub);
    failed(
        &axepool(
            &["key", "new", "--key", "third.key", "--from", npub],
            dir.path(),
        ),
        "this is a public key",
    );
    assert!(!dir.path().join("third.key").exists());
}

#[test]
fn a_wallet_is_made_with_its_words_and_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let balance = ["wallet", "--wallet", "purse", "balance"];
    let output = axepool(&balance, dir.path());
    assert!(succeeded(&output).starts_with("0 sat"));
    assert!(
        stderr(&output).contains("twelve words"),
        "{}",
        stderr(&output)
    );
    let again = axepool(&balance, dir.path());
    assert_eq!(stderr(&again), "");
    let words = std::fs::read_to_string(dir.path().join("purse/mnemonic")).unwrap();
    assert_eq!(words.split_whitespace().count(), 12);
    let wallet = |rest: &[&str]| {
        let arguments = [&["wallet", "--wallet", "purse"], rest].concat();
        axepool(&arguments, dir.path())
    };
    failed(&wallet(&["send", "5"]), "the wallet is empty");
    failed(&wallet(&["pay", "nonsense"]), "cannot be paid");
    failed(&wallet(&["receive", "nonsense"]), "the token");
}

#[test]
fn a_sweep_says_what_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = |mint: &str, more: &[&str]| {
        let start = [
            "sweep",
            "--wallet",
            "purse",
            "--key",
            "miner.key",
            "--mint",
            mint,
        ];
        axepool(&[&start, more].concat(), dir.path())
    };
    failed(&sweep("http://127.0.0.1:1", &[]), "axepool key new");
    succeeded(&axepool(
        &["key", "new", "--random", "--key", "miner.key"],
        dir.path(),
    ));
    failed(&sweep("pool.example", &[]), "begins with https://");
    failed(
        &sweep(
            "http://127.0.0.1:1",
            &["--to", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"],
        ),
        "bitcoin address",
    );
    failed(&sweep("http://127.0.0.1:1", &[]), "cannot be reached");
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(dir.path().join("miner.key"), mode).unwrap();
    failed(&sweep("http://127.0.0.1:1", &[]), "chmod 600");
}

#[test]
fn a_wallet_is_made_again_from_its_words_alone() {
    let dir = tempfile::tempdir().unwrap();
    let restore = |more: &[&str]| {
        let start = ["wallet", "--wallet", "purse", "restore"];
        axepool(&[&start, more].concat(), dir.path())
    };
    let nobody = ["--mint", "http://127.0.0.1:1"];
    failed(&restore(&[]), "--mint");
    failed(&restore(&nobody), "there is no wallet in purse");
    assert!(!dir.path().join("purse").exists(), "none is made by asking");
    let words = |name: &str, text: &str| {
        std::fs::write(dir.path().join(name), text).unwrap();
        restore(&[&nobody[..], &["--words", name]].concat())
    };
    failed(&words("few", "abandon abandon"), "no mnemonic");
    let good = format!("{} about\n", ["abandon"; 11].join(" "));
    // The words are kept even though the mint is away: the next try needs no more.
    failed(&words("good", &good), "cannot be reached");
    let kept = std::fs::read_to_string(dir.path().join("purse/mnemonic")).unwrap();
    assert_eq!(kept, good);
    failed(&restore(&nobody), "cannot be reached");
    let others = format!("{} wrong\n", ["zoo"; 11].join(" "));
    failed(&words("others", &others), "other words");
}
