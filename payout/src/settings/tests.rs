use super::*;

const NODE: &str = "029ef2ce43571727104099576c633b2233bfeb8dc18b476f93540a32207da9e9a4";

#[track_caller]
fn refused(text: &str, said: &str) {
    let error = Settings::parse(text).expect_err("it is refused");
    assert!(error.contains(said), "{error:?} says {said:?}");
}

#[test]
fn every_example_is_taken_as_it_is() {
    for (name, network) in [
        ("mainnet", Network::Bitcoin),
        ("signet", Network::Signet),
        ("regtest", Network::Regtest),
    ] {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../ldk-node-config/");
        let path = PathBuf::from(path).join(format!("{name}.toml"));
        let settings = Settings::read(&path).unwrap();
        assert_eq!(settings.network, network, "{name}");
    }
}

/// What is written out as a comment is a key that exists: each, put in, is taken.
#[test]
fn every_example_stays_right_with_its_comments_taken_off() {
    for name in ["mainnet", "signet", "regtest"] {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../ldk-node-config/");
        let text =
            std::fs::read_to_string(PathBuf::from(path).join(format!("{name}.toml"))).unwrap();
        for (number, line) in text.lines().enumerate() {
            let Some(key) = line.strip_prefix("#:") else {
                continue;
            };
            let mut lines: Vec<&str> = text.lines().collect();
            lines[number] = key.trim_start();
            let outcome = Settings::parse(&lines.join("\n"));
            let needs_another = matches!(&outcome, Err(error) if error.contains("needs"));
            assert!(
                outcome.is_ok() || needs_another,
                "{name}: {key}: {outcome:?}"
            );
        }
    }
}

#[test]
fn defaults_are_a_private_node() {
    let settings = Settings::parse("network = \"regtest\"").unwrap();
    assert!(!settings.is_public());
    assert_eq!(settings.offer_path, OfferPath::Auto);
    assert_eq!(settings.reach.gossip, Gossip::PeerToPeer);
    assert_eq!(settings.anchors.reserve_sat, 25_000);
    assert_eq!(settings.melt_fees, Fees::default());
    let settings = settings.under(Path::new("/data"));
    assert_eq!(settings.mnemonic_file, Path::new("/data/node-mnemonic"));
    assert_eq!(settings.storage_dir, Path::new("/data/node"));
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    refused("", "network");
    refused("network = \"regtest\"\n[melts]\nfee_ppm = 100001", "100001");
    refused(
        "network = \"regtest\"\n[melts]\nfee_base_sat = 100001",
        "melts.fee_base_sat",
    );
    refused("network = \"main\"", "\"main\"");
    refused("network = \"regtest\"\nalias = \"x\"", "alias");
    refused("network = \"regtest\"\n[reach]\nalais = \"x\"", "alais");
    refused(
        "network = \"regtest\"\n[reach]\nalias = \"x\"",
        "reach.listen",
    );
    refused(
        "network = \"regtest\"\n[reach]\nlisten = [\"0.0.0.0:9735\"]\nannounce = [\"1.2.3.4:9735\"]",
        "reach.alias",
    );
    refused(
        "network = \"regtest\"\n[reach]\nlisten = [\"nowhere\"]",
        "nowhere",
    );
    refused(
        "network = \"regtest\"\n[reach]\ngossip = \"rapid\"",
        "rapid_gossip_url",
    );
    refused(
        "network = \"regtest\"\n[peers]\npersistent = [\"x@y:1\"]",
        "node id",
    );
    refused(
        "network = \"regtest\"\n[offer]\npath = \"peer\"",
        "\"peer\"",
    );
    refused(
        "network = \"regtest\"\nchain_source = \"ftp://x\"",
        "chain_source: a chain source begins with",
    );
}

#[track_caller]
fn source(text: &str, expected: Result<ChainSource, ChainSourceError>) {
    assert_eq!(text.parse::<ChainSource>(), expected, "{text}");
}

fn rpc(host: &str, password: &str) -> Result<ChainSource, ChainSourceError> {
    Ok(ChainSource::Bitcoind {
        host: host.into(),
        port: 8332,
        login: RpcLogin::Password {
            user: "pool".into(),
            password: password.into(),
        },
    })
}

#[test]
fn a_chain_source_is_known_by_its_url() {
    source(
        "http://pool:secret@127.0.0.1:8332",
        rpc("127.0.0.1", "secret"),
    );
    source("http://pool:secret@[::1]:8332", rpc("[::1]", "secret"));
    source(
        "https://mempool.space/api/",
        Ok(ChainSource::Esplora("https://mempool.space/api".into())),
    );
    for esplora in [
        "http://127.0.0.1:3000",
        "http://127.0.0.1:8332/api",
        "http://there:8332",
    ] {
        source(esplora, Ok(ChainSource::Esplora(esplora.into())));
    }
    source(
        "ssl://electrum.example:50002",
        Ok(ChainSource::Electrum("ssl://electrum.example:50002".into())),
    );
    source("http://pool@host:8332", Err(ChainSourceError::Rpc));
    source("http://pool:secret@host", Err(ChainSourceError::Rpc));
    source("http://", Err(ChainSourceError::Scheme));
    source("host:8332", Err(ChainSourceError::Scheme));
}

