//! Files of the installation in YAML, read by Python's parser: the pool itself reads none.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The file at `path` from the top of the repository.
#[track_caller]
pub(crate) fn read(path: &str) -> Value {
    let script = "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)";
    let file = top().join(path);
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(&file)
        .output();
    let output = output.unwrap_or_else(|error| panic!("python3 (scripts/setup.sh test): {error}"));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{path}: {told}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The top of the repository.
pub(crate) fn top() -> PathBuf {
    let room = Path::new(env!("CARGO_MANIFEST_DIR"));
    room.parent().expect("the workspace").to_owned()
}
