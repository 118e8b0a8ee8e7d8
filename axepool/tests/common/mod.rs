//! A pool as its own process, as an operator runs it, on free ports of loopback.
//!
//! ```ignore
//! let mut pool = PoolProcess::start(PoolSetup::regtest(upstream.address())).await;
//! pool.wait_ready().await;
//! let bitaxe = device_at(pool.stratum().await);
//! pool.kill();             // as a pulled plug, for the process at least
//! pool.spawn().await;      // the same data directory, other ports
//! ```

// Each test file uses a part of it.
#![allow(dead_code, unreachable_pub)]

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use accounting::{Epoch, EpochId};
use pool::admin::{self, AskError, Miners, Reply, Request, Status};
use tempfile::TempDir;

/// How long anything may take before a test gives up; generous, for loaded machines.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The product's own promise for an orderly stop.
pub const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// A regtest address, from BIP173's example key.
pub const ADDRESS: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";

/// An address of somebody else.
pub const ELSEWHERE: &str = "bcrt1qqgpqyqszqgpqyqszqgpqyqszqgpqyqszazmwwa";

/// What the config file says.
#[derive(Clone, Debug)]
pub struct PoolSetup {
    /// `[pool] network`.
    pub network: &'static str,
    /// `[upstream] address`.
    pub address: &'static str,
    /// Where miners connect; port 0 takes a free one at each start.
    pub listen: SocketAddr,
    /// Where wallets and browsers connect; port 0 takes a free one at each start.
    pub http: SocketAddr,
    /// Further lines of `[http]`, after the listener.
    pub http_lines: String,
    /// A shell's line before the process takes the shell's place: `trap '' XFSZ`.
    pub shell: Option<String>,
    /// Sockets that the test holds and hands in, as a service manager does.
    pub sockets: Option<Arc<HeldSockets>>,
    /// The upstreams, in order of preference.
    pub upstreams: Vec<SocketAddr>,
    /// Further lines of `[upstream]`.
    pub upstream: String,
    /// Further lines of `[stratum]`, after the listener; may open further sections.
    pub stratum: String,
    /// Where the operator's page is; port 0 takes a free one at each start.
    pub operator: SocketAddr,
    /// What is logged.
    pub log: String,
    /// Its log goes into a pipe that nobody reads.
    pub is_log_unread: bool,
}

impl PoolSetup {
    /// A pool on regtest whose miners are slow: difficulties far below 1.
    pub fn regtest(upstream: SocketAddr) -> Self {
        PoolSetup {
            network: "regtest",
            address: ADDRESS,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            http: SocketAddr::from(([127, 0, 0, 1], 0)),
            http_lines: "request_burst_per_address = 1000000\n".to_owned(),
            shell: None,
            sockets: None,
            upstreams: vec![upstream],
            upstream: "backoff_min_ms = 50\nbackoff_max_secs = 1\n".to_owned(),
            stratum: "min_difficulty = 0.0000001\nstart_difficulty = 0.00001\ntarget_shares_per_minute = 300\n".to_owned(),
            operator: SocketAddr::from(([127, 0, 0, 1], 0)),
            log: "info".to_owned(),
            is_log_unread: false,
        }
    }

    /// The config file's text.
    pub fn render(&self) -> String {
        let urls: Vec<_> = self
            .upstreams
            .iter()
            .map(|address| format!("\"stratum+tcp://{address}\""))
            .collect();
        format!(
            "[pool]\nnetwork = \"{}\"\n\
             [metrics]\nlisten = \"127.0.0.1:0\"\n\
             [operator]\nlisten = \"{}\"\n\
             [http]\nlisten = \"{}\"\n{}\n\
             [upstream]\nurls = [{}]\naddress = \"{}\"\n{}\n\
             [stratum]\nlisten = \"{}\"\n{}\n",
            self.network,
            self.operator,
            self.http,
            self.http_lines,
            urls.join(", "),
            self.address,
            self.upstream,
            self.listen,
            self.stratum
        )
    }
}

