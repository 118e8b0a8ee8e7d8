//! Certificates, and the URL that tokens name.

use std::path::Path;

use axepool::config::{self, Problem};

use crate::config::{TESTNET, case, good, minimal, problems};

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
        "public_url = \"http://abcdefgh.onion\"",
        "public_url = \"http://abcdefgh.onion:8080/mint\"",
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
