//! The config as a table: what is wrong, and what is said about it.

use std::path::Path;
use std::time::Duration;

use axepool::config::{self, Config, Problem};

/// A real address of each network, from BIP173 and BIP350's examples.
const MAINNET: &str = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
const TESTNET: &str = "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx";

fn minimal(more: &str) -> String {
    format!("[upstream]\naddress = \"{MAINNET}\"\n{more}")
}

#[track_caller]
fn good(text: &str) -> Config {
    match config::parse(text, Path::new("/etc/axepool")) {
        Ok(loaded) => loaded.config,
        Err(problems) => panic!("{problems:#?}"),
    }
}

#[track_caller]
fn problems(text: &str) -> Vec<Problem> {
    config::parse(text, Path::new("")).expect_err("problems")
}

/// `text` has one problem, of `key`, whose words contain `said`.
#[track_caller]
fn case(text: &str, key: &str, said: &str) {
    let list = problems(text);
    assert_eq!(list.len(), 1, "{list:#?}");
    let whole = list[0].to_string();
    assert_eq!(list[0].key, key, "{whole}");
    assert!(whole.contains(said), "{whole:?} does not say {said:?}");
}

#[test]
fn an_address_is_enough() {
    let config = good(&minimal(""));
    assert_eq!(config.upstream.username, format!("{MAINNET}.axepool"));
    assert_eq!(config.upstream.urls.len(), 1);
    assert_eq!(
        (
            config.upstream.urls[0].host.as_str(),
            config.upstream.urls[0].port
        ),
        ("mine.ocean.xyz", 3334)
    );
    assert!(!config.upstream.urls[0].tls);
    assert_eq!(config.downstream.listen, ["0.0.0.0:3333".parse().unwrap()]);
    assert_eq!(config.downstream.min_difficulty.get(), 256.0);
    assert_eq!(config.downstream.start_difficulty.get(), 1000.0);
    assert_eq!(config.metrics_listen, ["127.0.0.1:9332".parse().unwrap()]);
    assert_eq!(config.data_dir, Path::new("/etc/axepool/data"));
    assert_eq!(config.terms.fee_bps, 0);
}

#[test]
fn the_limits_are_the_proxys_own() {
    let limits = good(&minimal("")).downstream.limits;
    assert_eq!(
        format!("{limits:?}"),
        format!("{:?}", proxy::config::Limits::default())
    );
    let changed = good(&minimal(
        "[stratum]\nmax_connections = 7\nidle_timeout_secs = 60\nhandshake_hold_ms = 0",
    ));
    assert_eq!(changed.downstream.limits.max_connections, 7);
    assert_eq!(
        changed.downstream.limits.idle_timeout,
        Duration::from_secs(60)
    );
    assert_eq!(changed.downstream.limits.handshake_hold, Duration::ZERO);
}

