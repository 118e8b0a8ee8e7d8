//! A Prometheus of one's own over some pools: with the configuration as it is shipped,
//! faster.

use std::collections::BTreeSet;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::grafana::dashboards::Query;

/// How long answers and alerts may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// An alert of the tests' own, which fires as soon as any alert can.
pub(crate) const CLOCK: &str = "Clock";

/// The alert that is right about every pool here: none of them makes backups.
pub(crate) const NO_BACKUP: &str = "AxepoolBackupOld";

/// A running Prometheus, killed when dropped.
pub(crate) struct Server {
    child: Child,
    at: SocketAddr,
    client: reqwest::Client,
    _dir: TempDir,
}

/// The alerts that fire, each with its pool.
#[derive(Clone, Debug)]
pub(crate) struct Firing(pub(crate) BTreeSet<(String, String)>);

impl Firing {
    pub(crate) fn contains(&self, alert: &str) -> bool {
        self.0.iter().any(|(name, _)| name == alert)
    }

    pub(crate) fn without(&self, alerts: &[&str]) -> BTreeSet<(String, String)> {
        let kept = self
            .0
            .iter()
            .filter(|(name, _)| !alerts.contains(&name.as_str()));
        kept.cloned().collect()
    }
}

/// A file of what is shipped: `shipped` is where `grafana/` is.
pub(crate) fn read(shipped: &Path, path: &str) -> String {
    let path = shipped.join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Replaces what is there just once.
#[track_caller]
fn once(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from}");
    text.replace(from, to)
}

impl Server {
    /// Scrapes `pools` every second, with the rules as shipped; alerts fire after `wait`.
    pub(crate) async fn start(shipped: &Path, pools: &[SocketAddr], wait: Duration) -> Server {
        let dir = tempfile::tempdir().expect("a directory");
        let targets: Vec<String> = pools.iter().map(|pool| format!("\"{pool}\"")).collect();
        let config = read(shipped, "grafana/prometheus/prometheus.yml");
        let config = once(&config, "scrape_interval: 15s", "scrape_interval: 1s");
        let config = once(&config, "scrape_timeout: 10s", "scrape_timeout: 1s");
        let config = once(
            &config,
            "evaluation_interval: 15s",
            "evaluation_interval: 1s",
        );
        let config = once(
            &config,
            "targets: [\"127.0.0.1:9332\"]",
            &format!("targets: [{}]", targets.join(", ")),
        );
        fs::write(dir.path().join("prometheus.yml"), config).expect("the config");
        fs::create_dir(dir.path().join("rules")).expect("a directory");
        let rules = dir.path().join("rules/axepool.yml");
        fs::write(rules, hurried(shipped, wait)).expect("the rules");

        let at = free_address();
        let child = Command::new("prometheus")
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=data")
            .arg(format!("--web.listen-address={at}"))
            .arg("--log.level=error")
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("prometheus starts: scripts/setup.sh test installs it");
        let server = Server {
            child,
            at,
            client: reqwest::Client::new(),
            _dir: dir,
        };
        server.is_ready().await;
        server
    }

    async fn is_ready(&self) {
        let begun = Instant::now();
        let url = format!("http://{}/-/ready", self.at);
        loop {
            let answer = self.client.get(&url).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "prometheus is not ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn api(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let url = format!("http://{}/api/v1/{path}", self.at);
        let answer = self.client.get(url).query(query).send().await;
        let text = answer.expect("an answer").text().await.expect("a text");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(answer["status"], "success", "{query:?}: {text}");
        answer["data"].clone()
    }

    /// The values that `expr` has now, one for each of its series.
    pub(crate) async fn query(&self, expr: &str) -> Vec<f64> {
        let data = self.api("query", &[("query", expr)]).await;
        let result = data["result"].as_array().expect("a result").iter();
        let value = |value: &Value| -> f64 {
            let value = value[1].as_str().expect("a value");
            value.parse().expect("a number")
        };
        match data["resultType"].as_str() {
            Some("vector") => result.map(|sample| value(&sample["value"])).collect(),
            Some("scalar") => vec![value(&data["result"])],
            other => panic!("{expr}: {other:?}"),
        }
    }

    /// Waits until `expr` has that many series.
    pub(crate) async fn has_series(&self, expr: &str, count: usize) {
        let begun = Instant::now();
        while self.query(expr).await.len() != count {
            assert!(begun.elapsed() < PATIENCE, "{expr}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The names and the expressions of the alerts.
    pub(crate) async fn rules(&self) -> Vec<(String, String)> {
        let data = self.api("rules", &[]).await;
        let groups = data["groups"].as_array().expect("groups").iter();
        let rules = groups.flat_map(|group| group["rules"].as_array().expect("rules"));
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        rules
            .map(|rule| (text(&rule["name"]), text(&rule["query"])))
            .filter(|(name, _)| name != CLOCK)
            .collect()
    }

    /// Asks again and again until all have data; those that have none in the end are told.
    pub(crate) async fn answers_all(&self, mut queries: Vec<Query>, meanwhile: impl AsyncFn()) {
        let begun = Instant::now();
        while !queries.is_empty() {
            meanwhile().await;
            let mut silent = Vec::new();
            for query in queries {
                let samples = self.query(&query.expr).await;
                if samples.iter().all(|value| value.is_nan()) {
                    silent.push(query);
                }
            }
            let told = silent
                .iter()
                .map(|one| format!("{}: {}\n", one.place, one.expr));
            assert!(
                silent.is_empty() || begun.elapsed() < PATIENCE,
                "no data:\n{}",
                told.collect::<String>()
            );
            queries = silent;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn firing(&self) -> Firing {
        let data = self.api("alerts", &[]).await;
        let alerts = data["alerts"].as_array().expect("alerts").iter();
        let label = |alert: &Value, name: &str| {
            alert["labels"][name]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let firing = alerts.filter(|alert| alert["state"] == "firing");
        Firing(
            firing
                .map(|alert| (label(alert, "alertname"), label(alert, "instance")))
                .collect(),
        )
    }

    /// The alerts that fire as soon as they are as `wanted`.
    pub(crate) async fn firing_when(&self, wanted: impl Fn(&Firing) -> bool) -> Firing {
        let begun = Instant::now();
        loop {
            let firing = self.firing().await;
            if wanted(&firing) {
                return firing;
            }
            assert!(begun.elapsed() < PATIENCE, "{firing:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The rules, each of which fires after `wait`, and the clock.
fn hurried(shipped: &Path, wait: Duration) -> String {
    let wait = wait.as_secs();
    let rules = read(shipped, "grafana/prometheus/rules/axepool.yml");
    let lines = rules.lines().map(|line| match line.split_once("for: ") {
        Some((indent, _)) if indent.trim().is_empty() => format!("{indent}for: {wait}s\n"),
        _ => format!("{line}\n"),
    });
    let rules: String = lines.collect();
    format!(
        "{rules}  - name: clock\n    rules:\n      - alert: {CLOCK}\n        expr: vector(1)\n        for: {wait}s\n"
    )
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address")
}
