//! The packages for home servers, Umbrel and StartOS: what they say agrees with the pool.
//! Neither system is at hand in a test; `axepool/tests/process/home_server.rs` asks a running
//! pool for the paths that the packages name.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::yaml::{read, top};

const AXEPOOL: &str = env!("CARGO_BIN_EXE_axepool");
const VERSION: &str = env!("CARGO_PKG_VERSION");
const ADDRESS: &str = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";

/// The variables that the program reads beside keys of the config: where each is read.
const READ: [(&str, &str); 4] = [
    ("AXEPOOL_FIRST_RUN", "web/src/first_run/mod.rs"),
    ("AXEPOOL_FIRST_RUN_PASSWORD", "web/src/first_run/mod.rs"),
    ("APP_BITCOIN_NETWORK", "web/src/first_run/found.rs"),
    ("APP_HIDDEN_SERVICE", "web/src/first_run/routes.rs"),
];

/// What umbrelOS and its Bitcoin Node app give to an app's compose file.
const GIVEN_BY_UMBREL: [&str; 9] = [
    "APP_BITCOIN_NETWORK",
    "APP_BITCOIN_NODE_IP",
    "APP_BITCOIN_RPC_PASS",
    "APP_BITCOIN_RPC_PORT",
    "APP_BITCOIN_RPC_USER",
    "APP_DATA_DIR",
    "APP_HIDDEN_SERVICE",
    "APP_PASSWORD",
    "DEVICE_DOMAIN_NAME",
];

