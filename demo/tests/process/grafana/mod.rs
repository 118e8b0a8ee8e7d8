//! What an operator sees: the dashboards and rules of `grafana/` and `docs/metrics.md`, held
//! to a pool that does everything, through a real Prometheus (Debian's, which
//! `scripts/setup.sh test` installs).

#[path = "../../../../axepool/tests/process/grafana/dashboards.rs"]
mod dashboards;
mod page;
#[path = "../../../../axepool/tests/process/grafana/server.rs"]
#[allow(dead_code, reason = "the pool's tests use the rest of it")]
mod server;

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use pool::admin::{self, Reply, Request, Status};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::background::Background;
use crate::grafana::dashboards::Query;
use crate::grafana::server::{CLOCK, NO_BACKUP, PATIENCE, Server};

fn top() -> &'static Path {
    let room = Path::new(env!("CARGO_MANIFEST_DIR"));
    room.parent().expect("the workspace")
}

/// A file of the tree.
fn tree(path: &str) -> String {
    server::read(top(), path)
}

/// The body of the answer to a GET.
async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connect");
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("write");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");
    answer.split_once("\r\n\r\n").expect("a body").1.to_owned()
}

/// The status of the pool with this data directory, as soon as it answers.
async fn status(data_dir: &Path) -> Status {
    let begun = Instant::now();
    loop {
        match admin::ask(&data_dir.join("admin.sock"), &Request::Status).await {
            Ok(Reply::Status(status)) => return *status,
            other => assert!(begun.elapsed() < PATIENCE, "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_panel_and_every_rule_answers_on_a_running_pool() {
    let dir = tempfile::tempdir().expect("a directory");
    let args = "--miners 5 --blocks 3 --seconds 4 --keep-running --data-dir data";
    let args: Vec<&str> = args.split(' ').collect();
    let mut demo = Background::start(&args, dir.path());
    let pool = status(&dir.path().join("data")).await;
    let (metrics, http) = (pool.metrics[0], pool.http[0]);
    // A look at the books every ten seconds may be wrong once, in the middle of a payout.
    let server = Server::start(top(), &[metrics], Duration::from_secs(20)).await;
    while !demo.line().contains("until Ctrl-C") {}

    let rules = server.rules().await;
    let mut queries = dashboards::queries(top());
    assert!(rules.len() > 20 && queries.len() > 100);
    queries.extend(rules.iter().map(|(name, expr)| Query {
        place: format!("rule {name}"),
        expr: dashboards::always_answering(expr),
    }));
    let visitor = async || {
        for path in ["/", "/api/epochs", "/v1/info", "/v1/keys", "/nowhere"] {
            get(http, path).await;
        }
    };
    server.answers_all(queries, visitor).await;
    let text = get(metrics, "/metrics").await;
    page::is_complete(&text);
    page::is_well_formed(&text);

    let firing = server.firing_when(|firing| firing.contains(CLOCK)).await;
    let expected = [CLOCK, NO_BACKUP].map(|name| (name.to_owned(), metrics.to_string()));
    let false_alarms: Vec<_> = firing
        .0
        .iter()
        .filter(|(name, _)| !expected.iter().any(|(right, _)| right == name))
        .collect();
    assert_eq!(false_alarms, Vec::<&(String, String)>::new());
    let (_, code) = demo.interrupt();
    assert_eq!(code, Some(0));
}
