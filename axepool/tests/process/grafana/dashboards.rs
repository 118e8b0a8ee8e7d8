//! What the dashboards ask.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::grafana::server::read;

const DASHBOARDS: [&str; 5] = ["pool", "miners", "money", "node-and-mint", "health"];

/// Something that is asked of Prometheus.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    /// Where it stands.
    pub(crate) place: String,
    /// With its variables filled in.
    pub(crate) expr: String,
}

/// All that all panels ask, of the dashboards below `shipped`. Each panel says what it
/// shows, in which unit.
pub(crate) fn queries(shipped: &Path) -> Vec<Query> {
    let mut queries = Vec::new();
    for name in DASHBOARDS {
        let file = read(shipped, &format!("grafana/dashboards/{name}.json"));
        let board: Value = serde_json::from_str(&file).expect("JSON");
        assert_eq!(board["uid"], format!("axepool-{name}"));
        let panels = board["panels"].as_array().expect("panels");
        let mut places = BTreeSet::new();
        for panel in panels.iter().filter(|panel| panel["type"] != "row") {
            let title = panel["title"].as_str().expect("a title");
            let place = format!("{name}: {title}");
            assert!(
                panel["description"]
                    .as_str()
                    .is_some_and(|text| text.len() > 10),
                "{place}"
            );
            assert!(
                panel["fieldConfig"]["defaults"]["unit"].is_string(),
                "{place}"
            );
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{place}");
            let targets = panel["targets"].as_array().expect("targets");
            assert!(!targets.is_empty(), "{place}");
            let pos = &panel["gridPos"];
            assert!(
                places.insert((pos["x"].as_u64(), pos["y"].as_u64())),
                "{place}"
            );
            queries.extend(targets.iter().map(|target| Query {
                place: place.clone(),
                expr: filled_in(target["expr"].as_str().expect("an expression")),
            }));
        }
    }
    queries
}

/// The variables as Grafana would have them for all pools, over a few minutes.
fn filled_in(expr: &str) -> String {
    let expr = expr.replace("$instance", ".*");
    let expr = expr.replace("$__rate_interval", "5m");
    assert!(!expr.contains('$'), "{expr}");
    expr
}

/// A rule's expression that answers 0 where the alert is quiet: with nothing to compare
/// it has no answer, and would be quiet for ever.
pub(crate) fn always_answering(expr: &str) -> String {
    let mut answering = expr.to_owned();
    for comparison in ["==", "!=", "<=", ">=", "<", ">"] {
        let spaced = format!(" {comparison} ");
        answering = answering.replace(&spaced, &format!("{spaced}bool "));
    }
    assert!(answering.contains(" bool "), "{expr} compares nothing");
    answering
}
