//! `axepool init` as a new operator meets it: lines at its standard input, or options.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::common::{axepool, stderr, stdout};

const ADDRESS: &str = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";

fn answering(lines: &str, directory: &Path) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_axepool"))
        .arg("init")
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("axepool starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(lines.as_bytes()).expect("it listens");
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

fn check(directory: &Path) -> String {
    let checked = axepool(&["check-config"], directory);
    assert!(checked.status.success(), "{}", stderr(&checked));
    stdout(&checked)
}

#[test]
fn answers_become_a_config_that_is_never_overwritten() {
    let dir = tempfile::tempdir().expect("a directory");
    let lines = format!("n\n\nbc1qmistyped\n{ADDRESS}\ny\nhttps://pool.example\n");
    let output = answering(&lines, dir.path());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("not a bitcoin address"),
        "{}",
        stderr(&output)
    );
    assert!(
        stdout(&output).contains("axepool run"),
        "{}",
        stdout(&output)
    );
    let path = dir.path().join("axepool.toml");
    let mode = std::fs::metadata(&path)
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let printed = check(dir.path());
    for line in [
        &format!("address = \"{ADDRESS}\"\n"),
        "split = \"tides\"\n",
        "public_url = \"https://pool.example\"\n",
        "fee_bps = 0  # default\n",
    ] {
        assert!(printed.contains(line), "{line}: {printed}");
    }

    let before = std::fs::read(&path).expect("the config");
    let again = answering(&lines, dir.path());
    assert_eq!(again.status.code(), Some(1));
    assert!(
        stderr(&again).contains("is there already"),
        "{}",
        stderr(&again)
    );
    assert_eq!(std::fs::read(&path).expect("the config"), before);
}

#[test]
fn an_interrupted_dialogue_writes_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let output = answering("y\n", dir.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("nothing was written"),
        "{}",
        stderr(&output)
    );
    assert_eq!(
        std::fs::read_dir(dir.path()).expect("a directory").count(),
        0
    );
}

#[test]
fn with_a_node_the_address_comes_afterwards() {
    let dir = tempfile::tempdir().expect("a directory");
    let args = [
        "init",
        "--yes",
        "--lightning",
        "true",
        "--chain",
        "http://me:secret@127.0.0.1:8332",
    ];
    let output = axepool(&args, dir.path());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stdout(&output).contains("axepool address"),
        "{}",
        stdout(&output)
    );
    assert!(dir.path().join("ldk-node-config/mainnet.toml").exists());
    // The node's settings do, but there is no address yet.
    let unfinished = axepool(&["check-config"], dir.path());
    assert!(
        stderr(&unfinished).contains("1 problem"),
        "{}",
        stderr(&unfinished)
    );
    let address = axepool(&["address", "--no-qr"], dir.path());
    assert!(address.status.success(), "{}", stderr(&address));
    let path = dir.path().join("axepool.toml");
    let text = std::fs::read_to_string(&path).expect("the config");
    std::fs::write(&path, text.replace("bc1...", stdout(&address).trim())).expect("writes");
    let printed = check(dir.path());
    assert!(printed.contains("http://***@127.0.0.1:8332"), "{printed}");
}

#[test]
fn options_that_do_not_do_are_told() {
    #[track_caller]
    fn case(options: &[&str], said: &str) {
        let dir = tempfile::tempdir().expect("a directory");
        let output = axepool(&[&["init", "--yes"], options].concat(), dir.path());
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
        assert!(!dir.path().join("axepool.toml").exists());
    }
    case(&[], "upstream.address is needed");
    case(&["--address", "bc1qmistyped"], "not a bitcoin address");
    case(
        &["--address", ADDRESS, "--public-url", "http://192.0.2.1"],
        "neither https nor an onion service",
    );
    case(
        &["--address", ADDRESS, "--lightning", "true"],
        "chain.url is needed",
    );
}

#[test]
fn the_environment_goes_before_the_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let made = axepool(&["init", "--yes", "--address", ADDRESS], dir.path());
    assert!(made.status.success(), "{}", stderr(&made));
    let checked = |name: &str, value: &str| {
        Command::new(env!("CARGO_BIN_EXE_axepool"))
            .arg("check-config")
            .current_dir(dir.path())
            .env(name, value)
            .output()
            .expect("axepool starts")
    };
    let good = checked("AXEPOOL__PAYOUT__FEE_BPS", "150");
    let line = "fee_bps = 150  # from AXEPOOL__PAYOUT__FEE_BPS\n";
    assert!(stdout(&good).contains(line), "{}", stdout(&good));
    let bad = checked("AXEPOOL__PAYOUT__FEE_BP", "150");
    assert_eq!(bad.status.code(), Some(1));
    let said = "did you mean AXEPOOL__PAYOUT__FEE_BPS?";
    assert!(stderr(&bad).contains(said), "{}", stderr(&bad));
}
