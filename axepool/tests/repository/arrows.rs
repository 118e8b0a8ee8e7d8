//! Which room may import what. The rules of docs/ARCHITECTURE.md, held to what cargo
//! itself says of every `Cargo.toml`; dev- and build-dependencies count too.

use std::collections::BTreeSet;
use std::process::Command;

use serde::Deserialize;

/// Which rooms a room may import. A room that is not here may not exist.
const ROOMS: [(&str, &[&str]); 17] = [
    (
        "axepool",
        &[
            "accounting",
            "basics",
            "ledger",
            "mint",
            "owner",
            "payout",
            "pool",
            "proxy",
            "simnet",
            "wallet",
            "web",
        ],
    ),
    (
        "web",
        &[
            "accounting",
            "basics",
            "ledger",
            "listener",
            "mint",
            "notices",
            "openapi",
            "payout",
            "pool",
            "proxy",
            "signed",
        ],
    ),
    (
        "pool",
        &[
            "accounting",
            "basics",
            "ledger",
            "mint",
            "notices",
            "payout",
            "proxy",
            "simnet",
        ],
    ),
    ("listener", &["proxy"]),
    ("notices", &["accounting", "basics", "ledger", "signed"]),
    ("signed", &["accounting", "basics"]),
    ("proxy", &["accounting", "ledger"]),
    ("payout", &["accounting", "basics"]),
    ("mint", &["accounting", "basics", "openapi", "signed"]),
    ("ledger", &["accounting"]),
    ("accounting", &[]),
    ("wallet", &[]),
    ("owner", &["accounting", "basics", "signed", "wallet"]),
    (
        "demo",
        &[
            "accounting",
            "basics",
            "ledger",
            "payout",
            "pool",
            "proxy",
            "simnet",
            "wallet",
            "web",
        ],
    ),
    ("simnet", &[]),
    ("basics", &[]),
    ("openapi", &[]),
];

/// What a room may import for its tests alone: the pool's program has no simulation in it.
const FOR_TESTS: [(&str, &str); 3] = [
    ("axepool", "proxy"),
    ("axepool", "simnet"),
    ("pool", "simnet"),
];

/// Crates that are kept to a few rooms: a name, or a beginning and `*`. The first rule
/// that fits counts.
const KEPT: [(&str, &[&str]); 5] = [
    ("cdk-redb", &["wallet"]),
    ("cdk*", &["mint", "wallet"]),
    ("ldk-*", &["payout", "simnet"]),
    ("lightning*", &["payout", "simnet"]),
    ("redb", &["ledger"]),
];

/// All that a pure room may import beside rooms: nothing there has a clock, a socket, a
/// file, a task or a metric.
const PURE: [(&str, &[&str]); 1] = [(
    "accounting",
    &[
        "bech32",
        "bitcoin",
        "proptest",
        "ruint",
        "schemars",
        "serde",
        "serde_json",
        "thiserror",
    ],
)];

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    /// The crate's own name, whatever it is renamed to.
    name: String,
    /// `dev` or `build`; none of what the program itself is made from.
    #[serde(default)]
    kind: Option<String>,
}

/// Everything in `metadata` that the rules forbid, in words.
fn violations(metadata: &Metadata) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for package in &metadata.packages {
        let room = package.name.as_str();
        let Some((_, may_import)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            found.insert(format!(
                "{room} is a room that docs/ARCHITECTURE.md and this test do not know"
            ));
            continue;
        };
        for Dependency { name, kind } in &package.dependencies {
            let dependency = name.as_str();
            if FOR_TESTS.contains(&(room, dependency)) && kind.as_deref() != Some("dev") {
                found.insert(format!("{room} imports {dependency} outside of its tests"));
            }
            let is_room = ROOMS.iter().any(|(name, _)| *name == dependency);
            if is_room && !may_import.contains(&dependency) {
                found.insert(format!("{room} imports the room {dependency}"));
            }
            let pure = PURE.iter().find(|(name, _)| *name == room);
            if pure.is_some_and(|(_, known)| !is_room && !known.contains(&dependency)) {
                found.insert(format!("{room} is pure, and imports {dependency}"));
            }
            let rule = KEPT.iter().find(|(pattern, _)| fits(pattern, dependency));
            if let Some((_, rooms)) = rule.filter(|(_, rooms)| !rooms.contains(&room)) {
                found.insert(format!(
                    "{room} imports {dependency}, which is kept to {}",
                    rooms.join(" and ")
                ));
            }
        }
    }
    found
}

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}

