//! `axepool-demo` as its users meet it: a process with real sockets, a real lightning node
//! and a real Prometheus.

#![allow(
    unreachable_pub,
    missing_docs,
    reason = "a test binary has no users: pub says what its modules share"
)]

mod background;
mod docs;
mod grafana;
mod programs;

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

/// How long anything may take before a test gives up; generous, for loaded machines.
const PATIENCE: Duration = Duration::from_secs(30);

/// A command to its end.
fn demo(args: &[&str], directory: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_axepool-demo"))
        .args(args)
        .current_dir(directory)
        .output()
        .expect("axepool-demo starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
