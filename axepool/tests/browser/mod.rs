//! Runs the scripts beside this file.

use std::path::Path;

use serde_json::Value;
use tokio::process::Command;

/// Runs a script with what it is `asked`; what it reports.
///
/// # Panics
/// It fails, with all that it said.
pub(crate) async fn script(name: &str, asked: &Value) -> Value {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    assert!(
        dir.join("node_modules/playwright-core").is_dir(),
        "what drives the browser is not installed: npm ci --prefix axepool/tests/browser \
         (make test does it)"
    );
    // Debian's node may be too old for what drives the browser; npm brings another, except
    // on processors that it has none for.
    let brought = dir.join("node_modules/.bin/node");
    let node = if brought.is_file() {
        brought.as_path()
    } else {
        Path::new("node")
    };
    let output = Command::new(node)
        .arg(name)
        .arg(asked.to_string())
        .current_dir(&dir)
        .kill_on_drop(true)
        .output()
        .await
        .expect("node runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {said}\n{complained}");
    let report = said.trim().lines().last().unwrap_or_default();
    serde_json::from_str(report).unwrap_or_else(|error| panic!("{name}: {error}: {said}"))
}