#[test]
fn the_arrows_hold() {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--locked",
            "--manifest-path",
        ])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Metadata = serde_json::from_slice(&output.stdout).expect("cargo's JSON");
    assert!(
        metadata
            .packages
            .iter()
            .any(|package| package.name == "axepool"),
        "{metadata:?}"
    );
    assert_eq!(violations(&metadata), BTreeSet::new());
}

#[track_caller]
fn case(room: &str, dependency: &str, said: Option<&str>) {
    let json = format!(
        r#"{{"packages":[{{"name":"{room}","dependencies":[{{"name":"serde"}},{{"name":"{dependency}"}}]}}]}}"#
    );
    let found = violations(&serde_json::from_str(&json).expect("metadata"));
    assert_eq!(
        found,
        said.map(str::to_owned).into_iter().collect(),
        "{room} -> {dependency}"
    );
}

#[test]
fn broken_arrows_are_found() {
    case("owner", "ledger", Some("owner imports the room ledger"));
    case("owner", "payout", Some("owner imports the room payout"));
    case("axepool", "demo", Some("axepool imports the room demo"));
    case("demo", "axepool", Some("demo imports the room axepool"));
    case("pool", "web", Some("pool imports the room web"));
    case("pool", "axepool", Some("pool imports the room axepool"));
    case(
        "axepool",
        "simnet",
        Some("axepool imports simnet outside of its tests"),
    );
    case("proxy", "mint", Some("proxy imports the room mint"));
    case("payout", "proxy", Some("payout imports the room proxy"));
    case("payout", "ledger", Some("payout imports the room ledger"));
    case("mint", "payout", Some("mint imports the room payout"));
    case("mint", "axepool", Some("mint imports the room axepool"));
    case("mint", "ledger", Some("mint imports the room ledger"));
    case("ledger", "proxy", Some("ledger imports the room proxy"));
    case(
        "accounting",
        "ledger",
        Some("accounting imports the room ledger"),
    );
    case("simnet", "ledger", Some("simnet imports the room ledger"));
    case("wallet", "ledger", Some("wallet imports the room ledger"));
    case("wallet", "basics", Some("wallet imports the room basics"));
    case("basics", "ledger", Some("basics imports the room ledger"));
    case("signed", "mint", Some("signed imports the room mint"));
    case("notices", "mint", Some("notices imports the room mint"));
    case(
        "notices",
        "listener",
        Some("notices imports the room listener"),
    );
    case(
        "listener",
        "ledger",
        Some("listener imports the room ledger"),
    );
    case(
        "wallet",
        "accounting",
        Some("wallet imports the room accounting"),
    );
    case(
        "accounting",
        "tokio",
        Some("accounting is pure, and imports tokio"),
    );
    case(
        "accounting",
        "prometheus",
        Some("accounting is pure, and imports prometheus"),
    );
    case(
        "proxy",
        "redb",
        Some("proxy imports redb, which is kept to ledger"),
    );
    case(
        "ledger",
        "cdk-common",
        Some("ledger imports cdk-common, which is kept to mint and wallet"),
    );
    case(
        "mint",
        "cdk-redb",
        Some("mint imports cdk-redb, which is kept to wallet"),
    );
    case(
        "axepool",
        "ldk-node",
        Some("axepool imports ldk-node, which is kept to payout and simnet"),
    );
    case(
        "mint",
        "lightning-invoice",
        Some("mint imports lightning-invoice, which is kept to payout and simnet"),
    );
    case(
        "attic",
        "serde_json",
        Some("attic is a room that docs/ARCHITECTURE.md and this test do not know"),
    );
}

#[test]
fn arrows_as_they_should_be_are_left_alone() {
    case("axepool", "ledger", None);
    case("axepool", "basics", None);
    case("web", "listener", None);
    case("web", "pool", None);
    case("listener", "proxy", None);
    case("payout", "basics", None);
    case("notices", "signed", None);
    case("mint", "signed", None);
    case("axepool", "owner", None);
    case("demo", "web", None);
    case("demo", "simnet", None);
    case("owner", "wallet", None);
    case("proxy", "ledger", None);
    case("wallet", "cdk-redb", None);
    case("mint", "cdk-sqlite", None);
    case("mint", "accounting", None);
    case("payout", "lightning", None);
    case("simnet", "ldk-node", None);
    case("ledger", "redb", None);
    case("ledger", "accounting", None);
    case("payout", "accounting", None);
}
