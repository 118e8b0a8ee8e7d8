//! The commands as a person types them.

use crate::common::{axepool, stderr, stdout};

const CONFIG: &str = "[upstream]\naddress = \"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4\"\n";

#[test]
fn help_lists_the_commands() {
    let dir = tempfile::tempdir().unwrap();
    let help = stdout(&axepool(&["--help"], dir.path()));
    for command in [
        "run",
        "check-config",
        "status",
        "epochs",
        "miners",
        "payouts",
        "suspense",
        "fee",
        "audit",
        "mint",
        "node",
        "address",
        "offer",
        "ocean-sign",
        "init",
        "health",
        "log",
        "backup",
        "restore",
        "wind-down",
        "notices",
        "key",
        "sweep",
        "wallet",
    ] {
        assert!(
            help.contains(&format!("\n  {command} ")),
            "{command} is missing:\n{help}"
        );
    }
}

#[test]
fn what_is_a_program_of_its_own_now_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for (typed, now) in [
        (&["demo", "--miners", "3"][..], "axepool-demo --miners 3"),
        (&["demo", "--help"], "axepool-demo --help"),
        (&["sim", "pool"], "axepool-demo sim pool"),
        (&["load"], "axepool-demo load"),
    ] {
        let output = axepool(typed, dir.path());
        assert_eq!(output.status.code(), Some(1), "{typed:?}");
        let said = stderr(&output);
        assert!(said.trim_end().ends_with(now), "{said}");
    }
}

#[test]
fn check_config_prints_a_config() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("axepool.toml"), CONFIG).unwrap();
    let output = axepool(&["check-config"], dir.path());
    assert!(output.status.success(), "{}", stderr(&output));
    let printed = stdout(&output);
    assert!(
        printed.contains("listen = [\"0.0.0.0:3333\"]  # default"),
        "{printed}"
    );
    std::fs::write(dir.path().join("again.toml"), &printed).unwrap();
    let again = axepool(&["check-config", "--config", "again.toml"], dir.path());
    assert_eq!(stdout(&again), printed.replace("  # default", ""));
}

#[test]
fn check_config_warns_of_quotes_for_the_shares_of_strangers() {
    let warns = |stratum: &str, per: &str| {
        let dir = tempfile::tempdir().unwrap();
        let text =
            format!("{CONFIG}[stratum]\nlisten = \"{stratum}\"\n[mint]\nquote_per = \"{per}\"\n");
        std::fs::write(dir.path().join("axepool.toml"), text).unwrap();
        let output = axepool(&["check-config"], dir.path());
        assert!(output.status.success(), "{}", stderr(&output));
        stderr(&output).contains("quote_per")
    };
    assert!(warns("0.0.0.0:3333", "share"));
    assert!(warns("203.0.113.5:3333", "share"));
    assert!(!warns("192.168.1.5:3333", "share"));
    assert!(!warns("[::1]:3333", "share"));
    assert!(!warns("0.0.0.0:3333", "epoch"));
}

#[test]
fn check_config_tells_every_problem_and_fails() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("axepool.toml"),
        "[upstream]\nadress = \"x\"\n[payout]\nfee_bps = 20000\n",
    )
    .unwrap();
    let output = axepool(&["check-config"], dir.path());
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    for part in [
        "3 problems",
        "upstream.address: missing",
        "did you mean address?",
        "payout.fee_bps = 20000",
    ] {
        assert!(said.contains(part), "{part:?} is missing:\n{said}");
    }
    assert_eq!(stdout(&output), "");
}

#[test]
fn a_missing_config_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    // A service manager does not start `run` again after 78 (EX_CONFIG).
    for (command, status) in [("run", 78), ("check-config", 1), ("epochs", 1)] {
        let output = axepool(&[command], dir.path());
        assert_eq!(output.status.code(), Some(status), "{command}");
        let said = stderr(&output);
        assert!(
            said.contains("axepool.toml: 1 problem\n  cannot be read")
                && said.contains("write one"),
            "{said}"
        );
    }
}

#[test]
fn a_config_that_cannot_work_ends_with_the_status_that_the_unit_names() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("axepool.toml"),
        "[upstream]\nadress = \"x\"\n",
    )
    .unwrap();
    let output = axepool(&["run"], dir.path());
    let unit = include_str!("../../../deploy/systemd/axepool.service");
    let status = unit
        .lines()
        .find_map(|line| line.strip_prefix("RestartPreventExitStatus="))
        .expect("the unit names a status");
    assert_eq!(output.status.code(), status.parse().ok());
    assert!(stderr(&output).contains("did you mean address?"));
}

/// Another try would end in the same way.
#[test]
fn a_data_dir_that_cannot_be_made_ends_with_the_same_status() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    for data_dir in ["file", "file/data"] {
        let config = format!("{CONFIG}[pool]\ndata_dir = \"{data_dir}\"\n");
        std::fs::write(dir.path().join("axepool.toml"), config).unwrap();
        let output = axepool(&["run"], dir.path());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains("error: pool.data_dir "), "{said}");
        assert!(said.contains("cannot be made"), "{said}");
    }
}

/// The usual result of `sudo nano` on the packaged config: the file is there, and closed to
/// the user that runs the pool.
#[test]
fn a_config_that_may_not_be_read_is_told_from_one_that_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    // Root may read everything, so a directory stands in where the test runs as root.
    let output = axepool(&["check-config", "--config", "."], dir.path());
    let said = stderr(&output);
    assert!(
        said.contains("name the file itself") && !said.contains("write one"),
        "{said}"
    );
}

#[test]
fn a_wrong_log_filter_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let output = axepool(&["check-config", "--log", "proxy=loud"], dir.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("is no level"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn status_says_that_nothing_runs() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("axepool.toml"), CONFIG).unwrap();
    let output = axepool(&["status"], dir.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("no running axepool answers at"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn epochs_of_no_ledger_is_an_error_and_makes_none() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("axepool.toml"), CONFIG).unwrap();
    for command in [
        &["epochs"][..],
        &["miners"],
        &["miners", "suspect"],
        &["epochs", "close"],
    ] {
        let output = axepool(command, dir.path());
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        assert!(
            stderr(&output).contains("there is no ledger at"),
            "{command:?}: {}",
            stderr(&output)
        );
    }
    assert!(!dir.path().join("data").exists());
}
