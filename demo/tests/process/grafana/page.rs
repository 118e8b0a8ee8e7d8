//! `docs/metrics.md` and what a pool tells at `/metrics`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::grafana::tree;

/// A family: its type and the names of its labels.
type Family = (String, BTreeSet<String>);

/// Every family that the pool tells is on the page as it is, and every one of the page is
/// told.
#[track_caller]
pub(crate) fn is_complete(text: &str) {
    let (told, on_page) = (exposed(text), documented());
    assert!(told.len() > 100, "{}", told.len());
    let missing: Vec<_> = told
        .iter()
        .filter(|(name, family)| on_page.get(*name) != Some(family))
        .collect();
    assert!(
        missing.is_empty(),
        "not so in docs/metrics.md: {missing:#?}"
    );
    let gone: Vec<_> = on_page
        .keys()
        .filter(|name| !told.contains_key(*name))
        .collect();
    assert!(gone.is_empty(), "only in docs/metrics.md: {gone:#?}");
}

/// Names, units and texts are as Prometheus' people want them.
#[track_caller]
pub(crate) fn is_well_formed(text: &str) {
    let mut lint = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    let mut stdin = lint.stdin.take().expect("piped");
    stdin.write_all(text.as_bytes()).expect("it reads");
    drop(stdin);
    let output = lint.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

fn exposed(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(about) = line.strip_prefix("# TYPE ") {
            let (name, kind) = about.split_once(' ').expect("a type");
            current = name.to_owned();
            families.insert(current.clone(), (kind.to_owned(), BTreeSet::new()));
        } else if !line.starts_with('#')
            && let Some((_, rest)) = line.split_once('{')
        {
            let (labels, _) = rest.rsplit_once('}').expect("labels");
            let names = labels
                .split("\",")
                .filter_map(|label| label.split_once("=\""));
            let names = names
                .map(|(name, _)| name.to_owned())
                .filter(|name| name != "le");
            families
                .get_mut(&current)
                .expect("its type came before")
                .1
                .extend(names);
        }
    }
    families
}

fn documented() -> BTreeMap<String, Family> {
    let page = tree("docs/metrics.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let mut families = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, name, kind, labels, unit, meaning, ..] = *cells.as_slice() else {
            panic!("{row}");
        };
        assert!(!unit.is_empty() && meaning.len() > 5, "{row}");
        let labels = labels.split(", ").filter(|label| *label != "-");
        let labels = labels
            .map(|label| label.trim_matches('`').to_owned())
            .collect();
        let family = (kind.to_owned(), labels);
        let name = name.trim_matches('`').to_owned();
        assert!(families.insert(name, family).is_none(), "twice: {row}");
    }
    families
}
