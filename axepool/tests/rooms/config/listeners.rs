//! Certificates, and the URL that tokens name.

use std::path::Path;

use pool::config::{self, Problem};

use crate::config::{MAINNET, TESTNET, case, good, minimal, problems};

#[test]
fn tls_is_whole_or_not_at_all() {
    let list = problems(&minimal("[stratum]\ntls_listen = \"0.0.0.0:3443\""));
    let keys: Vec<_> = list.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["stratum.tls_certificate", "stratum.tls_key"]);
    let three = "[stratum]\ntls_listen = \"0.0.0.0:3443\"\ntls_certificate = \"/nowhere/c\"\ntls_key = \"/nowhere/k\"";
    let list = problems(&minimal(three));
    assert_eq!(list.len(), 2, "{list:?}");
    assert!(
        list.iter()
            .all(|problem| problem.why.contains("cannot be read")),
        "{list:?}"
    );
}

#[test]
fn tokens_name_a_url_that_is_safe_on_mainnet() {
    let with = |lines: &str| minimal(&format!("[http]\n{lines}"));
    let url = |lines: &str| {
        good(&with(lines))
            .http
            .public_url
            .map(|url| url.to_string())
    };
    assert_eq!(url(""), None);
    assert_eq!(
        url("public_url = \"https://Pool.example.org/\"").as_deref(),
        Some("https://pool.example.org")
    );
    for lines in [
        &format!("public_url = \"http://{ONION}\""),
        &format!("public_url = \"http://{ONION}:8080/mint\""),
        "public_url = \"http://axepool.local:8080\"\nallow_http_public_url = true",
    ] {
        assert!(url(lines).is_some(), "{lines}");
    }
    for bad in [
        "http://axepool.local:8080",
        "http://onion.example.org/x.onion",
        "http://192.0.2.1",
    ] {
        let text = with(&format!("public_url = \"{bad}\""));
        case(
            &text,
            "http.public_url",
            "neither https nor an onion service",
        );
    }
    for bad in [
        "pool.example.org",
        "ftp://x",
        "https://x/?a=b",
        "https://x/#y",
        "https://u@x",
    ] {
        let text = with(&format!("public_url = \"{bad}\""));
        case(&text, "http.public_url", "give a URL such as");
    }
    let testnet = format!(
        "[pool]\nnetwork = \"signet\"\n[upstream]\nurls = \"stratum+tcp://x:1\"\n\
         address = \"{TESTNET}\"\n[http]\npublic_url = \"http://192.0.2.1\""
    );
    good(&testnet);
}

/// A name of the right form.
const ONION: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";

#[test]
fn a_url_that_no_wallet_could_use_is_refused() {
    let with = |url: &str| minimal(&format!("[http]\npublic_url = \"{url}\""));
    let long = format!("https://{}.org", "a".repeat(64));
    let many = format!("https://{}org", "abcdefgh.".repeat(28));
    let like = "give a URL such as";
    let cases: [(&[&str], &str, &str); 7] = [
        (
            &[
                "https://pool..org",
                "https://pool.org.",
                "https://.pool.org",
                "https://..",
            ],
            "an empty part at a dot",
            like,
        ),
        (&[&long, &many], "longer than names can be", like),
        (
            &[
                "https://0.0.0.0",
                "https://0",
                "https://[::]:8080",
                "https://[::ffff:0.0.0.0]",
                "https://224.0.0.1",
                "https://255.255.255.255",
            ],
            "the address of no host",
            like,
        ),
        (&["https://pool.org:0"], "port 0", like),
        (
            &[
                "https://pool.org/v1",
                "https://pool.org/v1/",
                "https://pool.org/V1/info",
            ],
            "/v1/v1",
            "write \"https://pool.org\"",
        ),
        (
            &[
                "https://127.0.0.1:8080",
                "https://127.1",
                "https://localhost",
                "https://pool.LOCALHOST",
                "https://[::1]:3338",
                "https://[::ffff:127.0.0.1]",
            ],
            "the wallet's own machine",
            "leave public_url out",
        ),
        (
            &["http://abcdefgh.onion", "http://expyuzz4wqqyqhjn.onion"],
            "is no onion address",
            like,
        ),
    ];
    for (bad, why, fix) in cases {
        for url in bad {
            case(&with(url), "http.public_url", why);
            case(&with(url), "http.public_url", fix);
        }
    }
}

#[test]
fn a_url_that_some_wallet_can_use_is_taken() {
    let with = |url: &str| minimal(&format!("[http]\npublic_url = \"{url}\""));
    let path = with("https://pool.org/mint/v1");
    case(&path, "http.public_url", "write \"https://pool.org/mint\"");
    for kept in [
        "https://pool.org/v11",
        "https://v1.pool.org",
        "https://pool.org/a/v1/mint",
        "https://192.0.2.1:8443",
        &format!("http://www.{ONION}"),
    ] {
        good(&with(kept));
    }
}

