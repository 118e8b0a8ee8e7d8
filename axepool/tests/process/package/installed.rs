//! The package, unpacked, and the guide's commands with it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};

use tempfile::TempDir;

use crate::common::{PoolProcess, stderr};

/// What a fresh install is told for a machine of tests: free ports, shares that a simulated
/// device finds, and pages that a test may look at again and again.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("AXEPOOL__STRATUM__LISTEN", "127.0.0.1:0"),
    ("AXEPOOL__HTTP__LISTEN", "127.0.0.1:0"),
    ("AXEPOOL__HTTP__REQUEST_BURST_PER_ADDRESS", "1000000"),
    ("AXEPOOL__METRICS__LISTEN", "127.0.0.1:0"),
    ("AXEPOOL__STRATUM__MIN_DIFFICULTY", "0.0000001"),
    ("AXEPOOL__STRATUM__START_DIFFICULTY", "0.000001"),
];

/// Where a guide's path is here. As [`PoolProcess`] has it, for whom it becomes one.
const PLACES: [(&str, &str); 3] = [
    ("/etc/axepool", ""),
    ("/var/lib/axepool-backups", "/backups"),
    ("/var/lib/axepool", "/data"),
];

fn top() -> PathBuf {
    let room = Path::new(env!("CARGO_MANIFEST_DIR"));
    room.parent().expect("the workspace").to_owned()
}

#[track_caller]
pub(crate) fn done(command: &mut Command) -> Output {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", stderr(&output));
    output
}

/// The package, unpacked below a directory.
pub(crate) struct Installed {
    /// Who has the directory removed in the end; a process that runs in it.
    dir: Option<TempDir>,
    path: PathBuf,
    /// What the operator sets besides.
    environment: Vec<(String, String)>,
}

impl Installed {
    /// Packs the binary of this build as `make package` does with one of a release.
    pub(crate) fn new() -> Installed {
        // A unix socket's path is short: the system's own directory, not cargo's.
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().to_owned();
        let target = path.join("target");
        fs::create_dir_all(target.join("release")).expect("a directory");
        let binary = env!("CARGO_BIN_EXE_axepool");
        fs::copy(binary, target.join("release/axepool")).expect("the binary");
        // A file in its place: the other program is of another room, whose binary this test
        // cannot be sure of, and nothing here starts it.
        fs::copy(binary, target.join("release/axepool-demo")).expect("the binary");
        let package = path.join("axepool.deb");
        done(
            Command::new("cargo")
                .args(["deb", "--no-build", "--no-strip", "--fast", "-p", "axepool"])
                .arg("--output")
                .arg(&package)
                .env("CARGO_TARGET_DIR", &target)
                .current_dir(top()),
        );
        for (option, into) in [("-x", "root"), ("-e", "control")] {
            let mut unpack = Command::new("dpkg-deb");
            done(unpack.arg(option).arg(&package).arg(path.join(into)));
        }
        // As the package's script does.
        fs::create_dir(path.join("backups")).expect("a directory");
        Installed {
            dir: Some(dir),
            path,
            environment: Vec::new(),
        }
    }

    /// Where it is unpacked.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What it has at this path of the system.
    pub(crate) fn root(&self, path: &str) -> PathBuf {
        self.path.join("root").join(path)
    }

    /// Sets a key from now on.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.environment.push((name.to_owned(), value.into()));
    }

    /// A text of the guide's, with its places as they are here.
    fn placed(&self, text: &str) -> String {
        let here = self.path.display();
        PLACES.iter().fold(text.to_owned(), |text, (there, below)| {
            text.replace(there, &format!("{here}{below}"))
        })
    }

    /// A command line that begins with `axepool`.
    pub(crate) fn command(&self, line: &str) -> Command {
        let line = self.placed(line);
        let mut words = line.split_whitespace();
        assert!(words.next().is_some_and(|word| word.ends_with("axepool")));
        let mut command = Command::new(self.root("usr/bin/axepool"));
        let set = self.environment.iter().map(|(name, value)| (name, value));
        command
            .args(words)
            .envs(ENVIRONMENT)
            .envs(set)
            .current_dir(&self.path);
        command
    }

    /// The guide's command that begins so.
    #[track_caller]
    pub(crate) fn guide(&self, begin: &str) -> Command {
        let text = fs::read_to_string(self.root("usr/share/doc/axepool/operator.md"));
        let text = text.expect("the guide");
        let found = text
            .lines()
            .filter_map(|line| line.strip_prefix("sudo -u axepool "))
            .find(|line| line.starts_with(begin));
        let found = found.unwrap_or_else(|| panic!("the guide has no command `{begin}`"));
        self.command(found)
    }

    /// What systemd starts.
    pub(crate) fn service(&self) -> Command {
        let unit = self.root("usr/lib/systemd/system/axepool.service");
        let unit = fs::read_to_string(unit).expect("the unit");
        let line = unit
            .lines()
            .find_map(|line| line.strip_prefix("ExecStart="));
        let mut command = self.command(line.expect("a command"));
        command.stderr(File::create(self.path.join("log")).expect("a file"));
        command
    }

    /// The service, as other tests know a pool. It has the directory removed.
    pub(crate) fn runs(&mut self, service: Child) -> PoolProcess {
        PoolProcess::of(self.dir.take().expect("it runs once"), service)
    }
}