/// Listening sockets that outlive the processes that serve them.
#[derive(Debug)]
pub struct HeldSockets {
    /// For miners.
    pub stratum: TcpListener,
    /// For the pages and the mint.
    pub http: TcpListener,
}

impl HeldSockets {
    /// The shell's lines that put the sockets, which are its stdin and stdout, where a
    /// service manager would put them.
    const SHELL: &str = "exec 3<&0 4>&1 0</dev/null 1>/dev/null; \
                         export LISTEN_FDS=2 LISTEN_FDNAMES=stratum:http LISTEN_PID=$$";

    fn stdio(socket: &TcpListener) -> Stdio {
        let socket = socket.try_clone().expect("a descriptor");
        Stdio::from(OwnedFd::from(socket))
    }
}

/// A running `axepool run`, killed when dropped.
#[derive(Debug)]
pub struct PoolProcess {
    dir: TempDir,
    setup: PoolSetup,
    child: Option<Child>,
}

impl PoolProcess {
    /// Writes the config and starts the process; it answers at its admin socket.
    pub async fn start(setup: PoolSetup) -> PoolProcess {
        // A unix socket's path is short: the system's own directory, not cargo's.
        let dir = tempfile::tempdir().expect("a directory");
        let mut pool = PoolProcess {
            dir,
            setup,
            child: None,
        };
        pool.spawn().await;
        pool
    }

    /// One that was started otherwise, by a config `axepool.toml` in `dir` and with its
    /// data in `data` and its log in `log` there.
    pub fn of(dir: TempDir, child: Child) -> PoolProcess {
        PoolProcess {
            dir,
            setup: PoolSetup::regtest(SocketAddr::from(([127, 0, 0, 1], 0))),
            child: Some(child),
        }
    }

