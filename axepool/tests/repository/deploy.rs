//! The files that ship the pool: unit files, container, package. There is no container engine in a
//! test, so what it is given is checked; the units run under a systemd in
//! `process/package/systemd.rs`, where one can be booted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const AXEPOOL: &str = env!("CARGO_BIN_EXE_axepool");

fn top() -> PathBuf {
    let room = Path::new(env!("CARGO_MANIFEST_DIR"));
    room.parent().expect("the workspace").to_owned()
}

#[track_caller]
fn text(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[track_caller]
fn run(command: &mut Command) -> Output {
    let output = command.output();
    output.unwrap_or_else(|error| panic!("{command:?} (scripts/setup.sh test): {error}"))
}

/// Systemd's own reading of the units, with the binary of this build in them.
#[test]
fn systemd_takes_the_units() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut units = Vec::new();
    for entry in fs::read_dir(top().join("deploy/systemd")).expect("the units") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_owned();
        let unit = fs::read_to_string(&path).expect("a unit");
        let unit = unit.replace("/usr/bin/axepool", AXEPOOL);
        let copy = dir.path().join(name);
        fs::write(&copy, unit).expect("written");
        units.push(copy);
    }
    assert_eq!(units.len(), 5, "{units:?}");
    let output = run(Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .args(&units));
    let told = String::from_utf8_lossy(&output.stderr);
    // The documentation is where the package puts it.
    let of_ours: Vec<_> = told
        .lines()
        .filter(|line| line.contains("axepool"))
        .collect();
    assert!(output.status.success() && of_ours.is_empty(), "{told}");
}

#[test]
fn the_service_is_confined() {
    let unit = top().join("deploy/systemd/axepool.service");
    let output = run(Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=20", "--no-pager"])
        .arg(unit));
    let told = String::from_utf8_lossy(&output.stdout);
    // The threshold is in tenths of systemd's own exposure level, of ten.
    assert!(output.status.success(), "{told}");
}

/// What a rush of strangers' connections took is used again: docs/decisions/0022.
#[test]
fn memory_is_given_to_few_arenas() {
    let unit = text("deploy/systemd/axepool.service");
    assert!(unit.contains("\nEnvironment=MALLOC_ARENA_MAX=2\n"));
    let recipe = text("deploy/container/Containerfile");
    let (_, image) = recipe.rsplit_once("\nFROM ").expect("a second stage");
    assert!(image.contains("\nENV MALLOC_ARENA_MAX=2\n"));
}

/// An image cannot be built here, but it cannot be built from what is not there either.
#[test]
fn the_image_is_made_of_what_is_there() {
    let recipe = text("deploy/container/Containerfile");
    let toolchain = text("rust-toolchain.toml");
    let channel = toolchain
        .lines()
        .find_map(|line| line.strip_prefix("channel = \"")?.strip_suffix('"'))
        .expect("a channel");
    assert!(
        recipe.contains(&format!(" rust:{channel}-")),
        "the compiler of rust-toolchain.toml, {channel}, is in the image"
    );
    for line in recipe.lines() {
        let mut words = line.split_whitespace();
        if words.next() != Some("COPY") {
            continue;
        }
        let sources: Vec<_> = words.collect();
        if sources.iter().any(|word| word.starts_with("--from=")) {
            continue;
        }
        for source in &sources[..sources.len() - 1] {
            assert!(top().join(source).exists(), "{line}");
        }
    }
    assert!(recipe.contains("\nUSER 10001"), "not as root");
    assert!(top().join("deploy/container/build.sh").exists());
    let health = recipe.split("HEALTHCHECK").nth(1).expect("a health check");
    let health = health.split("CMD ").nth(1).expect("a command");
    let command: Vec<String> =
        serde_json::from_str(health.lines().next().expect("a line")).expect("a list");
    takes_arguments(&command[1..]);
}

/// One image for both processors: each has its target of the compiler and its cross compiler.
#[test]
fn the_image_is_for_both_processors() {
    let recipe = text("deploy/container/Containerfile");
    assert!(
        recipe.contains("FROM --platform=$BUILDPLATFORM "),
        "emulated"
    );
    assert!(recipe.contains("deploy/container/build.sh \"$TARGETARCH\""));
    let script = top().join("deploy/container/build.sh");
    let checked = run(Command::new("sh").arg("-n").arg(&script));
    assert!(checked.status.success(), "{checked:?}");
    let deny = text("deny.toml");
    let build = text("deploy/container/build.sh");
    for (arch, target, other, compiler) in [
        (
            "amd64",
            "x86_64-unknown-linux-gnu",
            "arm64",
            "gcc-x86-64-linux-gnu",
        ),
        (
            "arm64",
            "aarch64-unknown-linux-gnu",
            "amd64",
            "gcc-aarch64-linux-gnu",
        ),
    ] {
        assert!(
            build.contains(&format!("{arch}) target={target} ")),
            "{arch}"
        );
        assert!(
            recipe.contains(&format!("{other}-{arch}) apt-get")),
            "{arch}"
        );
        assert!(recipe.contains(compiler), "{compiler}");
        assert!(deny.contains(target), "{target} is checked by cargo-deny");
    }
    let other = run(Command::new("sh").arg(&script).args(["riscv64", "out"]));
    assert_eq!(other.status.code(), Some(2), "{other:?}");
}

/// What compose hands to its services is there, and its variables are keys of the config.
#[test]
fn compose_hands_in_what_is_there() {
    let compose = text("deploy/container/compose.yml");
    let mut binds = 0;
    for line in compose.lines() {
        let Some(bind) = line.trim().strip_prefix("- .") else {
            continue;
        };
        let source = bind.split(':').next().expect("a source");
        let source = top().join("deploy/container").join(format!(".{source}"));
        assert!(source.exists(), "{line}");
        binds += 1;
    }
    assert!(
        binds >= 4,
        "Prometheus and Grafana get their files: {binds}"
    );

    let variables = compose.lines().filter_map(|line| {
        let (name, value) = line.trim().split_once(": ")?;
        name.starts_with("AXEPOOL__")
            .then(|| (name, value.trim_matches('"')))
    });
    let dir = tempfile::tempdir().expect("a directory");
    let address = "address = \"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4\"";
    fs::write(
        dir.path().join("axepool.toml"),
        format!("[upstream]\n{address}\n"),
    )
    .expect("a config");
    let output = run(Command::new(AXEPOOL)
        .arg("check-config")
        .current_dir(dir.path())
        .envs(variables));
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        told.contains("0.0.0.0:9332") && told.contains("/var/lib/axepool"),
        "{told}"
    );
}

/// A command line that clap does not know ends with 2.
#[track_caller]
fn takes_arguments(arguments: &[String]) {
    let dir = tempfile::tempdir().expect("a directory");
    let output = run(Command::new(AXEPOOL)
        .args(arguments)
        .current_dir(dir.path())
        .env("HOME", dir.path()));
    assert_ne!(
        output.status.code(),
        Some(2),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
