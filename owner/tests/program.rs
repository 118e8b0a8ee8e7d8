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
    let made = wallet(&["key", "new", "--key", "miner.key"], dir.path());
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