    /// Starts the process (again), with the config as it is now.
    pub async fn spawn(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        fs::write(self.config_path(), self.setup.render()).expect("the config");
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path())
            .expect("the log");
        let (stdin, stdout) = match self.setup.sockets.as_deref() {
            None => (Stdio::null(), Stdio::null()),
            Some(held) => (
                HeldSockets::stdio(&held.stratum),
                HeldSockets::stdio(&held.http),
            ),
        };
        let child = self
            .program()
            .args(["run", "--config"])
            .arg(self.config_path())
            .env("AXEPOOL_LOG", &self.setup.log)
            .stdin(stdin)
            .stdout(stdout)
            .stderr(if self.setup.is_log_unread {
                Stdio::piped()
            } else {
                log.into()
            })
            .spawn()
            .expect("axepool starts");
        self.child = Some(child);
        self.answers().await;
    }

    /// Waits until it answers at its admin socket. One that ended by itself never will.
    async fn answers(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.try_ask(&Request::Status).await.is_err() {
            let child = self.child.as_mut().expect("just started");
            if let Some(status) = child.try_wait().expect("wait") {
                self.child = None;
                panic!("axepool run ended with {status}");
            }
            assert!(
                Instant::now() < deadline,
                "waited {PATIENCE:?} for its admin socket"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn program(&self) -> Command {
        let axepool = env!("CARGO_BIN_EXE_axepool");
        let held = self.setup.sockets.as_ref().map(|_| HeldSockets::SHELL);
        let lines: Vec<&str> = held
            .into_iter()
            .chain(self.setup.shell.as_deref())
            .collect();
        if lines.is_empty() {
            return Command::new(axepool);
        }
        let line = lines.join("; ");
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{line}; exec \"$0\" \"$@\""), axepool]);
        shell
    }

    /// Changes the setup for the next [`spawn`](Self::spawn).
    pub fn setup(&mut self) -> &mut PoolSetup {
        &mut self.setup
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The config file.
    pub fn config_path(&self) -> PathBuf {
        self.dir.path().join("axepool.toml")
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// All that it logged so far, over all its starts.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Asks at the admin socket.
    pub async fn ask(&self, request: Request) -> Reply {
        self.try_ask(&request)
            .await
            .unwrap_or_else(|error| panic!("{request:?}: {error}"))
    }

    async fn try_ask(&self, request: &Request) -> Result<Reply, AskError> {
        admin::ask(&self.data_dir().join("admin.sock"), request).await
    }

    /// Its status.
    pub async fn status(&self) -> Status {
        match self.ask(Request::Status).await {
            Reply::Status(status) => *status,
            other => panic!("{other:?}"),
        }
    }

    /// Where miners connect.
    pub async fn stratum(&self) -> SocketAddr {
        self.status().await.stratum[0]
    }

    /// Where the metrics are.
    pub async fn metrics(&self) -> SocketAddr {
        self.status().await.metrics[0]
    }

    /// The epochs, oldest first.
    pub async fn epochs(&self) -> Vec<Epoch> {
        match self.ask(Request::Epochs).await {
            Reply::Epochs(told) => told.epochs,
            other => panic!("{other:?}"),
        }
    }

    /// The miners of an epoch; the open one unless named.
    pub async fn miners(&self, epoch: Option<EpochId>) -> Miners {
        match self
            .ask(Request::Miners {
                epoch,
                workers: true,
            })
            .await
        {
            Reply::Miners(miners) => miners,
            other => panic!("{other:?}"),
        }
    }

    /// Closes the open epoch.
    pub async fn close_epoch(&self) -> Epoch {
        match self.ask(Request::CloseEpoch).await {
            Reply::EpochClosed { epoch } => epoch,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until miners are served.
    pub async fn wait_ready(&self) {
        self.poll("readiness", async |pool| {
            pool.status().await.not_ready.is_empty().then_some(())
        })
        .await;
    }

    /// Asks again and again until `look` finds what it looks for.
    pub async fn poll<T>(&self, what: &str, look: impl AsyncFn(&PoolProcess) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look(self).await {
                return found;
            }
            assert!(
                Instant::now() < deadline,
                "waited {PATIENCE:?} for {what}; its log:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Kills it with SIGKILL: nothing of it gets to run any more.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("kill");
        child.wait().expect("wait");
    }

    /// Sends it SIGTERM and waits for its end, which has to come in time.
    pub async fn stop(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        let pid = i32::try_from(child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
            .expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("SIGTERM");
        let deadline = Instant::now() + STOP_DEADLINE + Duration::from_secs(1);
        loop {
            if let Some(status) = child.try_wait().expect("wait") {
                return status;
            }
            if Instant::now() > deadline {
                child.kill().expect("kill");
                panic!(
                    "still running {STOP_DEADLINE:?} after SIGTERM; its log:\n{}",
                    self.log()
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Runs another `axepool` command about this pool.
    pub fn command(&self, args: &[&str]) -> Output {
        self.begin(args).end()
    }

    /// The same without waiting for its end.
    pub fn begin(&self, args: &[&str]) -> Begun {
        let config = self.config_path().display().to_string();
        Begun::new(&[args, &["--config", &config]].concat(), self.dir.path())
    }
}

impl Drop for PoolProcess {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "the log of axepool run:\n{}", self.log());
        }
    }
}

/// A command under way.
#[derive(Debug)]
pub struct Begun(Child);

impl Begun {
    /// Starts the binary in `directory`.
    pub fn new(args: &[&str], directory: &Path) -> Begun {
        let child = Command::new(env!("CARGO_BIN_EXE_axepool"))
            .args(args)
            .current_dir(directory)
            .env_remove("AXEPOOL_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Begun(child.expect("axepool starts"))
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("wait").is_some()
    }

    /// Waits for its end.
    pub fn end(self) -> Output {
        self.0.wait_with_output().expect("wait")
    }
}

/// Runs the binary to its end, in `directory`.
pub fn axepool(args: &[&str], directory: &Path) -> Output {
    Begun::new(args, directory).end()
}

/// What a command wrote to stdout.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a command wrote to stderr.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
