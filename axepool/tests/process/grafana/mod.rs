//! What an operator is woken by: the alert rules of `grafana/` against running pools, through
//! a real Prometheus (Debian's, which `scripts/setup.sh test` installs). The tests of
//! `axepool-demo` hold dashboards and `docs/metrics.md` to a pool that does everything.

#[allow(dead_code, reason = "the demonstration's tests use the rest of it")]
pub mod dashboards;
#[allow(dead_code, reason = "the demonstration's tests use the rest of it")]
pub mod server;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use crate::common::{PoolProcess, stderr, stdout};
use crate::grafana::server::{CLOCK, Firing, NO_BACKUP, PATIENCE, Server};
use crate::world::{NO_SIGNAL, bitaxe, earns, key, limit, ocean, pool};

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