#[track_caller]
fn text(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The effective config of a pool with these variables, if it is one.
#[track_caller]
fn checked(variables: &[(String, String)]) -> String {
    let dir = tempfile::tempdir().expect("a directory");
    let config = format!("[upstream]\naddress = \"{ADDRESS}\"\n");
    fs::write(dir.path().join("axepool.toml"), config).expect("a config");
    let output = Command::new(AXEPOOL)
        .arg("check-config")
        .current_dir(dir.path())
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .output()
        .expect("axepool runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Every variable is a key of the config, or one of those that the program reads.
#[track_caller]
fn are_read<'a>(variables: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut keys = Vec::new();
    for (name, value) in variables {
        if name.starts_with("AXEPOOL__") {
            keys.push((name.to_owned(), value));
            continue;
        }
        let place = READ.iter().find(|(read, _)| *read == name);
        let (_, file) = place.unwrap_or_else(|| panic!("nobody reads {name}"));
        assert!(
            text(file).contains(&format!("\"{name}\"")),
            "{name}: {file}"
        );
    }
    checked(&keys)
}

/// The port of `section.key` in an effective config.
#[track_caller]
fn port_of(config: &str, section: &str, key: &str) -> u64 {
    let (_, rest) = config.split_once(&format!("[{section}]\n")).expect(section);
    let line = rest
        .lines()
        .find(|line| line.starts_with(&format!("{key} = ")));
    let line = line.expect(key);
    let digits: String = line
        .chars()
        .skip_while(|c| *c != ':')
        .skip(1)
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().unwrap_or_else(|_| panic!("{line}"))
}

fn umbrel() -> (Value, Value) {
    let manifest = read("deploy/umbrel/umbrel-app.yml");
    (manifest, read("deploy/umbrel/docker-compose.yml"))
}

/// A variable of compose with a value as Umbrel would give it.
fn filled_in(value: &str) -> String {
    value
        .replace("${APP_BITCOIN_RPC_USER}", "umbrel")
        .replace("${APP_BITCOIN_RPC_PASS}", "pass")
        .replace("${APP_BITCOIN_NODE_IP}", "127.0.0.1")
        .replace("${APP_BITCOIN_RPC_PORT}", "1")
}

#[test]
fn umbrels_manifest_is_whole() {
    let (manifest, _) = umbrel();
    assert!([1.0, 1.1, 1.2].contains(&manifest["manifestVersion"].as_f64().expect("a number")));
    let limits = [
        ("id", 50),
        ("category", 20),
        ("name", 50),
        ("version", 20),
        ("tagline", 100),
        ("description", 5_000),
        ("developer", 50),
        ("website", 200),
        ("repo", 200),
        ("support", 200),
        ("submitter", 50),
        ("submission", 200),
    ];
    for (key, most) in limits {
        let value = manifest[key].as_str().unwrap_or_else(|| panic!("no {key}"));
        let length = value.chars().count();
        assert!(
            (1..=most).contains(&length),
            "{key} has {length} characters"
        );
    }
    assert_eq!(manifest["version"], VERSION);
    assert_eq!(manifest["category"], "bitcoin");
    assert_eq!(manifest["dependencies"], serde_json::json!(["bitcoin"]));
    assert_eq!(manifest["deterministicPassword"], true);
    let id = manifest["id"].as_str().expect("an id");
    assert!(
        id.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
    );
    for key in ["website", "repo", "support", "submission"] {
        // An address that is nobody's until there is a real one.
        let url = manifest[key].as_str().expect("a URL");
        assert!(url.starts_with("https://axepool.example"), "{key}: {url}");
    }
    for path in manifest["backupIgnore"].as_array().expect("paths") {
        let path = path.as_str().expect("a path");
        assert!(path.starts_with("data/pool/"), "{path}");
    }
}

#[test]
fn umbrels_compose_file_agrees_with_the_pool() {
    let (manifest, compose) = umbrel();
    let (proxy, pool) = (
        &compose["services"]["app_proxy"],
        &compose["services"]["pool"],
    );
    let image = pool["image"].as_str().expect("an image");
    assert!(image.ends_with(&format!(":{VERSION}")), "{image}");
    assert_ne!(pool["user"], Value::Null, "not as root");

    let environment = pool["environment"].as_object().expect("variables");
    let variables = environment
        .iter()
        .map(|(name, value)| (name.as_str(), filled_in(value.as_str().expect("a text"))));
    let config = are_read(variables);
    // The proxy leads to the pages, and before there are any to the first-run page.
    let pages = port_of(&config, "http", "listen");
    let id = manifest["id"].as_str().expect("an id");
    assert_eq!(proxy["environment"]["APP_HOST"], format!("{id}_pool_1"));
    assert_eq!(proxy["environment"]["APP_PORT"], pages);
    assert_eq!(environment["AXEPOOL_FIRST_RUN"], format!("0.0.0.0:{pages}"));
    assert_eq!(environment["AXEPOOL_FIRST_RUN_PASSWORD"], "${APP_PASSWORD}");

    needs_a_login(&proxy["environment"]);

    let node = text("ldk-node-config/mainnet.toml");
    assert!(node.contains("listen = [\"0.0.0.0:9735\"]"));
    let inside = [
        port_of(&config, "stratum", "listen"),
        port_of(&config, "operator", "listen"),
        9735,
    ];
    let published = pool["ports"].as_array().expect("ports").iter();
    let published = published.map(|port| port.as_str().expect("a text").split_once(':'));
    let published: Vec<(u64, u64)> = published
        .map(|port| port.expect("two ports"))
        .map(|(host, own)| (host.parse().expect("a port"), own.parse().expect("a port")))
        .collect();
    let own: Vec<u64> = published.iter().map(|(_, own)| *own).collect();
    assert_eq!(own, inside);
    // The last page of the first run names both by their own numbers.
    assert!(
        published[..2].iter().all(|(host, own)| host == own),
        "{published:?}"
    );
    assert_ne!(
        manifest["port"].as_u64(),
        Some(pages),
        "that one is not published"
    );

    // Directories that Umbrel makes for the app's user, at the paths of the image.
    let recipe = text("deploy/container/Containerfile");
    for volume in pool["volumes"].as_array().expect("volumes") {
        let volume = volume.as_str().expect("a text");
        let (from, to) = volume.split_once(':').expect("two paths");
        let from = from
            .strip_prefix("${APP_DATA_DIR}/")
            .expect("the app's own");
        assert!(top().join("deploy/umbrel").join(from).is_dir(), "{from}");
        assert!(recipe.contains(to), "{to}");
    }
}

/// The first run needs Umbrel's login. In older releases of umbrelOS a `/` that needs none
/// exempts every path, and only what is named in the blacklist is left.
#[track_caller]
fn needs_a_login(proxy: &Value) {
    let rules = |name: &str| -> Vec<String> {
        let rules = proxy[name].as_str().unwrap_or_else(|| panic!("no {name}"));
        rules.split(',').map(str::to_owned).collect()
    };
    assert_eq!(
        rules("PROXY_AUTH_BLACKLIST"),
        ["/first-run", "/first-run/*"]
    );
    let free = rules("PROXY_AUTH_WHITELIST");
    assert_eq!(
        free,
        [
            "/",
            "/assets/*",
            "/epochs",
            "/epochs/*",
            "/miners",
            "/miners/*",
            "/solvency",
            "/api",
            "/api/*",
            "/v1/*",
            "/healthz",
            "/readyz"
        ]
    );
}

#[test]
fn umbrels_compose_file_uses_what_umbrel_gives() {
    let compose = text("deploy/umbrel/docker-compose.yml");
    let used: BTreeSet<&str> = compose
        .split("${")
        .skip(1)
        .map(|rest| rest.split('}').next().expect("its end"))
        .collect();
    for name in &used {
        assert!(GIVEN_BY_UMBREL.contains(name), "{name}");
    }
    assert!(used.contains("APP_BITCOIN_NODE_IP") && used.contains("APP_PASSWORD"));
}

#[test]
fn umbrels_widget_is_of_the_service_and_its_port() {
    let (manifest, compose) = umbrel();
    let widgets = manifest["widgets"].as_array().expect("widgets");
    assert_eq!(widgets.len(), 1);
    let endpoint = widgets[0]["endpoint"].as_str().expect("an endpoint");
    let (service, rest) = endpoint.split_once(':').expect("a port");
    assert!(compose["services"][service].is_object(), "{service}");
    let (port, path) = rest.split_once('/').expect("a path");
    let pages = &compose["services"]["app_proxy"]["environment"]["APP_PORT"];
    assert_eq!(pages.to_string(), port);
    let api: Value = serde_json::from_str(web::openapi()).expect("JSON");
    assert!(api["paths"][format!("/{path}")].is_object(), "{path}");
}

/// The text between two marks.
#[track_caller]
fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = text
        .split_once(begin)
        .unwrap_or_else(|| panic!("{begin}: {text}"));
    rest.split(end).next().unwrap_or(rest)
}

#[test]
fn startos_package_agrees_with_the_pool() {
    let startos = |file: &str| text(&format!("deploy/startos/startos/{file}"));
    let version = startos("versions/current.ts");
    let version = between(&version, "version: '", "'");
    assert!(version.starts_with(&format!("{VERSION}:")), "{version}");

    let package: Value = serde_json::from_str(&text("deploy/startos/package.json")).expect("JSON");
    for kind in ["dependencies", "devDependencies"] {
        for (name, version) in package[kind].as_object().expect("packages") {
            let version = version.as_str().expect("a version");
            assert!(
                version.starts_with(|c: char| c.is_ascii_digit()),
                "{name} {version}"
            );
        }
    }
    let manifest = startos("manifest/index.ts");
    assert!(between(&manifest, "short: '", "',").chars().count() <= 80);
    let urls = manifest.split("https://").skip(1);
    // Addresses that are nobody's until there are real ones.
    assert!(
        urls.clone().count() >= 3 && urls.clone().all(|url| url.starts_with("axepool.example"))
    );
    let build = top().join("deploy/startos");
    assert!(
        build
            .join(between(&manifest, "dockerfile: '", "'"))
            .is_file()
    );
    assert!(
        build
            .join(between(&manifest, "workdir: '", "'"))
            .join("Cargo.lock")
            .is_file()
    );
    for file in ["icon.svg", "LICENSE"] {
        let about =
            fs::metadata(build.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(about.len() <= 40 << 10, "{file}");
    }

    let utils = startos("utils.ts");
    let port = |name: &str| -> u64 {
        between(&utils, &format!("export const {name} = "), "\n")
            .parse()
            .expect("a port")
    };
    let place = |name: &str| between(&utils, &format!("export const {name} = '"), "'");
    let main = startos("main.ts");
    let listed = between(&main, "env: {", "},");
    let variables = listed
        .lines()
        .filter_map(|line| line.trim().split_once(": "));
    let variables = variables.filter(|(name, _)| !name.starts_with("//"));
    let variables = variables.map(|(name, value)| {
        let value = value.trim_end_matches(',').trim_matches(['\'', '`']);
        let value = match value {
            "dataDir" => place("dataDir").to_owned(),
            value => value
                .replace("${webPort}", &port("webPort").to_string())
                .replace("${operatorPort}", &port("operatorPort").to_string())
                .replace("${bitcoindMountpoint}", place("bitcoindMountpoint"))
                // Nothing of the network is asked in a test.
                .replace("bitcoind.startos:8332", "127.0.0.1:1"),
        };
        (name, value)
    });
    let config = are_read(variables);
    assert_eq!(port_of(&config, "http", "listen"), port("webPort"));
    assert_eq!(port_of(&config, "stratum", "listen"), port("stratumPort"));
    assert_eq!(port_of(&config, "operator", "listen"), port("operatorPort"));
    assert_eq!(port("lightningPort"), 9735);
    assert!(listed.contains("AXEPOOL_FIRST_RUN: `0.0.0.0:${webPort}`"));

    let recipe = text("deploy/container/Containerfile");
    for path in [
        place("dataDir"),
        place("configFile"),
        "/var/lib/axepool-backups",
    ] {
        assert!(recipe.contains(path), "{path}");
    }
    assert!(recipe.contains("--uid 10001") && main.contains("toId: 10001"));
    // Its actions are in the list, and each command is one of the program's.
    let actions = startos("actions/index.ts");
    for entry in fs::read_dir(build.join("startos/actions")).expect("actions") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_string_lossy();
        let name = name.trim_end_matches(".ts");
        assert!(
            name == "index" || actions.contains(&format!("addAction({name})")),
            "{name}"
        );
    }
    let backups = startos("backups.ts");
    let volumes = between(&manifest, "volumes: [", "]");
    assert_eq!(
        between(&backups, "ofVolumes(", ")"),
        volumes,
        "every volume is backed up"
    );
}