#[test]
fn what_is_given_is_used() {
    let config = good(&format!(
        "[pool]\nnetwork = \"testnet4\"\ndata_dir = \"/var/lib/axepool\"\nname = \"Garage\"\n\
         [upstream]\naddress = \"{TESTNET}\"\nworker = \"shed\"\nurls = [\"stratum+tcp://[::1]:3333\", \"stratum+ssl://pool.example:443/\"]\n\
         [stratum]\nlisten = [\"0.0.0.0:3333\", \"[::]:3333\"]\nmin_difficulty = 0.002\nstart_difficulty = 1\nproxy_protocol_from = [\"10.0.0.0/8\", \"::1\"]\n\
         [metrics]\nlisten = []\n\
         [mint]\nquote_min_work = \"36893488147419103232\"\nquote_per = \"share\"\n\
         [payout]\nsplit = \"tides\"\nfee_bps = 150\n"
    ));
    assert_eq!(config.upstream.username, format!("{TESTNET}.shed"));
    assert_eq!(config.upstream.urls[0].host, "::1");
    assert!(config.upstream.urls[1].tls);
    assert_eq!(config.downstream.listen.len(), 2);
    assert_eq!(config.downstream.proxy_protocol_from[0].prefix_len, 8);
    assert_eq!(config.downstream.proxy_protocol_from[1].prefix_len, 128);
    assert!(config.metrics_listen.is_empty());
    assert_eq!(config.terms.quote_min_work.hashes(), 1 << 65);
    assert_eq!(config.terms.fee_bps, 150);
    assert_eq!(config.terms.split, ledger::Split::Tides);
    assert_eq!(config.data_dir, Path::new("/var/lib/axepool"));
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_known_one() {
    case(
        &minimal("adress = \"x\""),
        "upstream.adress",
        "did you mean address?",
    );
    case(
        &minimal("[stratum]\nmin_dificulty = 1"),
        "stratum.min_dificulty",
        "did you mean min_difficulty?",
    );
    case(
        &minimal("[pool]\nlisten = \"0.0.0.0:1\""),
        "pool.listen",
        "it belongs to [stratum]",
    );
    case(
        &minimal("[pool]\nqwertz = 1"),
        "pool.qwertz",
        "[pool] has network, data_dir, name",
    );
    case(
        &minimal("[statum]\nlisten = 1"),
        "statum",
        "did you mean [stratum]?",
    );
    case(
        &minimal("[lighting]\nconfig = \"x\""),
        "lighting",
        "there is no such section",
    );
    case(
        &format!("fee_bps = 3\n{}", minimal("")),
        "fee_bps",
        "it belongs to [payout]",
    );
    case(
        &format!("pool = 3\n{}", minimal("")),
        "pool",
        "begin it with a line [pool]",
    );
}

#[test]
fn values_that_do_not_do_are_told_with_what_to_do() {
    case(
        &minimal("[stratum]\nlisten = \"3333\""),
        "stratum.listen",
        "0.0.0.0:3333",
    );
    case(
        &minimal("[stratum]\nlisten = []"),
        "stratum.listen",
        "no address to listen on",
    );
    case(
        &minimal("[stratum]\nmin_difficulty = 0"),
        "stratum.min_difficulty",
        "above 0",
    );
    case(
        &minimal("[stratum]\nmin_difficulty = nan"),
        "stratum.min_difficulty",
        "above 0",
    );
    case(
        &minimal("[stratum]\nmin_difficulty = \"256\""),
        "stratum.min_difficulty",
        "string is no number",
    );
    case(
        &minimal("[stratum]\nstart_difficulty = 1"),
        "stratum.start_difficulty",
        "below min_difficulty, 256",
    );
    case(
        &minimal("[stratum]\ntarget_shares_per_minute = inf"),
        "stratum.target_shares_per_minute",
        "0.1 to 1000000",
    );
    case(
        &minimal("[stratum]\nmax_connections = 0"),
        "stratum.max_connections",
        "from 1 to 1000000",
    );
    case(
        &minimal("[stratum]\nmax_connections = -1"),
        "stratum.max_connections",
        "out of range",
    );
    case(
        &minimal("[stratum]\nmax_line_bytes = 12"),
        "stratum.max_line_bytes",
        "below the least, 1024",
    );
    case(
        &minimal("[stratum]\nproxy_protocol_from = [\"10.0.0.0/33\"]"),
        "stratum.proxy_protocol_from",
        "prefix length",
    );
    case(
        &minimal("[stratum]\nproxy_protocol_from = \"::1/x\""),
        "stratum.proxy_protocol_from",
        "prefix length",
    );
    case(
        &minimal("[payout]\nfee_bps = 10001"),
        "payout.fee_bps",
        "above the most, 10000",
    );
    case(
        &minimal("[payout]\nsplit = \"pplns\""),
        "payout.split",
        "\"epoch\" or \"tides\"",
    );
    case(
        &minimal("[mint]\nquote_min_work = -5"),
        "mint.quote_min_work",
        "not negative",
    );
    case(
        &minimal("[pool]\nnetwork = \"main\""),
        "pool.network",
        "choose \"mainnet\" or",
    );
    case(
        &minimal("[pool]\nname = \"\""),
        "pool.name",
        "1 to 64 characters",
    );
    case(
        &minimal("worker = \"a b\""),
        "upstream.worker",
        "letters, digits",
    );
    case(
        &minimal("urls = []"),
        "upstream.urls",
        "no upstream to mine at",
    );
    case(
        &minimal("urls = [\"mine.ocean.xyz:3334\"]"),
        "upstream.urls",
        "does not begin with stratum+tcp",
    );
    case(
        &minimal("urls = [\"http://mine.ocean.xyz:3334\"]"),
        "upstream.urls",
        "does not begin",
    );
    case(
        &minimal("urls = [\"stratum+tcp://mine.ocean.xyz\"]"),
        "upstream.urls",
        "no valid port",
    );
    case(
        &minimal("urls = [\"stratum+tcp://user:x@host:1\"]"),
        "upstream.urls",
        "no valid host",
    );
    case(
        &minimal("urls = [\"stratum+tcp://host:0\"]"),
        "upstream.urls",
        "no valid port",
    );
    case(
        &minimal("urls = [\"stratum+tcp://::1:33\"]"),
        "upstream.urls",
        "no valid host",
    );
}

#[test]
fn the_address_is_checked_against_the_network() {
    case("", "upstream.address", "missing");
    case(
        "[upstream]\naddress = \"bc1qhello\"",
        "upstream.address",
        "not a bitcoin address",
    );
    case(
        &format!("[upstream]\naddress = \"{TESTNET}\""),
        "upstream.address",
        "another network",
    );
    let mistyped = MAINNET.replace("8f3t4", "8f3t5");
    case(
        &format!("[upstream]\naddress = \"{mistyped}\""),
        "upstream.address",
        "not a bitcoin address",
    );
    case(
        &format!("[pool]\nnetwork = \"signet\"\n[upstream]\naddress = \"{TESTNET}\""),
        "upstream.urls",
        "on mainnet alone",
    );
}

#[test]
fn listeners_do_not_share_an_address() {
    case(
        &minimal("[stratum]\nlisten = \"127.0.0.1:9332\""),
        "metrics.listen",
        "stratum.listen has this address already",
    );
    good(&minimal(
        "[stratum]\nlisten = [\"127.0.0.1:0\", \"127.0.0.1:0\"]",
    ));
}

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
fn a_secret_is_in_a_file_of_its_own() {
    let config = good(&minimal("[mint]\nmnemonic = { file = \"words\" }"));
    assert_eq!(config.mint.mnemonic_file, Path::new("/etc/axepool/words"));
    let config = good(&minimal("[pool]\ndata_dir = \"/var/axepool\""));
    let words = Path::new("/var/axepool/mint/mint.mnemonic");
    assert_eq!(config.mint.mnemonic_file, words);
    for value in [
        "\"zebra zebra\"",
        "{ path = \"x\" }",
        "{ file = \"x\", mode = 1 }",
    ] {
        let text = minimal(&format!("[mint]\nmnemonic = {value}"));
        case(&text, "mint.mnemonic", "has no place in this file");
    }
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

#[test]
fn all_problems_are_told_at_once() {
    let list = problems(
        "[pool]\nnetwork = \"moon\"\nnmae = \"x\"\n[stratum]\nlisten = \"x\"\nmin_difficulty = -1\n",
    );
    let keys: Vec<_> = list.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "pool.network",
            "upstream.address",
            "stratum.listen",
            "stratum.min_difficulty",
            "pool.nmae"
        ]
    );
}