/// A password may have each of them: such a URL was taken for an Esplora server, and shown.
#[test]
fn a_password_ends_at_the_last_at_sign_and_never_makes_another_source() {
    for odd in ["/", "@", "#", "?", ":", "%2F", "//", "/@#?", " "] {
        for password in [
            format!("{odd}secret"),
            format!("se{odd}cret"),
            format!("secret{odd}"),
        ] {
            let url = format!("http://pool:{password}@bitcoind:8332/");
            source(&url, rpc("bitcoind", &password));
            for (wrong, why) in [
                (
                    format!("https://pool:{password}@host:8332"),
                    ChainSourceError::RpcOverTls,
                ),
                (
                    format!("ssl://pool:{password}@host:1"),
                    ChainSourceError::RpcOverTls,
                ),
                (
                    format!("http://pool:{password}@host:8332/api"),
                    ChainSourceError::Rpc,
                ),
                (
                    format!("http://pool:{password}@host"),
                    ChainSourceError::Rpc,
                ),
            ] {
                assert!(!why.to_string().contains("secret"));
                source(&wrong, Err(why));
            }
        }
    }
    source(
        "https://host/api?token=secret",
        Err(ChainSourceError::Query),
    );
    source("https://host/api#secret", Err(ChainSourceError::Query));
}

#[test]
fn a_bitcoind_of_this_machine_needs_no_password() {
    for (url, below) in [
        ("http://127.0.0.1:8332", "/.bitcoin/.cookie"),
        ("http://localhost:38332/", "/.bitcoin/signet/.cookie"),
        ("http://[::1]:18443", "/.bitcoin/regtest/.cookie"),
    ] {
        let source: ChainSource = url.parse().unwrap();
        let words = source.cookie().expect("a cookie").words();
        assert!(
            words.contains(below) && words.contains("/var/lib/bitcoind"),
            "{words}"
        );
    }
    let with = |url, network| ChainSource::with_cookie(url, "/a/.cookie".into(), network);
    let shown = |url, network| with(url, network).unwrap().to_string();
    assert_eq!(shown(None, Network::Signet), "bitcoind at 127.0.0.1:38332");
    let there = Some("http://there:1/");
    assert_eq!(shown(there, Network::Bitcoin), "bitcoind at there:1");
    let no_port = Some("http://[::1]");
    assert_eq!(shown(no_port, Network::Bitcoin), "bitcoind at [::1]:8332");
    for (url, why) in [
        ("http://pool:secret@host:8332", ChainSourceError::TwoLogins),
        ("https://host/api", ChainSourceError::NoBitcoind),
        ("http://host/api", ChainSourceError::NoBitcoind),
        ("ssl://host:1", ChainSourceError::NoBitcoind),
        ("http://host:x", ChainSourceError::Rpc),
        ("host", ChainSourceError::Scheme),
    ] {
        assert_eq!(with(Some(url), Network::Bitcoin), Err(why), "{url}");
    }
}

#[test]
fn a_password_stays_out_of_every_output() {
    let source: ChainSource = "http://pool:secret@127.0.0.1:8332".parse().unwrap();
    assert!(!format!("{source} {source:?}").contains("secret"));
    let key = "https://host/0secret0123456789abcdef/api";
    let source: ChainSource = key.parse().unwrap();
    assert_eq!(format!("{source:?}"), "esplora at https://host/***/api");
    for wrong in [
        "chain_source = \"https://pool:se/cret@host\"",
        "chain_source = \"pool:se/cret@host\"",
        // A key that is not known, a value without an end, a value of another type.
        "chain_url = \"http://pool:se/cret@host:1\"",
        "chain_source = \"http://pool:se/cret@host:1",
        "chain_cookie = [\"http://pool:se/cret@host:1\"]",
        "log = \"http://pool:se/cret@host:1\"",
        "network = \"http://pool:se/cret@host:1\"",
    ] {
        let text = if wrong.starts_with("network") {
            wrong.to_owned()
        } else {
            format!("network = \"regtest\"\n{wrong}")
        };
        let error = Settings::parse(&text).expect_err(wrong);
        assert!(!error.contains("cret"), "{wrong}: {error}");
    }
}

#[test]
fn the_nodes_own_cookie_is_under_the_data_directory() {
    let text = "network = \"signet\"\nchain_cookie = \".cookie\"";
    let settings = Settings::parse(text).unwrap().under(Path::new("/data"));
    let source = settings.chain_source.expect("a source");
    assert_eq!(source.to_string(), "bitcoind at 127.0.0.1:38332");
    assert_eq!(source.cookie().expect("a cookie").words(), "/data/.cookie");
}

#[test]
fn a_peer_is_written_as_it_is_read() {
    let text = format!("{NODE}@127.0.0.1:9735");
    assert_eq!(text.parse::<Peer>().unwrap().to_string(), text);
    assert_eq!(NODE.parse::<Peer>(), Err(PeerError::Form));
    assert_eq!(format!("{NODE}@x").parse::<Peer>(), Err(PeerError::Address));
}
