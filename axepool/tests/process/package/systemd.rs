//! The units under a real systemd, where one can be booted.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::{ADDRESS, stderr, stdout};
use crate::package::installed::Installed;

/// The script's status where no systemd can be booted.
const CANNOT: i32 = 125;

#[test]
fn the_units_do_under_a_real_systemd_what_the_guide_says() {
    let installed = Installed::new();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/process/package");
    let dir = tempfile::tempdir().expect("a directory");
    let package = installed.path().join("axepool.deb");
    fs::copy(package, dir.path().join("axepool.deb")).expect("the package");
    fs::copy(sources.join("driver.sh"), dir.path().join("driver.sh")).expect("the driver");
    let config = format!(
        "[pool]\nnetwork = \"regtest\"\ndata_dir = \"/var/lib/axepool\"\n[upstream]\nurls = [\"stratum+tcp://127.0.0.1:9\"]\n\
         address = \"{ADDRESS}\"\n"
    );
    fs::write(dir.path().join("axepool.toml"), config).expect("a config");
    let mut script = Command::new("bash");
    script.arg(sources.join("systemd.sh")).arg(dir.path());
    let output = script.output().expect("bash");
    let read = |name| fs::read_to_string(dir.path().join(name)).unwrap_or_default();
    let told = format!(
        "{}{}{}\n{}",
        stdout(&output),
        stderr(&output),
        read("console"),
        read("log")
    );
    if output.status.code() == Some(CANNOT) {
        println!(
            "NOT TESTED under a systemd, for want of one: {told}\
             repository::deploy::systemd_takes_the_units covers a part"
        );
        return;
    }
    assert!(output.status.success(), "{told}");
    assert!(read("log").ends_with("ALL IS WELL\n"), "{told}");
}