#[test]
fn what_is_no_toml_is_told_with_its_place() {
    case("[upstream]\naddress = bc1q", "", "line 2, column ");
    case("[upstream]\n[upstream]", "", "not TOML");
}

#[test]
fn the_effective_config_means_the_same() {
    let text = minimal(
        "suggest_difficulty = 5000\n[stratum]\nlisten = \"127.0.0.1:3333\"\nmin_difficulty = 0.5",
    );
    let first = config::parse(&text, Path::new("")).expect("good");
    let printed = config::render(&first.effective);
    assert!(printed.contains("min_difficulty = 0.5\n"), "{printed}");
    assert!(
        printed.contains("start_difficulty = 1000.0  # default\n"),
        "{printed}"
    );
    let second =
        config::parse(&printed, Path::new("")).expect("what check-config prints is a config");
    assert_eq!(
        format!("{:?}", first.config),
        format!("{:?}", second.config)
    );
}

#[test]
fn an_authority_of_ones_own_must_be_readable() {
    let missing = minimal("ca_file = \"/nowhere/ca.pem\"\n");
    case(&missing, "upstream.ca_file", "cannot be read");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    std::fs::write(&path, "").unwrap();
    let config = good(&minimal(&format!("ca_file = {path:?}\n")));
    assert_eq!(config.upstream.extra_ca, Some(path));
}

