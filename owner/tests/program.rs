//! `axepool-wallet` as its users meet it. What its commands do with a pool is tried in the
//! tests of `axepool`, which has the same.

use std::path::Path;
use std::process::{Command, Output};

fn wallet(args: &[&str], directory: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_axepool-wallet"))
        .args(args)
        .current_dir(directory)
        .output()
        .expect("axepool-wallet starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn help_lists_the_commands() {
    let dir = tempfile::tempdir().expect("a directory");
    let help = stdout(&wallet(&["--help"], dir.path()));
    assert!(help.starts_with("The wallet of a Bitaxe owner"), "{help}");
    for command in ["key", "sweep", "wallet", "reissue", "notices", "audit"] {
        assert!(
            help.contains(&format!("\n  {command} ")),
            "{command} is missing:\n{help}"
        );
    }
}

#[test]
fn advice_names_the_program_that_runs() {
    let dir = tempfile::tempdir().expect("a directory");
    let sweep = [
        "sweep",
        "--mint",
        "http://127.0.0.1:1",
        "--key",
        "miner.key",
    ];
    let output = wallet(&sweep, dir.path());
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(
        stderr(&output).contains("`axepool-wallet key new` makes a key"),
        "{}",
        stderr(&output)
    );
    let made = wallet(
        &["key", "new", "--key", "miner.key", "--wallet", "purse"],
        dir.path(),
    );
    assert!(made.status.success(), "{}", stderr(&made));
    let balance = wallet(&["wallet", "--wallet", "purse", "balance"], dir.path());
    assert!(balance.status.success(), "{}", stderr(&balance));
    assert!(
        stdout(&balance).contains("`axepool-wallet sweep --mint URL` fills it"),
        "{}",
        stdout(&balance)
    );
}

#[test]
fn a_wrong_log_filter_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let output = wallet(&["--log", "wallet=loud", "key", "show"], dir.path());
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(
        stderr(&output).contains("wallet=loud"),
        "{}",
        stderr(&output)
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
fn words_bring_a_key_back_and_show_says_where_a_key_is_from() {
    let dir = tempfile::tempdir().expect("a directory");
    let key = |wallet_dir: &str, file: &str, what: &[&str]| {
        let named = ["--wallet", wallet_dir, "--key", file, "--no-qr"];
        wallet(&[&["key"], what, &named[..]].concat(), dir.path())
    };
    let npub = |output: &Output| {
        assert!(output.status.success(), "{}", stderr(output));
        word(&stdout(output), "npub").to_owned()
    };
    let made = key("purse", "first.key", &["new"]);
    assert!(stderr(&made).contains("twelve words"), "{}", stderr(&made));
    assert!(stderr(&made).contains("number 0"), "{}", stderr(&made));
    let first = npub(&made);
    // No number is used up for a file that is there.
    let there = key("purse", "first.key", &["new"]);
    assert!(
        stderr(&there).contains("not overwritten"),
        "{}",
        stderr(&there)
    );
    let second = npub(&key("purse", "second.key", &["new"]));
    assert_ne!(first, second);
    let shown = key("purse", "second.key", &["show"]);
    assert!(
        stdout(&shown).starts_with("from words: number 1 of"),
        "{}",
        stdout(&shown)
    );

    // Only the words are left.
    let words = std::fs::read(dir.path().join("purse/mnemonic")).expect("words");
    std::fs::remove_dir_all(dir.path().join("purse")).expect("removes");
    for file in ["first.key", "second.key"] {
        std::fs::remove_file(dir.path().join(file)).expect("removes");
    }
    std::fs::write(dir.path().join("paper"), words).expect("writes");
    let mint = "http://127.0.0.1:1";
    let restore = ["wallet", "--wallet", "new", "--mint", mint, "restore"];
    let restored = wallet(&[&restore[..], &["--words", "paper"]].concat(), dir.path());
    assert!(
        stderr(&restored).contains("cannot be reached"),
        "{restored:?}"
    );
    assert_eq!(npub(&key("new", "again.key", &["new"])), first);
    let number = key("new", "fifth.key", &["new", "--number", "1"]);
    assert_eq!(npub(&number), second);

    // Keys of elsewhere are told apart, and work as before.
    let random = npub(&key("new", "random.key", &["new", "--random"]));
    let shown = key("new", "random.key", &["show"]);
    assert_eq!(npub(&shown), random);
    assert!(
        stdout(&shown).starts_with("random or imported"),
        "{}",
        stdout(&shown)
    );
    let shown = key("elsewhere", "again.key", &["show"]);
    assert!(
        stdout(&shown).contains("but not of the words of a wallet in elsewhere"),
        "{}",
        stdout(&shown)
    );
    assert!(!dir.path().join("elsewhere").exists());
    let large = key("new", "large.key", &["new", "--number", "2147483648"]);
    assert!(
        stderr(&large).contains("the words have no key 2147483648"),
        "{}",
        stderr(&large)
    );
    assert!(!dir.path().join("large.key").exists());
}