#[test]
fn a_password_in_a_url_is_not_repeated() {
    for url in [
        "https://me:hunter2@pool.org",
        "https://:hunter2@pool.org",
        "https://me:hunter2@:1:1",
    ] {
        let text = minimal(&format!("[http]\npublic_url = \"{url}\""));
        let list = problems(&text);
        assert_eq!(
            (list.len(), list[0].key.as_str()),
            (1, "http.public_url"),
            "{list:?}"
        );
        assert!(!list[0].to_string().contains("hunter2"), "{}", list[0]);
    }
}

/// A pool for one household, or for one desk: that can be meant.
#[test]
fn a_url_of_ones_own_network_is_a_warning() {
    let on = |network: &str, url: &str| {
        let address = if network == "mainnet" {
            MAINNET
        } else {
            TESTNET
        };
        let text = format!(
            "[pool]\nnetwork = \"{network}\"\n[upstream]\nurls = \"stratum+tcp://x:1\"\n\
             address = \"{address}\"\n[http]\npublic_url = \"{url}\""
        );
        let loaded = config::parse(&text, Path::new("")).expect("no problem");
        let about = |warning: &Problem| warning.key == "http.public_url";
        let warnings = loaded.warnings.into_iter().filter(about);
        let warnings: Vec<_> = warnings.map(|warning| warning.why).collect();
        assert!(warnings.len() < 2, "{warnings:?}");
        warnings.into_iter().next().unwrap_or_default()
    };
    let near = "only machines of your own network";
    for url in [
        "https://umbrel.local",
        "https://pool",
        "https://pool.lan:8443",
        "https://pool.home.arpa",
        "https://10.0.0.7",
        "https://172.16.0.1",
        "https://192.168.1.5",
        "https://169.254.1.1",
        "https://100.100.1.1",
        "https://[fd00::1]",
        "https://[fe80::1]",
        "https://[::ffff:10.0.0.1]",
    ] {
        assert!(on("mainnet", url).starts_with(near), "{url}");
        assert!(on("signet", url).starts_with(near), "{url}");
    }
    let here = "only wallets on this machine";
    assert!(on("signet", "https://localhost:8080").starts_with(here));
    for url in [
        "https://172.32.0.1",
        "https://100.128.0.1",
        "https://[2001:db8::1]",
        "https://pool.org",
    ] {
        assert_eq!(on("mainnet", url), "", "{url}");
    }
}

#[test]
fn a_certificate_needs_its_key() {
    let text = minimal("[http]\ncertificate = \"/dev/null\"");
    case(&text, "http.key", "TLS needs certificate and key");
    let text = minimal("[http]\nlisten = \"0.0.0.0:3333\"");
    case(
        &text,
        "http.listen",
        "stratum.listen has this address already",
    );
}

/// Mining starts all the same, so it is no problem of the config.
#[test]
fn a_certificate_that_cannot_be_used_is_a_warning() {
    for (certificate, key) in [("/dev/null", "/dev/null"), ("/nowhere/c", "/nowhere/k")] {
        let lines = format!("[http]\ncertificate = \"{certificate}\"\nkey = \"{key}\"");
        let loaded = config::parse(&minimal(&lines), Path::new("")).expect("no problem");
        let about = |warning: &&Problem| warning.key == "http.certificate";
        let warning = loaded.warnings.iter().find(about);
        let warning = warning.unwrap_or_else(|| panic!("{:#?}", loaded.warnings));
        assert!(warning.why.contains("No page is served"), "{warning:?}");
    }
}

#[test]
fn tor_has_a_listener_of_its_own() {
    let with = |lines: &str| minimal(&format!("[http]\n{lines}"));
    let http = good(&with("onion_listen = \"127.0.0.1:8082\"")).http;
    assert_eq!(http.onion_listen.len(), 1);
    assert!(good(&with("")).http.onion_listen.is_empty());
    let same = with("listen = \"127.0.0.1:8082\"\nonion_listen = \"127.0.0.1:8082\"");
    case(&same, "http.onion_listen", "http.listen has this address");
    let open = with("onion_listen = \"0.0.0.0:8082\"");
    let loaded = config::parse(&open, Path::new("")).expect("no problem");
    let mut keys = loaded.warnings.iter().map(|warning| warning.key.as_str());
    assert!(keys.any(|key| key == "http.onion_listen"));
}

#[test]
fn the_operators_page_stays_on_this_machine_unless_told_otherwise() {
    let default = good(&minimal("")).operator.listen;
    assert_eq!(default, ["127.0.0.1:8081".parse().expect("an address")]);
    let off = good(&minimal("[operator]\nlisten = []"));
    assert!(off.operator.listen.is_empty());
    good(&minimal("[operator]\nlisten = \"[::1]:8081\""));
    for remote in ["0.0.0.0:8081", "[::]:8081", "192.168.1.7:8081"] {
        let listen = format!("[operator]\nlisten = [\"127.0.0.1:8081\", \"{remote}\"]");
        case(
            &minimal(&listen),
            "operator.listen",
            "other machines reach it",
        );
        let allowed = format!("{listen}\nallow_remote = true");
        assert_eq!(good(&minimal(&allowed)).operator.listen.len(), 2);
    }
    let text = minimal("[operator]\nlisten = \"127.0.0.1:9332\"");
    case(
        &text,
        "operator.listen",
        "metrics.listen has this address already",
    );
}