#[test]
fn where_the_money_comes_from_is_checked() {
    let config = good(&minimal(""));
    assert_eq!(config.income.address.to_string(), MAINNET);
    assert!(config.income.node.is_none() && config.income.chain.is_none());
    assert_eq!(
        config.income.ocean_api.as_deref(),
        Some("https://api.ocean.xyz/v1")
    );
    let chain_only = good(&minimal("[ocean]\nblocks = \"chain\""));
    assert_eq!(chain_only.income.ocean_api, None);

    let bad = |text: &str, key: &str, said: &str| case(&minimal(text), key, said);
    bad("[chain]\nurl = \"bitcoind\"", "chain.url", "begins with");
    bad("[chain]\nurl = 3", "chain.url", "not a URL");
    bad(
        "[chain]\nurl = { file = \"none\" }",
        "chain.url",
        "cannot be read",
    );
    bad(
        "[chain]\nurl = \"ssl://electrum.example:50002\"",
        "chain.url",
        "Electrum",
    );
    bad("[ocean]\nblocks = []", "ocean.blocks", "nobody to ask");
    bad("[ocean]\nblocks = \"note\"", "ocean.blocks", "not a source");
    bad(
        "[ocean]\napi_url = \"ftp://ocean\"",
        "ocean.api_url",
        "not a URL",
    );
    bad(
        "[lightning]\nconfig = \"none.toml\"",
        "lightning.config",
        "cannot be read",
    );
}

#[test]
fn a_node_has_the_pools_network_and_a_chain() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("node.toml"), "network = \"mainnet\"\n").unwrap();
    let parse = |text: &str| config::parse(text, dir.path());
    let node = "[lightning]\nconfig = \"node.toml\"\n";
    let list = parse(&minimal(node)).unwrap_err();
    assert_eq!(list.len(), 1, "{list:#?}");
    assert!(list[0].why.contains("no chain to read"), "{list:#?}");

    let chain = "[chain]\nurl = \"http://me:secret@127.0.0.1:8332\"\n";
    let loaded = parse(&minimal(&format!("{node}{chain}"))).unwrap();
    let settings = loaded.config.income.node.unwrap().settings;
    assert_eq!(settings.storage_dir, dir.path().join("data/node"));
    let shown = config::render(&loaded.effective);
    assert!(
        shown.contains("http://me:***@127.0.0.1:8332") && !shown.contains("secret"),
        "{shown}"
    );
    let broken = minimal("[chain]\nurl = \"http://me:secret@127.0.0.1\"\n");
    let list = parse(&broken).unwrap_err();
    assert!(!list[0].to_string().contains("secret"), "{list:#?}");

    let testnet = format!(
        "[pool]\nnetwork = \"testnet4\"\n[upstream]\nurls = [\"stratum+tcp://127.0.0.1:1\"]\naddress = \"{TESTNET}\"\n{node}{chain}"
    );
    let list = parse(&testnet).unwrap_err();
    assert_eq!(list.len(), 1, "{list:#?}");
    assert!(list[0].why.contains("its network is"), "{list:#?}");
}
