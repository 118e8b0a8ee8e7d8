//! From the Debian package to a running pool, by the commands of the operator's guide.
//!
//! The package is unpacked beside the system instead of into it, so the guide's places
//! are others here; nothing else of its commands is changed.

// Only a part of it is used here.
mod common;
#[path = "common/world.rs"]
#[allow(dead_code, unreachable_pub)]
mod world;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use common::{ADDRESS, PATIENCE, STOP_DEADLINE, stderr, stdout};
use world::{bitaxe, earns, key, ocean};

/// What a fresh install is told for a machine of tests: free ports, and shares that a
/// simulated device finds.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("AXEPOOL__STRATUM__LISTEN", "127.0.0.1:0"),
    ("AXEPOOL__HTTP__LISTEN", "127.0.0.1:0"),
    ("AXEPOOL__METRICS__LISTEN", "127.0.0.1:0"),
    ("AXEPOOL__STRATUM__MIN_DIFFICULTY", "0.0000001"),
    ("AXEPOOL__STRATUM__START_DIFFICULTY", "0.000001"),
];

fn top() -> PathBuf {
    let room = Path::new(env!("CARGO_MANIFEST_DIR"));
    room.parent().expect("the workspace").to_owned()
}

#[track_caller]
fn done(command: &mut Command) -> Output {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", stderr(&output));
    output
}

/// The package, unpacked below a directory.
struct Installed {
    dir: tempfile::TempDir,
}

impl Installed {
    /// Packs the binary of this build as `make package` does with one of a release.
    fn new() -> Installed {
        // A unix socket's path is short: the system's own directory, not cargo's.
        let dir = tempfile::tempdir().expect("a directory");
        let target = dir.path().join("target");
        fs::create_dir_all(target.join("release")).expect("a directory");
        fs::copy(
            env!("CARGO_BIN_EXE_axepool"),
            target.join("release/axepool"),
        )
        .expect("the binary");
        let package = dir.path().join("axepool.deb");
        done(
            Command::new("cargo")
                .args(["deb", "--no-build", "--no-strip", "--fast", "-p", "axepool"])
                .arg("--output")
                .arg(&package)
                .env("CARGO_TARGET_DIR", &target)
                .current_dir(top()),
        );
        done(
            Command::new("dpkg-deb")
                .arg("-x")
                .arg(&package)
                .arg(dir.path().join("root")),
        );
        done(
            Command::new("dpkg-deb")
                .arg("-e")
                .arg(&package)
                .arg(dir.path().join("control")),
        );
        fs::create_dir_all(dir.path().join("etc")).expect("a directory");
        Installed { dir }
    }

    fn root(&self, path: &str) -> PathBuf {
        self.dir.path().join("root").join(path)
    }

    /// A path of the guide's, as it is here.
    fn place(&self, text: &str) -> String {
        let here = self.dir.path().display();
        text.replace("/etc/axepool", &format!("{here}/etc"))
            .replace("/var/lib/axepool", &format!("{here}/var"))
    }

    /// A command line that begins with `axepool`.
    fn command(&self, line: &str) -> Command {
        let line = self.place(line);
        let mut words = line.split_whitespace();
        assert!(words.next().is_some_and(|word| word.ends_with("axepool")));
        let mut command = Command::new(self.root("usr/bin/axepool"));
        command
            .args(words)
            .envs(ENVIRONMENT)
            .current_dir(self.dir.path());
        command
    }
}

/// The guide's command that begins so.
#[track_caller]
fn guide(begin: &str) -> String {
    let text = fs::read_to_string(top().join("docs/operator.md")).expect("the guide");
    let found = text
        .lines()
        .filter_map(|line| line.strip_prefix("sudo -u axepool "))
        .find(|line| line.starts_with(begin));
    found
        .unwrap_or_else(|| panic!("the guide has no command `{begin}`"))
        .to_owned()
}

/// What systemd starts.
fn service_command(installed: &Installed) -> String {
    let unit = installed.root("usr/lib/systemd/system/axepool.service");
    let unit = fs::read_to_string(unit).expect("the unit");
    let line = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    line.expect("a command").to_owned()
}

struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The next word to the service manager.
#[track_caller]
fn hears(ear: &UnixDatagram) -> String {
    let mut buffer = [0; 256];
    let length = ear.recv(&mut buffer).expect("a word in time");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[test]
fn the_package_has_all_that_the_guide_speaks_of() {
    let installed = Installed::new();
    for path in [
        "usr/lib/systemd/system/axepool.service",
        "usr/lib/systemd/system/axepool-stratum.socket",
        "usr/lib/systemd/system/axepool-http.socket",
        "usr/share/axepool/axepool.example.toml",
        "usr/share/axepool/ldk-node-config/mainnet.toml",
        "usr/share/axepool/grafana/prometheus/prometheus.yml",
        "usr/share/axepool/grafana/dashboards/pool.json",
        "usr/share/doc/axepool/operator.md",
        "usr/share/doc/axepool/copyright",
    ] {
        assert!(installed.root(path).exists(), "{path}");
    }
    let binary = fs::metadata(installed.root("usr/bin/axepool")).expect("the binary");
    assert_eq!(binary.permissions().mode() & 0o7777, 0o755);
    for script in ["postinst", "prerm", "postrm"] {
        let script = installed.dir.path().join("control").join(script);
        done(Command::new("sh").arg("-n").arg(script));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_operator_gets_from_the_package_to_a_pool_that_earns() {
    let ocean = ocean(|_| {}).await;
    let installed = Installed::new();

    let init = guide("axepool init");
    let upstream = format!("stratum+tcp://{}", ocean.address());
    done(installed.command(&init).args([
        "--yes",
        "--network",
        "regtest",
        "--upstream",
        &upstream,
        "--address",
        ADDRESS,
        "--lightning",
        "false",
    ]));
    let checked = done(&mut installed.command(&guide("axepool check-config")));
    assert!(stdout(&checked).contains(ADDRESS), "{}", stdout(&checked));

    let ear_path = installed.dir.path().join("notify");
    let ear = UnixDatagram::bind(&ear_path).expect("a socket");
    ear.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let log = fs::File::create(installed.dir.path().join("log")).expect("a file");
    let mut command = installed.command(&service_command(&installed));
    let service = command.env("NOTIFY_SOCKET", &ear_path).stderr(log).spawn();
    let mut service = Service(service.expect("the service starts"));
    assert_eq!(hears(&ear), "READY=1");

    let status = guide("axepool status");
    let stratum = within(PATIENCE, || {
        let told = installed.command(&status).output().expect("it runs");
        let told = stdout(&told);
        told.lines()
            .find_map(|line| line.strip_prefix("stratum")?.trim().parse().ok())
    });
    let owner = key(1);
    let device = bitaxe(stratum, &owner, |_| {});
    earns(&device, 3).await;
    device.stop().await;

    let config = "/etc/axepool/axepool.toml";
    done(&mut installed.command(&format!("axepool health --ready --config {config}")));
    let miners = done(&mut installed.command(&format!("axepool miners --config {config}")));
    assert!(
        stdout(&miners).contains(&owner.npub[..12]),
        "{}",
        stdout(&miners)
    );

    let pid = rustix::process::Pid::from_child(&service.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a signal");
    assert_eq!(hears(&ear), "STOPPING=1");
    let ended = within(STOP_DEADLINE, || service.0.try_wait().expect("a child"));
    assert!(ended.success(), "{ended}");
}

/// Asks until there is an answer.
#[track_caller]
fn within<T>(time: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < time, "not within {time:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
