//! A pool without a config, set up in a browser: the page, what it refuses, and the pool that
//! runs afterwards in the same process.

mod earlier;
mod refused;
mod set_up;

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use simnet::chain::{Chain, Mood, SharedChain, SharedMood, serve_in};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::common::{PATIENCE, PoolProcess};
use crate::money::fetch::{Answer, ask_as};
use crate::ocean::now_secs;

/// Where the secret is exchanged for the form.
const ENTER: &str = "/first-run/enter";

/// The line that is printed where the pool waits.
const PRINTED: &str = "Set the pool up in a browser";

/// A process that waits to be set up.
pub(crate) struct Waiting {
    dir: TempDir,
    child: Child,
    address: SocketAddr,
}

/// Keys that leave the ports to the system, and make shares small.
const VARIABLES: [(&str, &str); 6] = [
    ("AXEPOOL__STRATUM__LISTEN", "127.0.0.1:0"),
    ("AXEPOOL__HTTP__LISTEN", "127.0.0.1:0"),
    ("AXEPOOL__METRICS__LISTEN", "127.0.0.1:0"),
    ("AXEPOOL__STRATUM__MIN_DIFFICULTY", "0.0000001"),
    ("AXEPOOL__STRATUM__START_DIFFICULTY", "0.000001"),
    ("AXEPOOL__STRATUM__TARGET_SHARES_PER_MINUTE", "1000"),
];

/// An address with a port that nobody has.
fn free_address() -> SocketAddr {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    taken.local_addr().expect("an address")
}

fn command(dir: &Path, address: SocketAddr, variables: &[(&str, String)]) -> Command {
    let log = File::options()
        .create(true)
        .append(true)
        .open(dir.join("log"))
        .expect("the log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_axepool"));
    command
        .args(["run", "--first-run", &address.to_string(), "--config"])
        .arg(dir.join("axepool.toml"))
        .env("AXEPOOL_LOG", "info")
        .env("AXEPOOL__OPERATOR__LISTEN", address.to_string())
        .env("HOME", dir)
        .envs(VARIABLES)
        .envs(variables.iter().map(|(name, value)| (*name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    command
}

impl Waiting {
    /// Starts it, and waits until its page answers.
    pub(crate) async fn start(variables: &[(&str, String)]) -> Waiting {
        let dir = tempfile::tempdir().expect("a directory");
        let address = free_address();
        let child = command(dir.path(), address, variables)
            .spawn()
            .expect("axepool");
        let waiting = Waiting {
            dir,
            child,
            address,
        };
        let deadline = Instant::now() + PATIENCE;
        while !waiting.log().contains(PRINTED) {
            assert!(Instant::now() < deadline, "{}", waiting.log());
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        waiting
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// The lines that are printed for the person at this machine.
    fn token(&self) -> String {
        let log = self.log();
        let (_, rest) = log.split_once("/first-run?token=").expect("a token");
        rest.chars().take_while(char::is_ascii_hexdigit).collect()
    }

    /// The page that asks for the secret.
    pub(crate) fn page(&self) -> String {
        format!("http://{}/first-run", self.address)
    }

    /// The page, as it is printed for the person at this machine.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/first-run?token={}", self.address, self.token())
    }

    /// Opens the page as a browser does: the form.
    async fn enter(&self) -> String {
        let path = format!("/first-run?token={}", self.token());
        let asked = self.ask("GET", &path, "", "").await;
        assert_eq!(asked.code, 200, "{asked:?}");
        let page = text(&asked);
        let (_, rest) = page
            .split_once("name=\"password\" value=\"")
            .unwrap_or_else(|| panic!("a button: {asked:?}"));
        let token = rest.split('"').next().expect("a value");
        let entered = self.send(ENTER, &[("password", token)]).await;
        assert_eq!(entered.code, 200, "{entered:?}");
        is_without_cookie(&asked);
        is_without_cookie(&entered);
        text(&entered)
    }

    /// The config, which is its owner's alone.
    fn config(&self) -> String {
        let path = self.dir.path().join("axepool.toml");
        let about = fs::metadata(&path).expect("the config");
        assert_eq!(about.permissions().mode() & 0o777, 0o600);
        fs::read_to_string(&path).expect("the config")
    }

    /// The same process as a pool, once it serves miners.
    async fn becomes_a_pool(mut self) -> PoolProcess {
        let nothing = Command::new("true").spawn().expect("a process");
        let child = std::mem::replace(&mut self.child, nothing);
        let empty = tempfile::tempdir().expect("a directory");
        let dir = std::mem::replace(&mut self.dir, empty);
        let pool = PoolProcess::of(dir, child);
        pool.poll("its admin socket", async |pool| {
            pool.data_dir().join("admin.sock").exists().then_some(())
        })
        .await;
        pool.wait_ready().await;
        pool
    }

    fn has_config(&self) -> bool {
        self.dir.path().join("axepool.toml").exists()
    }

    async fn ask(&self, method: &str, path: &str, more: &str, body: &str) -> Answer {
        let host = self.address.to_string();
        ask_as(&host, self.address, (method, path), more, body).await
    }

    /// Sends a form.
    async fn send(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send_with("", path, fields).await
    }

    /// The same with further headers.
    async fn send_with(&self, more: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let (more, body) = encoded(more, fields);
        self.ask("POST", path, &more, &body).await
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn encoded(more: &str, fields: &[(&str, &str)]) -> (String, String) {
    let quoted = |text: &str| -> String {
        let bytes = text.bytes().map(|byte| format!("%{byte:02X}"));
        bytes.collect()
    };
    let pairs = fields.iter();
    let pairs = pairs.map(|(name, value)| format!("{}={}", quoted(name), quoted(value)));
    let body = pairs.collect::<Vec<_>>().join("&");
    let more = format!("{more}Content-Type: application/x-www-form-urlencoded\r\n");
    (more, body)
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// Browsers send a cookie to every port of a host, and so to all of its programs.
#[track_caller]
fn is_without_cookie(answer: &Answer) {
    assert!(!answer.head.contains("set-cookie"), "{answer:?}");
}

/// What every form of the page carries.
fn proof_of(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"proof\" value=\"").expect("a form");
    rest.split('"').next().expect("a value").to_owned()
}

/// The problem that stands beside a field.
#[track_caller]
fn problem(page: &str, field: &str) -> String {
    let begin = format!("<p class=\"problem\" id=\"{field}-problem\">");
    let (_, rest) = page
        .split_once(&begin)
        .unwrap_or_else(|| panic!("nothing beside {field}: {page}"));
    rest.split("</p>").next().expect("its end").to_owned()
}

/// A bitcoind that wants a password.
async fn bitcoind() -> (SocketAddr, SharedMood) {
    let mood = Arc::new(Mutex::new(Mood {
        login: Some("umbrel:s3/cr@t".to_owned()),
        ..Mood::default()
    }));
    let chain = SharedChain::new(Chain::with_faucet(now_secs()));
    let serves = serve_in(chain, Arc::clone(&mood), CancellationToken::new());
    (serves.await.expect("it serves"), mood)
}

/// As Umbrel names its Bitcoin app's.
fn of_home_server(at: SocketAddr) -> Vec<(&'static str, String)> {
    vec![
        ("APP_BITCOIN_NODE_IP", at.ip().to_string()),
        ("APP_BITCOIN_RPC_PORT", at.port().to_string()),
        ("APP_BITCOIN_RPC_USER", "umbrel".to_owned()),
        ("APP_BITCOIN_RPC_PASS", "s3/cr@t".to_owned()),
        ("APP_BITCOIN_NETWORK", "regtest".to_owned()),
    ]
}
