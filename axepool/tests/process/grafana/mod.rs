//! What an operator sees and is woken by: `grafana/` and `docs/metrics.md` against running
//! pools, through a real Prometheus (Debian's, which `scripts/setup.sh test` installs).

pub mod dashboards;
mod page;
pub mod server;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::background::Background;
use crate::common::{PoolProcess, stderr, stdout};
use crate::grafana::dashboards::Query;
use crate::grafana::server::{CLOCK, Firing, NO_BACKUP, PATIENCE, Server};
use crate::world::{NO_SIGNAL, bitaxe, earns, get, key, limit, ocean, pool};
use axepool::admin::{self, Reply, Request, Status};

fn top() -> &'static Path {
    let room = Path::new(env!("CARGO_MANIFEST_DIR"));
    room.parent().expect("the workspace")
}

/// A file of the tree.
fn tree(path: &str) -> String {
    server::read(top(), path)
}

fn promtool(args: &[&str]) -> Output {
    Command::new("promtool")
        .args(args)
        .current_dir(top().join("grafana/prometheus"))
        .output()
        .expect("promtool starts: scripts/setup.sh test installs it")
}

#[track_caller]
fn is_content(output: &Output) {
    let said = format!("{}{}", stdout(output), stderr(output));
    assert!(output.status.success(), "{said}");
}

#[test]
fn the_rules_hold_in_staged_series() {
    is_content(&promtool(&["check", "config", "prometheus.yml"]));
    is_content(&promtool(&["check", "rules", "rules/axepool.yml"]));
    let tests = ["tests/axepool.yml", "tests/slow.yml"];
    is_content(&promtool(&[&["test", "rules"][..], &tests].concat()));

    // Each of them is staged, leads somewhere, and says how much it matters.
    let staged = tests.map(|path| tree(&format!("grafana/prometheus/{path}")));
    let rules = tree("grafana/prometheus/rules/axepool.yml");
    let mut alerts = rules.split("- alert: ").skip(1).peekable();
    assert!(alerts.peek().is_some());
    for alert in alerts {
        let name = alert.lines().next().expect("a name").trim();
        let fires = format!("{{alertname=\"{name}\", instance=\"bad\"}}");
        assert!(staged.iter().any(|text| text.contains(&fires)), "{name}");
        let anchor = format!("runbook: docs/operator.md#alert{}", kebab(name));
        assert!(alert.contains(&anchor), "{name}: {anchor}");
        let severities = ["severity: critical", "severity: warning"];
        assert!(severities.iter().any(|one| alert.contains(one)), "{name}");
        assert!(alert.contains("    for: "), "{name}");
    }
}

/// `AxepoolDown` as `-axepool-down`.
fn kebab(name: &str) -> String {
    let parts = name.chars().map(|letter| match letter.is_uppercase() {
        true => format!("-{}", letter.to_ascii_lowercase()),
        false => letter.to_string(),
    });
    parts.collect()
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
    let args = "demo --miners 5 --blocks 3 --seconds 4 --keep-running --data-dir data";
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
    let (_, text) = get(metrics, "/metrics").await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_wakes_somebody_and_only_for_the_pool_that_has_it() {
    let oceans = [
        ocean(|_| {}).await,
        ocean(|_| {}).await,
        ocean(|_| {}).await,
    ];
    let [lonely, well, full] = [
        pool(&oceans[0], |_| {}).await,
        pool(&oceans[1], |_| {}).await,
        pool(&oceans[2], |setup| setup.shell = Some(NO_SIGNAL.to_owned())).await,
    ];
    let mut axes = Vec::new();
    for (index, pool) in (1..).zip([&lonely, &well, &full]) {
        let axe = bitaxe(pool.stratum().await, &key(index), |_| {});
        earns(&axe, 5).await;
        axes.push(axe);
    }
    let at = async |pool: &PoolProcess| -> SocketAddr { pool.metrics().await };
    let (lonely_at, full_at) = (at(&lonely).await, at(&full).await);
    let all = [lonely_at, at(&well).await, full_at];
    let server = Server::start(top(), &all, Duration::from_secs(2)).await;
    let calm = server.firing_when(|firing| firing.contains(CLOCK)).await;
    assert_eq!(calm.without(&[CLOCK, NO_BACKUP]), BTreeSet::new());

    // Before it has seen shares come, the rules' minute is one without any.
    let stored = "increase(axepool_ledger_shares_total{outcome=\"stored\"}[1m]) > 0";
    server.has_series(stored, all.len()).await;

    // With nothing under way no share is lost upstream, which would be another alert.
    axes[0].drain(PATIENCE).await.expect("every answer comes");
    let [gone, _well, _full] = oceans;
    gone.stop().await.expect("it stops");
    limit(&full, Some(4_096));
    let faults: BTreeSet<(String, String)> = [
        ("AxepoolUpstreamDown", lonely_at),
        ("AxepoolLedgerFailing", full_at),
    ]
    .map(|(name, at)| (name.to_owned(), at.to_string()))
    .into();
    let told = |firing: &Firing| faults.iter().all(|fault| firing.0.contains(fault));
    let firing = server.firing_when(told).await;
    assert_eq!(firing.without(&[CLOCK, NO_BACKUP]), faults);

    limit(&full, None);
    let mended = |firing: &Firing| !firing.contains("AxepoolLedgerFailing");
    server.firing_when(mended).await;
}
