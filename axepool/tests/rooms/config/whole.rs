//! The file as a whole: what it need not say, what it may not, and what is printed of it.

use std::path::Path;
use std::time::Duration;

use pool::config;

use crate::config::{MAINNET, TESTNET, case, good, minimal, problems};

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
    assert_eq!(config.terms.split, accounting::Split::Tides);
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
